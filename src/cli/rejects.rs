//! `wa rejects`: lists rejected lines, or ingests them again.

mod retry;

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::args::values::{self, Limit};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::ingest::RejectReason;
use crate::maintenance::reject_list::{RejectCounts, RejectFilter, list_rejects};
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::{escape_control, truncate};
use crate::store::Store;
use crate::store::rejects::RejectRecord;

/// List the rejected lines: reason, file, line and text
///
/// A rejected line is stored once, as it was read, up to 64 KiB. It is retained as long as events,
/// counted from its rejection.
///
/// With --retry, the selected lines are ingested again, with the current settings and options. A
/// line that is now accepted is removed from the list; the others stay, with their new reason. If
/// the stored text is not sufficient, as for long lines and rows of CSV, the input file is read
/// again.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa rejects
      count the rejected lines by reason and file, and show the last ones
  wa rejects --reason not_json --file app.ndjson --limit all
      list all lines of a file that are not JSON
  wa rejects --format ndjson --limit all | jq -r .raw > lines.ndjson
      write the lines to a file, to correct and ingest them
  wa rejects --retry --reason no_chatbot_id --chatbot shop
      ingest lines without chatbot_id again, for the chatbot shop
  wa rejects --retry --file export.csv --map my.toml
      ingest the lines of a file again, with a custom map")]
pub(super) struct Args {
    /// Only this reason (repeatable)
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Vec<String>,

    /// Only this input file, by its path or the end of its path (repeatable)
    #[arg(long, value_name = "FILE", value_parser = values::non_empty)]
    file: Vec<String>,

    /// Number of most recent lines, or all
    #[arg(long, value_name = "N", value_parser = values::limit, default_value = "20")]
    limit: Limit,

    /// Output format: table, json or ndjson
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: Format,

    #[command(flatten)]
    retry: retry::Args,
}

/// The format of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Counts and a table of lines.
    #[default]
    Table,
    /// One object with counts and lines.
    Json,
    /// One object per line.
    Ndjson,
}

/// Checks the name of a reason.
fn reason(text: &str) -> Result<String, String> {
    let names = RejectReason::ALL.map(RejectReason::name);
    if names.contains(&text) {
        return Ok(text.to_owned());
    }
    let near = crate::suggest::nearest(text, names);
    Err(near.map_or_else(
        || format!("the reasons are {}", names.join(", ")),
        |near| format!("did you mean {near}?"),
    ))
}

/// The maximum width of a line's text in the table.
const MAX_SHOWN: usize = 200;

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    filter: RejectFilter,
    limit: Option<usize>,
    format: Format,
    retry: Option<retry::Options>,
}

impl Args {
    /// Returns whether lines are ingested again.
    pub(super) fn is_retry(&self) -> bool {
        self.retry.is_given()
    }

    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        if self.is_retry() && self.format == Format::Ndjson {
            return Err(Error::usage("--format ndjson lists lines, and --retry prints a summary")
                .hint("use --format table or json"));
        }
        Ok(Options {
            store: globals.store.clone(),
            filter: RejectFilter { reasons: self.reason, files: self.file },
            limit: self.limit.rows(),
            format: self.format,
            retry: self.retry.validate(globals)?,
        })
    }
}

/// The JSON form of the list.
#[derive(Serialize)]
struct RejectList {
    #[serde(flatten)]
    counts: RejectCounts,
    /// The last lines.
    rejects: Vec<RejectRecord>,
}

/// Prints the rejected lines, or ingests them again.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be read or the list cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    if let Some(retry) = &options.retry {
        return retry::run(retry, &options.store, &options.filter, options.format == Format::Json, printer);
    }
    let list = Store::new(&options.store).read_consistently(|snapshot| {
        let mut rejects = std::collections::VecDeque::new();
        let counts = list_rejects(snapshot, &options.filter, |reject| {
            if options.limit.is_some_and(|limit| rejects.len() >= limit) {
                rejects.pop_front();
            }
            rejects.push_back(reject.clone());
            Ok(())
        })?;
        Ok(RejectList { counts, rejects: rejects.into() })
    })?;
    if list.counts.lines == 0 {
        note_empty_filter(&options.filter, printer);
    }
    let json = |e| Error::failed("cannot write the list as JSON").caused_by(e);
    match options.format {
        Format::Table => printer.result(&table(&list, printer)),
        Format::Json => printer.result(&crate::render::json(&list, "list")?),
        Format::Ndjson => {
            for reject in &list.rejects {
                let line = serde_json::to_string(reject).map_err(json)?;
                let terminal = printer.is_terminal();
                printer.result(&if terminal {
                    crate::render::text::escape_json_control(line)
                } else {
                    line
                })?;
            }
            Ok(())
        }
    }
}

/// Prints a note if a filter selects no line.
fn note_empty_filter(filter: &RejectFilter, printer: &Printer) {
    if !filter.reasons.is_empty() || !filter.files.is_empty() {
        printer.note("no rejected line has this reason and file; run `wa rejects` to list reasons and files");
    }
}

fn table(list: &RejectList, printer: &Printer) -> String {
    let style = printer.style();
    let RejectList { counts, rejects } = list;
    let mut text = format!("{}\n", pluralize(counts.lines, "rejected line", "rejected lines"));
    if counts.lines == 0 {
        return text;
    }
    for (title, numbers) in [("reason", &counts.reasons), ("file", &counts.files)] {
        let mut section = Section::new([Column::number("lines"), Column::text(title)]);
        let mut numbers: Vec<_> = numbers.iter().collect();
        numbers.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (name, lines) in numbers.iter().take(10) {
            section.push([group_digits(**lines), escape_control(name).into_owned()]);
        }
        text.push_str(&format!("\n{}", draw_section(&section, &style)));
        if numbers.len() > 10 {
            text.push_str(&format!("and {} more\n", group_digits(numbers.len() as u64 - 10)));
        }
    }
    if rejects.is_empty() {
        return text;
    }
    let mut section =
        Section::new([Column::wrapped("position"), Column::text("reason"), Column::text("text")]);
    for reject in rejects {
        let element = reject.index.map(|index| format!("[{index}]")).unwrap_or_default();
        let position = format!("{}:{}{element}", escape_control(&reject.file), reject.line);
        let line = truncate(&escape_control(&shown(reject)), MAX_SHOWN).into_owned();
        section.push([position, reject.reason.clone(), line]);
    }
    text.push_str(&format!("\n{}", draw_section(&section, &style)));
    if (rejects.len() as u64) < counts.lines {
        text.push_str(&format!(
            "the last {} of {}; use --limit all to show all\n",
            group_digits(rejects.len() as u64),
            group_digits(counts.lines)
        ));
    }
    text
}

/// Returns the beginning of the text of a line; bytes that are not UTF-8 become U+FFFD.
fn shown(reject: &RejectRecord) -> String {
    if reject.raw.is_none() && reject.raw_base64.is_none() {
        return "(removed)".to_owned();
    }
    let bytes = reject.raw_bytes();
    // A terminal cell shows a few bytes at most, so this part fills the column.
    String::from_utf8_lossy(bytes.get(..16 * MAX_SHOWN).unwrap_or(&bytes)).into_owned()
}
