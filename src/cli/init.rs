//! `wa init`: make a store and its settings.

use std::path::PathBuf;
use std::time::Duration;

use super::{Globals, Io};
use crate::config::{self, InForce};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::fs::{Disk, RealDisk};
use crate::store::lock::WriterLock;

/// Make a store, with a wa.toml that explains every setting
///
/// The first ingest does the same with the defaults; this is for those who want other settings from
/// the first line on.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa init
      ./wa-store with the default settings
  wa --store /var/lib/wa init --timezone Europe/Berlin --ip truncate
      days of Berlin, and no whole address is ever stored")]
pub struct Args {
    /// The time zone in which days are counted, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// A gap longer than this starts a new session [default: 30m]
    #[arg(long, value_name = "TIME")]
    session_timeout: Option<String>,

    /// How long to keep events [default: 90d]
    #[arg(long, value_name = "TIME")]
    keep_events: Option<String>,

    /// How long to keep sessions [default: 1y]
    #[arg(long, value_name = "TIME")]
    keep_sessions: Option<String>,

    /// How long to keep daily statistics [default: forever]
    #[arg(long, value_name = "TIME")]
    keep_daily_stats: Option<String>,

    /// What to store of addresses: keep, truncate or drop [default: keep]
    #[arg(long, value_name = "POLICY")]
    ip: Option<String>,

    /// After how long gc removes addresses, or never [default: never]
    #[arg(long, value_name = "TIME")]
    anonymize_after: Option<String>,

    /// A MaxMind-format database that says where an address is
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
}

/// What it needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store to make.
    pub store: PathBuf,
    /// The settings to write down.
    pub in_force: InForce,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where they make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let mut in_force = InForce::default();
        // A path in wa.toml counts from the store: one on the command line counts from here.
        let geoip = self
            .geoip
            .map(|path| std::path::absolute(&path).map_err(|e| Error::io("find", &path, e)))
            .transpose()?
            .map(|path| path.display().to_string());
        for (name, value, flag) in [
            ("timezone", self.timezone, "--timezone"),
            ("session_timeout", self.session_timeout, "--session-timeout"),
            ("geoip", geoip, "--geoip"),
            ("retention.events", self.keep_events, "--keep-events"),
            ("retention.sessions", self.keep_sessions, "--keep-sessions"),
            ("retention.daily_stats", self.keep_daily_stats, "--keep-daily-stats"),
            ("privacy.ip", self.ip, "--ip"),
            ("privacy.anonymize_after", self.anonymize_after, "--anonymize-after"),
        ] {
            if let Some(value) = value {
                in_force.set_flag(name, &value, flag)?;
            }
        }
        in_force.check()?;
        Ok(Options { store: globals.store.clone(), in_force })
    }
}

/// Makes the store and says where its settings are. Its manifest comes with the first ingest, so
/// that until then every setting can still be changed without a rebuild.
///
/// # Errors
/// [`crate::Kind::Failed`] where the settings are there already, or the folder holds other things.
pub fn run(options: &Options, io: &Io) -> Result<()> {
    let (disk, dir) = (RealDisk, options.store.as_path());
    Store::at(dir).refuse_foreign_folder()?;
    disk.create_dir_all(dir).map_err(|e| Error::io("create the store", dir, e))?;
    let lock = WriterLock::take(dir, "wa init", Duration::ZERO)?;
    let written = config::write(&disk, dir, &options.in_force)?;
    drop(lock);
    match written {
        Some(path) => {
            io.note(&format!("made the store {} with its settings in {}", dir.display(), path.display()));
            Ok(())
        }
        None => {
            let path = dir.join(config::FILE_NAME);
            Err(Error::failed(format!("the settings {} are there already", path.display()))
                .hint("edit them; `wa config` shows what is in force"))
        }
    }
}
