//! `wa init`: make a store and its settings.

use std::path::PathBuf;

use super::{Globals, Io};
use crate::config::{self, InForce};
use crate::error::{Error, Result};

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

/// Makes the store and says where its settings are.
///
/// # Errors
/// [`crate::Kind::Failed`] where the settings are there already, or the folder holds other things.
pub fn run(options: &Options, io: &Io) -> Result<()> {
    refuse_foreign_folder(options)?;
    match config::write(&options.store, &options.in_force)? {
        Some(path) => {
            io.note(&format!(
                "made the store {} with its settings in {}",
                options.store.display(),
                path.display()
            ));
            Ok(())
        }
        None => {
            let path = options.store.join(config::FILE_NAME);
            Err(Error::failed(format!("the settings {} are there already", path.display()))
                .hint("edit them; `wa config` shows what is in force"))
        }
    }
}

/// A store is never made in a folder that holds other things, lest they be taken for its files.
fn refuse_foreign_folder(options: &Options) -> Result<()> {
    let store = &options.store;
    let entries = match std::fs::read_dir(store) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("make a store in", store, e)),
    };
    let mut other = None;
    for entry in entries {
        let name = entry.map_err(|e| Error::io("read", store, e))?.file_name();
        let name = name.to_string_lossy();
        // A store whose settings were lost still has its manifest.
        if name == config::FILE_NAME || name.starts_with("manifest") {
            return Ok(());
        }
        if !name.starts_with(&format!(".{}", config::FILE_NAME)) {
            other = Some(name.into_owned());
        }
    }
    match other {
        None => Ok(()),
        Some(name) => Err(Error::failed(format!(
            "cannot make a store in {}: the folder holds other things, such as {name}",
            store.display()
        ))
        .hint("name a folder that is empty or not there yet with --store DIR")),
    }
}
