//! `wa init`: make a store and its settings.

use std::path::PathBuf;
use std::time::Duration;

use super::{Globals, Printer};
use crate::config::{self, ResolvedConfig};
use crate::error::{Error, Result};
use crate::ingest::pipeline::check_settings;
use crate::store::Store;
use crate::store::manifest::Manifest;
use crate::time::Clock;

/// Make a store, with a wa.toml that explains every setting
///
/// The first ingest does the same with the defaults; this is for those who want other settings from
/// the first line on. As long as the store is empty, every setting can still be changed in wa.toml.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa init
      ./wa-store with the default settings
  wa --store /var/lib/wa init --timezone Europe/Berlin --ip truncate
      days in Berlin time, and no full address is ever stored")]
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

    /// A MaxMind-format database for looking up where an address is
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
}

/// What it needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store to make.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings to write down, or those of a wa.toml that lies there already.
    pub resolved: ResolvedConfig,
    /// Some of them came from flags, so that a wa.toml that lies there already says something else.
    pub flags: bool,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where they make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let mut resolved = ResolvedConfig::default();
        let mut flags = false;
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
                resolved.set_flag(name, &value, flag)?;
                flags = true;
            }
        }
        if !flags && globals.store.join(config::FILE_NAME).exists() {
            resolved = globals.settings()?;
        }
        resolved.check()?;
        Ok(Options { store: globals.store.clone(), clock: globals.clock, resolved, flags })
    }
}

/// Makes the store, empty, and says where its settings are. A wa.toml that somebody has put there for a
/// store to be made is left as it is, and the store made by it.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where the settings are there already, or the folder holds other things.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let (store, dir) = (Store::new(&options.store), options.store.as_path());
    let path = dir.join(config::FILE_NAME);
    if path.exists() && (options.flags || store.exists()) {
        return Err(Error::failed(format!("the settings {} are there already", path.display()))
            .hint("edit them; `wa config` shows what is in force"));
    }
    let settings = &options.resolved.settings;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let existed = store.exists();
    let writer = store.writer("wa init", Duration::ZERO, first)?;
    // The store may have lost its settings alone, and hold sessions of another time zone.
    let written = check_settings(writer.manifest(), settings)
        .and_then(|()| config::write(&**store.file_system(), dir, &options.resolved));
    writer.finish()?;
    let (dir, path) = (dir.display(), path.display());
    printer.note(&match (written?.is_some(), existed) {
        (true, true) => format!("wrote the settings of the store {dir} to {path}"),
        (true, false) => format!("made the store {dir} with its settings in {path}"),
        (false, _) => format!("made the store {dir} by the settings in {path}"),
    });
    Ok(())
}
