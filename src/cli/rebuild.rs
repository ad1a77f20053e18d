//! `wa rebuild`: recomputes sessions and daily statistics.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::config;
use crate::error::Result;
use crate::maintenance::{RebuildOptions, RebuildReport, rebuild};
use crate::render;
use crate::render::numbers::group_digits;
use crate::render::text::wrap_lines;
use crate::settings::Settings;
use crate::time::Clock;

/// Recompute sessions and daily statistics after a change of timeout or time zone
///
/// Sessions whose events are all retained are recomputed. A session with pruned events stays whole:
/// a longer timeout merges it with its neighbours, a shorter one does not split it. Every session
/// is assigned to its day in the new time zone, and the statistics of all days are recomputed.
/// First-seen times only move earlier. A rebuild is one commit.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa rebuild
      apply a new timezone or session_timeout of wa.toml")]
pub(super) struct Args {
    /// Wait this long for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// Output format: table or json; if given, --quiet does not hide the output
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT")]
    format: Option<SummaryFormat>,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    settings: Settings,
    lock_timeout: Duration,
    format: SummaryFormat,
    format_given: bool,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let config = globals.config()?;
        config.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: config.settings,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Rebuilds the store and prints a summary.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be changed or the summary cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let store = printer.store(&options.store);
    config::check_file(&store)?;
    let bar = Bar::new(printer, "rebuild");
    let rebuild_options = RebuildOptions { clock: options.clock, lock_timeout: options.lock_timeout };
    let report = rebuild(&store, &options.settings, rebuild_options, &bar);
    bar.finish();
    let completed = report?;
    let report = &completed.report;
    let text = match options.format {
        SummaryFormat::Json => render::json(report, "summary")?,
        SummaryFormat::Table => wrap_lines(&summary(report), printer.style().width),
    };
    printer.change_summary(&text, options.format_given, "rebuild")?;
    completed.check_cleanup("rebuild")
}

fn summary(report: &RebuildReport) -> String {
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
            "{} of them not recomputed, since some of their events are pruned\n",
            group_digits(report.sessions_not_recomputed)
        ));
    }
    if report.first_seen_changed > 0 {
        text.push_str(&format!("first-seen times: {} changed\n", group_digits(report.first_seen_changed)));
    }
    if !report.changed {
        text.push_str("no changes were necessary\n");
    }
    text
}
