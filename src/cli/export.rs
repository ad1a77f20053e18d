//! `wa export`: exports the data of a person, of a window of days, or all of it.

use std::io::{self, Write};
use std::path::PathBuf;

use super::args::selector;
use super::args::values::{self, ExportFormat};
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::privacy::export::{Export, ExportOptions, ExportStats};
use crate::render::events::{EventRenderer, LineFormat};
use crate::render::numbers::pluralize;
use crate::report::answer::diagnostics;
use crate::report::{self, EventQuery, EventSelector, Subject, Where, check_chatbots, segment_conditions};
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// Export the events of a person, of a window of days, or all, as NDJSON or CSV
///
/// `wa ingest` reads the NDJSON back. Ingesting an export of all events into an empty store results
/// in the same tables.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa export --email ada@example.org > ada.ndjson
      export all events of a person
  wa export --from 2026-10-01 --to 2026-10-31 --chatbot shop --format csv
      export a month of one chatbot for a spreadsheet
  wa export --where 'event_name=message_sent and session.city=Bonn' > b.ndjson
      export the messages of sessions in Bonn
  wa export | wa --store copy ingest -
      copy all events into another store")]
pub(super) struct Args {
    #[command(flatten)]
    selector: selector::Args,

    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable)
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// Only matching events, such as 'properties.plan=pro|team' (repeatable; docs/filters.md)
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// Only events that meet the conditions of this segment of wa.toml (repeatable)
    #[arg(long, value_name = "NAME")]
    segment: Vec<String>,

    /// Output format: ndjson or csv
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: ExportFormat,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    settings: Settings,
    /// The identifiers from the flags. If there are none and `stdin` is not set, all events are
    /// exported.
    identifiers: Vec<Identifier>,
    /// Whether to read further identifiers from standard input.
    stdin: bool,
    /// The days; `None` for all.
    window: Option<Window>,
    /// The chatbots; all if empty.
    chatbots: Vec<String>,
    /// The conditions; every one must be met.
    conditions: Vec<Where>,
    format: ExportFormat,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let window = if self.window.is_empty() { None } else { Some(self.window.validate(30)?) };
        let stdin = self.selector.stdin;
        let config = globals.config()?;
        config.check_key_file()?;
        let conditions = self.conditions.iter().map(|text| Where::parse("--where", text, Subject::Events));
        let mut conditions = conditions.collect::<Result<Vec<_>>>()?;
        conditions.extend(segment_conditions(&config, &self.segment, Subject::Events)?);
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: config.settings,
            identifiers: self.selector.into_identifiers(),
            stdin,
            window,
            chatbots: self.chatbot,
            conditions,
            format: self.format,
        })
    }
}

/// Prints the selected events.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if standard input is invalid or the store has no such chatbot.
/// [`crate::ErrorKind::Failed`] if the store cannot be read or standard output cannot be written.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let mut identifiers = options.identifiers.clone();
    if options.stdin {
        identifiers.extend(selector::read(std::io::stdin().lock())?);
    }
    // Printed output cannot be withdrawn, so all files are opened before the first line is printed.
    let (export, filter) = Store::new(&options.store).read_consistently(|snapshot| {
        let selected = export_options(options, identifiers.clone(), snapshot)?;
        let filter = Filter::new(options, &selected, snapshot)?;
        Ok((Export::open(snapshot, selected)?, filter))
    })?;
    filter.notes.iter().for_each(|note| printer.note(note));
    let format = match options.format {
        ExportFormat::Ndjson => LineFormat::Ndjson,
        ExportFormat::Csv => LineFormat::Csv,
    };
    let renderer = EventRenderer::new(format, printer.is_terminal())?;
    let mut outcome = Ok((ExportStats::default(), 0));
    printer.stream(|out| match write(&export, &filter, &renderer, out) {
        Err(WriteError::Output(error)) => Err(error),
        Err(WriteError::Store(error)) => {
            outcome = Err(error);
            Ok(())
        }
        Ok(stats) => {
            outcome = Ok(stats);
            Ok(())
        }
    })?;
    if printer.is_pipe_closed() {
        // The reader closed the output, and the counts are incomplete, so no notes are printed.
        return outcome.map(|_| ());
    }
    let (stats, written) = outcome.map_err(|error| match error.is_missing_file() {
        true => error.hint("run it again: the export is incomplete, because the store changed meanwhile"),
        false => error,
    })?;
    if let Some(note) = empty_note(&export, stats) {
        printer.note(&note);
    } else if written == 0 && stats.events > 0 {
        printer.note("no event meets the conditions");
    }
    if stats.sessions_without_events > 0 {
        printer.note(&format!(
            "the events of {} are pruned; `wa report sessions` shows the sessions",
            pluralize(stats.sessions_without_events, "session", "sessions")
        ));
    }
    Ok(())
}

