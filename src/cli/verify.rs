//! `wa verify`: checks the files and tables of the store.

use std::path::PathBuf;

use super::args::values::SummaryFormat;
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::maintenance::{VerifyReport, verify};
use crate::render;
use crate::render::numbers::{group_digits, pluralize};
use crate::render::text::{escape_control, wrap_lines};
use crate::settings::Settings;
use crate::store::Store;

/// Check all files against the manifest, and all tables against the events
///
/// Compares size, checksum and rows of every file with the manifest, and the secret key with its
/// fingerprint. Recomputes sessions, visitors and daily statistics from the retained events, and
/// compares them with the stored rows. Differences are listed, and the exit status is then 1.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa verify
      check the store after a crash or before a backup
  wa verify --format json | jq .differences
      list the differences for a program")]
pub(super) struct Args {
    /// Output format: table or json; if given, --quiet does not hide the output
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT")]
    format: Option<SummaryFormat>,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    format: SummaryFormat,
    format_given: bool,
    /// The settings, or the error of reading them.
    settings: Result<Settings>,
}

impl Args {
    /// Converts the arguments, which are all valid.
    pub(super) fn validate(self, globals: &Globals) -> Options {
        Options {
            store: globals.store.clone(),
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
            settings: globals.config().map(|config| config.settings),
        }
    }
}

/// Checks the store and prints the differences.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if there are differences or the store cannot be checked.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let bar = Bar::new(printer, "verify");
    let report = verify(&Store::new(&options.store), &options.settings, &bar);
    bar.finish();
    let report = report?;
    let text = match options.format {
        SummaryFormat::Json => render::json(&report, "report")?,
        SummaryFormat::Table => wrap_lines(&table(&report), printer.style().width),
    };
    printer.summary(&text, options.format_given)?;
    let differences = report.differences.len() as u64 + report.further_differences;
    if differences == 0 {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} found in the store {}",
        pluralize(differences, "difference", "differences"),
        options.store.display()
    ))
    .hint(if report.orphan_files == differences {
        "run `wa gc` to remove the orphan files; the store itself is intact"
    } else if report.linked_folders == differences {
        "move the folders that the links point to back into the store; only the folder of a partition may be a link"
    } else if report.settings_damaged && report.tables_compared {
        "correct wa.toml, and run `wa verify` again"
    } else if report.key_damaged && report.tables_compared {
        "restore the store's key file from a backup, or name the right one with WA_KEY_FILE; until then \
         `wa ingest` and `wa forget` fail"
    } else if report.tables_compared {
        "run `wa rebuild` to recompute sessions and daily statistics from the retained events"
    } else {
        "restore the damaged files from a backup of the store, \
         or create a new store and ingest the logs again"
    }))
}

fn table(report: &VerifyReport) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        let (object, message) = (escape_control(&difference.object), escape_control(&difference.message));
        text.push_str(&format!("{object}: {message}\n"));
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
            "; compared {}, {} ({} partially pruned), {}, {}",
            pluralize(report.events, "event", "events"),
            pluralize(report.sessions, "session", "sessions"),
            group_digits(report.partial_sessions),
            pluralize(report.visitors, "visitor", "visitors"),
            pluralize(report.daily_stats, "row of daily statistics", "rows of daily statistics")
        ));
    }
    for note in &report.notes {
        text.push_str(&format!("\n{}", escape_control(note)));
    }
    if report.is_clean() {
        text.push_str("\nno differences found");
    }
    text.push('\n');
    text
}
