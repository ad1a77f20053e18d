//! `wa init`: creates a store and its settings.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::values;
use crate::cli::{Globals, Printer};
use crate::config::{FILE_NAME, ResolvedConfig, write};
use crate::error::{Error, Result};
use crate::ingest::pipeline::check_settings;
use crate::store::manifest::Manifest;
use crate::time::Clock;

/// Create an empty store, with a wa.toml that explains every setting
///
/// The first ingest does the same with the default settings and its own flags. Use init to choose
/// the time zone, the retention or the privacy settings before the first event is stored. If
/// wa.toml exists but the store does not, init without flags creates the store with that file.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa init
      create ./wa-store with the default settings
  wa --store /var/lib/wa init --timezone Europe/Berlin --ip truncate
      use Berlin time, and never store a full IP address")]
pub(in crate::cli) struct Args {
    /// Time zone of days, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// Start a new session after a longer gap between two events [default: 30m]
    #[arg(long, value_name = "TIME")]
    session_timeout: Option<String>,

    /// Retain events this long: days, or forever [default: 90d]
    #[arg(long, value_name = "TIME")]
    keep_events: Option<String>,

    /// Retain sessions this long, at least as long as events [default: 1y]
    #[arg(long, value_name = "TIME")]
    keep_sessions: Option<String>,

    /// Retain daily statistics this long, at least as long as sessions [default: forever]
    #[arg(long, value_name = "TIME")]
    keep_daily_stats: Option<String>,

    /// Keep, truncate or drop IP addresses [default: keep]
    #[arg(long, value_name = "POLICY")]
    ip: Option<String>,

    /// Remove IP addresses after this long: days, or never [default: never]
    #[arg(long, value_name = "TIME")]
    anonymize_after: Option<String>,

    /// MaxMind-format database that maps IP addresses to country and city
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
}

/// The validated options.
pub(in crate::cli) struct Options {
    store: PathBuf,
    clock: Clock,
    /// The settings from the flags, or else from an existing `wa.toml`.
    config: ResolvedConfig,
    /// Whether flags set settings. They cannot be combined with an existing `wa.toml`.
    has_flags: bool,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if they are invalid.
    pub(in crate::cli) fn validate(self, globals: &Globals) -> Result<Options> {
        let mut config = ResolvedConfig::default();
        let mut has_flags = false;
        // Paths in wa.toml are relative to the store, paths on the command line to the current
        // folder.
        let geoip = self.geoip.as_deref().map(values::absolute_path).transpose()?;
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
                config.set_flag(name, &value, flag)?;
                has_flags = true;
            }
        }
        if !has_flags && globals.store.join(FILE_NAME).exists() {
            config = globals.config()?;
        }
        config.check()?;
        Ok(Options { store: globals.store.clone(), clock: globals.clock, config, has_flags })
    }
}

/// Creates the empty store and its settings. An existing `wa.toml` is used and not changed.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store already has settings or the folder contains other
/// files.
pub(in crate::cli) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let (store, dir) = (printer.store(&options.store), options.store.as_path());
    let path = dir.join(FILE_NAME);
    if path.exists() && (options.has_flags || store.exists()) {
        return Err(Error::failed(format!("the settings {} already exist", path.display()))
            .hint("edit that file; `wa config` shows the current settings"));
    }
    let settings = &options.config.settings;
    let new_manifest =
        || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let existed = store.exists();
    let writer = store.writer("wa init", Duration::ZERO, new_manifest)?;
    // A store that lost its settings can have sessions in another time zone.
    let written = check_settings(writer.manifest(), settings)
        .and_then(|()| write(&**store.file_system(), dir, &options.config));
    writer.finish()?;
    let (dir, path) = (dir.display(), path.display());
    printer.note(&match (written?.is_some(), existed) {
        (true, true) => format!("wrote the settings of the store {dir} to {path}"),
        (true, false) => format!("created the store {dir} with settings in {path}"),
        (false, _) => format!("created the store {dir} with the settings of {path}"),
    });
    Ok(())
}