/// Returns the options of the export for a snapshot of the store.
fn export_options(
    options: &Options,
    identifiers: Vec<Identifier>,
    snapshot: &Snapshot,
) -> Result<ExportOptions> {
    check_chatbots(snapshot, &options.chatbots)?;
    // A long session has events after the last day on which a session started.
    let latest = [snapshot.event_days(), snapshot.days()].into_iter().flatten().map(|(_, last)| last).max();
    let today = snapshot.zone().day(options.clock.now);
    Ok(ExportOptions {
        identifiers,
        days: options.window.map(|window| window.resolve(today, latest)).transpose()?,
        chatbots: options.chatbots.clone(),
        key_file: options.settings.key_file.clone(),
    })
}

/// The conditions of an export.
struct Filter {
    /// `None` without conditions.
    selector: Option<EventSelector>,
    /// Notes on fields that are not columns.
    notes: Vec<String>,
}

impl Filter {
    fn new(options: &Options, selected: &ExportOptions, snapshot: &Snapshot) -> Result<Filter> {
        let mut notes = Vec::new();
        if options.conditions.is_empty() {
            return Ok(Filter { selector: None, notes });
        }
        let today = snapshot.zone().day(options.clock.now);
        // A day of the store's zone overlaps the dates before and after it.
        let all = snapshot.event_days().map(|(first, last)| (first.plus(-1), last.plus(1)));
        let (from, to) = selected.days.or(all).unwrap_or((today, today));
        let window = report::Window { from, to, today };
        let mut conditions = options.conditions.clone();
        for condition in &mut conditions {
            notes.extend(condition.resolve(snapshot, Some(window.utc_dates(snapshot.zone())))?);
        }
        let query = EventQuery { chatbots: selected.chatbots.clone(), conditions, ..EventQuery::all(window) };
        Ok(Filter { selector: Some(EventSelector::new(snapshot, query)?), notes })
    }
}

/// The reason why an export ended early.
enum WriteError {
    /// The store cannot be read.
    Store(Error),
    /// The output cannot be written.
    Output(io::Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> WriteError {
        WriteError::Store(error)
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Output(error)
    }
}

/// Writes the events of an export that the filter selects, line by line. Returns the statistics
/// of the export and the number of written events.
fn write(
    export: &Export,
    filter: &Filter,
    renderer: &EventRenderer,
    out: &mut dyn Write,
) -> Result<(ExportStats, u64), WriteError> {
    if let Some(header) = renderer.header()? {
        out.write_all(header.as_bytes())?;
    }
    let mut written = 0;
    let stats = export.for_each_file(|frame, rows| {
        let selected = filter.selector.as_ref().map(|selector| selector.select(frame, rows)).transpose()?;
        let rows = selected.as_deref().unwrap_or(rows);
        if rows.is_empty() {
            return Ok::<(), WriteError>(());
        }
        let lines = renderer.lines(frame)?;
        for &row in rows {
            out.write_all(lines.line(row)?.as_bytes())?;
            written += 1;
        }
        Ok(())
    })?;
    Ok((stats, written))
}

/// Returns a note on the reason why the export has no events; `None` if it has events.
fn empty_note(export: &Export, stats: ExportStats) -> Option<String> {
    if stats.events > 0 {
        return None;
    }
    let options = export.options();
    let Some((first, last)) = export.days() else {
        return Some(diagnostics::NO_DATA.to_owned());
    };
    if options.identifiers.is_empty() {
        let selection = diagnostics::scope(&options.chatbots, options.days);
        let start = options.days.map_or(first, |(start, _)| start);
        if let Some(pruned) = export.events_pruned_through().filter(|day| *day >= start) {
            return Some(format!("no events{selection}: events up to {pruned} are pruned"));
        }
        return Some(format!("no events{selection}: there is data from {first} to {last}"));
    }
    match stats.sessions {
        0 => Some("no data found for these identifiers".to_owned()),
        _ if stats.sessions_without_events > 0 => None,
        n => Some(format!(
            "no events of this person{}; the person has {} in total",
            diagnostics::scope(&[], options.days),
            pluralize(n, "session", "sessions")
        )),
    }
}
