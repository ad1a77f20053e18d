//! Prints all sessions, or all conversations, as CSV or JSON, day by day.

use std::collections::BTreeSet;

use super::{Options, request, resolve};
use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::render::{Format, render};
use crate::report::{self, ReportKind, ReportRequest, Window};
use crate::store::columns::Table;
use crate::store::{Snapshot, Store};
use crate::time::Day;

/// Prints all selected sessions or conversations, newest first. Only those of one day are in memory
/// at a time. Returns the notes.
///
/// # Errors
/// The error of the report, or of standard output.
pub(super) fn list(options: &Options, printer: &Printer) -> Result<Vec<String>> {
    Store::new(&options.store).read_consistently(|snapshot| {
        let window = resolve(options.window, snapshot, snapshot.zone().day(options.clock.now))?;
        let mut request = request(options, snapshot, window);
        let names = report::resolve_fields(snapshot, &mut request)?;
        // This request returns the notes, and all figures of the report.
        let whole = report::run(snapshot, &ReportRequest { without_rows: true, ..request.clone() })?;
        request.sequences.definitions.conversations.resolve(snapshot, &request.query);
        let style = printer.style();
        let frame = ListFrame::new(options, &render(&whole, options.format, &style)?);
        let mut output = Output { frame, printer, is_started: false, last: None };
        let render = |request: &ReportRequest, snapshot: &Snapshot| {
            render(&report::run(snapshot, request)?, options.format, &style)
        };
        match print(snapshot, &request, &mut output, render) {
            // As long as nothing is printed, the report can start over from a newer snapshot.
            Err(error) if output.is_started && error.is_missing_file() => {
                Err(Error::failed("the list is incomplete, because the store changed meanwhile")
                    .caused_by(error)
                    .hint("run it again, or list fewer days at a time"))
            }
            Err(error) => Err(error),
            Ok(()) => Ok([whole.notes(), names].concat()),
        }
    })
}

fn print(
    snapshot: &Snapshot,
    request: &ReportRequest,
    output: &mut Output<'_>,
    render: impl Fn(&ReportRequest, &Snapshot) -> Result<String>,
) -> Result<()> {
    let window = request.query.window;
    let days = request.has_window.then_some((window.from, window.to));
    let days: BTreeSet<Day> = snapshot.files_in(Table::Sessions, days).iter().map(|file| file.day).collect();
    let snapshot = snapshot.pin_files(Table::Sessions, days.first().copied().zip(days.last().copied()))?;
    for day in days.into_iter().rev() {
        let mut request = request.clone();
        request.query.window = Window { from: day, to: day, ..window };
        request.has_window = true;
        output.add_day(&render(&request, &snapshot)?)?;
        if output.printer.is_pipe_closed() {
            return Ok(());
        }
    }
    output.finish()
}

/// The text of a report around the rows of its list.
struct ListFrame {
    /// The key of the list in JSON; `None` for CSV.
    key: Option<&'static str>,
    /// The text before the rows.
    start: String,
    /// The text after the rows.
    end: String,
    /// The whole text, which has no rows.
    empty: String,
}

impl ListFrame {
    /// Returns the frame of a report without rows.
    fn new(options: &Options, empty: &str) -> ListFrame {
        let key = (options.format == Format::Json).then_some(match options.kind {
            ReportKind::Conversations => "list",
            _ => "sessions",
        });
        let (start, end) = match key {
            None => (empty.to_owned(), String::new()),
            Some(key) => {
                // A JSON string contains no line feed, so this is the key of the report itself.
                let list = format!("\n  \"{key}\": [");
                let (before, after) = empty.split_once(&format!("{list}]")).unwrap_or((empty, ""));
                (format!("{before}{list}\n"), format!("\n  ]{after}"))
            }
        };
        ListFrame { key, start, end, empty: empty.to_owned() }
    }

    /// Returns the rows in the text of a report.
    fn rows<'t>(&self, text: &'t str) -> &'t str {
        let Some(key) = self.key else { return text.split_once('\n').map_or("", |(_, rows)| rows) };
        let rows = text.split_once(&format!("\n  \"{key}\": [\n"));
        rows.and_then(|(_, rows)| rows.split_once("\n  ]")).map_or("", |(rows, _)| rows)
    }
}

/// Prints the rows of a list.
struct Output<'a> {
    frame: ListFrame,
    printer: &'a Printer,
    is_started: bool,
    /// The rows of the last day that has any. In JSON, they are printed once it is known whether
    /// more rows follow, because a comma must then come after them.
    last: Option<String>,
}

impl Output<'_> {
    /// Adds the rows in the text of a report on one day.
    fn add_day(&mut self, text: &str) -> Result<()> {
        let rows = self.frame.rows(text);
        if rows.is_empty() {
            return Ok(());
        }
        if !self.is_started {
            self.is_started = true;
            self.printer.result(&self.frame.start)?;
        }
        match (self.frame.key, self.last.replace(rows.to_owned())) {
            (None, _) => self.printer.result(self.last.take().as_deref().unwrap_or_default()),
            (Some(_), Some(previous)) => self.printer.result(&(previous + ",\n")),
            (Some(_), None) => Ok(()),
        }
    }

    /// Prints the end of the report.
    fn finish(&mut self) -> Result<()> {
        match self.last.take() {
            Some(rows) => self.printer.result(&(rows + &self.frame.end)),
            None if self.is_started => Ok(()),
            None => self.printer.result(&self.frame.empty),
        }
    }
}
