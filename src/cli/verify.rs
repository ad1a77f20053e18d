//! `wa verify`: check the whole store.

use std::path::PathBuf;

use super::args::values::SummaryFormat;
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::maintenance;
use crate::render::numbers::{group_digits, pluralize};
use crate::render::text::escape_control;
use crate::store::Store;

/// Check every file against the manifest, and the derived tables against the events
///
/// Size, rows and checksum of every file; sessions, visitors and daily statistics made again from
/// the events, as far as these are kept, and compared row for row. Exit status 1, with a list, where
/// something differs.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa verify
      after a crash of the machine, before a backup
  wa verify --format json | jq .differences
      for a program")]
pub struct Args {
    /// How to write the result: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,
}

/// What the check needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// How to write the result.
    pub format: SummaryFormat,
    /// Whether a form was asked for: then quiet does not hold the result back.
    pub format_given: bool,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// None so far.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Checks the store and prints what differs.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where something differs.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let bar = Bar::new(printer, "verify");
    let report = maintenance::verify(&Store::new(&options.store), &bar);
    bar.finish();
    let report = report?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&report)
            .map_err(|e| Error::failed("cannot write what was found as JSON").caused_by(e))?,
        SummaryFormat::Table => table(&report),
    };
    printer.summary(&text, options.format_given)?;
    let differences = report.differences.len() as u64 + report.further_differences;
    if differences == 0 {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} {} found in the store {}",
        group_digits(differences),
        if differences == 1 { "difference was" } else { "differences were" },
        options.store.display()
    ))
    .hint(if report.orphan_files == differences {
        "`wa gc` removes files that the manifest does not name; the store itself is as it must be"
    } else if report.tables_compared {
        "`wa rebuild` makes sessions and daily statistics again from the events that are kept"
    } else {
        "put the damaged files back from a backup of the store, \
         or make a new store and ingest the logs again"
    }))
}

fn table(report: &maintenance::VerifyReport) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        text.push_str(&format!(
            "{}: {}\n",
            escape_control(&difference.object),
            escape_control(&difference.message)
        ));
    }
    if report.further_differences > 0 {
        text.push_str(&format!("and {} more\n", group_digits(report.further_differences)));
    }
    if !report.is_clean() {
        text.push('\n');
    }
    let (files, bytes) = (pluralize(report.files, "file", "files"), pluralize(report.bytes, "byte", "bytes"));
    text.push_str(&format!("{files}, {bytes}"));
    if report.tables_compared {
        text.push_str(&format!(
            "; compared {}, {} ({} of them in part), {}, {}",
            pluralize(report.events, "event", "events"),
            pluralize(report.sessions, "session", "sessions"),
            group_digits(report.partial_sessions),
            pluralize(report.visitors, "visitor", "visitors"),
            pluralize(report.daily_stats, "chatbot-day", "chatbot-days")
        ));
    }
    for note in &report.notes {
        text.push_str(&format!("\n{}", escape_control(note)));
    }
    if report.is_clean() {
        text.push_str("\nall is as it must be");
    }
    text.push('\n');
    text
}
