//! `wa anonymize`: removes old IP addresses.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::error::Result;
use crate::privacy::anonymize::{AnonymizeOptions, AnonymizeReport, anonymize};
use crate::render;
use crate::render::numbers::pluralize;
use crate::render::text::wrap_lines;
use crate::time::Clock;

/// Remove old IP addresses from events, sessions and rejected lines
///
/// `wa gc` does this if privacy.anonymize_after is set in wa.toml.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa anonymize --older-than 30d
      remove IP addresses older than 30 days
  wa anonymize --older-than 30d --dry-run
      show how many would be removed")]
pub(super) struct Args {
    /// Keep IP addresses this long: days, including today
    #[arg(long, value_name = "TIME", value_parser = values::days)]
    older_than: u32,

    /// Show how many IP addresses would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,

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
    older_than_days: u32,
    dry_run: bool,
    lock_timeout: Duration,
    format: SummaryFormat,
    format_given: bool,
}

impl Args {
    /// Validates the arguments and the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        globals.config()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            older_than_days: self.older_than,
            dry_run: self.dry_run,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Removes the IP addresses and prints a summary.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be changed or the summary cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let anonymize_options = AnonymizeOptions {
        clock: options.clock,
        older_than_days: options.older_than_days,
        dry_run: options.dry_run,
        lock_timeout: options.lock_timeout,
    };
    let completed = anonymize(&printer.store(&options.store), anonymize_options)?;
    let report = &completed.report;
    let text = match options.format {
        SummaryFormat::Json => render::json(report, "summary")?,
        SummaryFormat::Table => wrap_lines(&summary(report), printer.style().width),
    };
    if options.dry_run {
        printer.summary(&text, true)?;
        return completed.check_cleanup("anonymization");
    }
    printer.change_summary(&text, options.format_given, "anonymization")?;
    completed.check_cleanup("anonymization")
}

fn summary(report: &AnonymizeReport) -> String {
    let (removed, rewritten) = match report.dry_run {
        true => ("would be removed", "would be rewritten"),
        false => ("removed", "rewritten"),
    };
    format!(
        "IP addresses up to {} {removed} from {}, {} and {}; {} {rewritten}\n",
        report.through.as_deref().unwrap_or("today"),
        pluralize(report.events, "event", "events"),
        pluralize(report.sessions, "session", "sessions"),
        pluralize(report.rejects, "rejected line", "rejected lines"),
        pluralize(report.files, "file", "files")
    )
}
