//! `wa rebuild`: make sessions and daily statistics again.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::config;
use crate::error::{Error, Result};
use crate::maintenance;
use crate::render::numbers::group_digits;
use crate::settings::Settings;
use crate::store::Store;
use crate::time::Clock;

/// Make sessions and daily statistics again, after a change of timeout or time zone
///
/// Sessions whose events are all kept are cut anew. A session that has lost events to pruning stays
/// whole: a longer timeout joins it with its neighbours, a shorter one leaves it as it is. All sessions
/// are dated by the time zone, and every day whose sessions are kept is counted again. First-seen times
/// only move earlier. It is one change of the store: all of it or nothing.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa rebuild
      after timezone or session_timeout was changed in wa.toml")]
pub struct Args {
    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write what was done: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,
}

/// What a rebuild needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force: the timeout and time zone to rebuild with.
    pub settings: Settings,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write what was done.
    pub format: SummaryFormat,
    /// Whether a form was asked for: then quiet does not hold the account back.
    pub format_given: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let resolved = globals.config()?;
        resolved.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: resolved.settings,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Rebuilds, and prints what was done.
///
/// # Errors
/// What the rebuild returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let store = Store::new(&options.store);
    config::check_file(&store)?;
    let bar = Bar::new(printer, "rebuild");
    let told = maintenance::RebuildOptions { clock: options.clock, lock_timeout: options.lock_timeout };
    let report = maintenance::rebuild(&store, &options.settings, told, &bar);
    bar.finish();
    let report = report?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&report)
            .map_err(|e| Error::failed("cannot write what was done as JSON").caused_by(e))?,
        SummaryFormat::Table => table(&report),
    };
    printer.change_summary(&text, options.format_given, "rebuild")
}

fn table(report: &maintenance::RebuildReport) -> String {
    let [old_zone, zone] = &report.timezone;
    let [old_timeout, timeout] = report.session_timeout_seconds;
    let mut text = String::new();
    if old_zone != zone {
        text.push_str(&format!("time zone: {old_zone} before, {zone} now\n"));
    }
    if old_timeout != timeout {
        text.push_str(&format!("session timeout: {old_timeout} s before, {timeout} s now\n"));
    }
    text.push_str(&format!(
        "sessions: {} before, {} now; {} changed, {} moved to another day\n",
        group_digits(report.sessions_before),
        group_digits(report.sessions),
        group_digits(report.sessions_changed),
        group_digits(report.sessions_redated)
    ));
    if report.sessions_not_recomputed > 0 {
        text.push_str(&format!(
            "{} of them could not be cut anew: their events are not all kept\n",
            group_digits(report.sessions_not_recomputed)
        ));
    }
    if report.first_seen_changed > 0 {
        text.push_str(&format!("first sights: {} changed\n", group_digits(report.first_seen_changed)));
    }
    if !report.changed {
        text.push_str("nothing had to be changed\n");
    }
    text
}
