//! `wa events`: lists events.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::ValueEnum;

use super::args::values::{self, EventFormat, Limit};
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::render::events::{EventRenderer, EventTables, LineFormat, TABLE_COLUMNS};
use crate::report::{
    self, EventListing, EventQuery, Query, ReportHead, Subject, Where, list_events, segment_conditions,
};
use crate::store::columns::Table;
use crate::store::frame::RecordReader;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// List events, to search or debug, or to ingest them again
///
/// Events are retained for 90 days by default (retention.events in wa.toml).
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa events --days 1 --session-id s-123 --order oldest
      list the events of a session in order
  wa events --name button_clicked --where properties.button_id=send_message
      list clicks on a button in the last 7 days
  wa events --category error --where 'properties.status>=500' --format csv
      list server errors for a spreadsheet
  wa events --from 2026-10-01 --to 2026-10-31 --format ndjson --limit all
      list a whole month as lines that `wa ingest` reads back")]
pub(super) struct Args {
    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable)
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// Only events with this name (repeatable)
    #[arg(long, value_name = "NAME", value_parser = values::non_empty)]
    name: Vec<String>,

    /// Only events of this category (repeatable)
    #[arg(long, value_name = "NAME", value_parser = values::non_empty)]
    category: Vec<String>,

    /// Only this session, by the session id in the log
    #[arg(long, value_name = "ID", value_parser = values::non_empty)]
    session_id: Option<String>,

    /// Only this visitor, by anonymous id or user id
    #[arg(long, value_name = "ID", value_parser = values::non_empty)]
    visitor: Option<String>,

    /// Only matching events, such as 'properties.plan=pro|team' (repeatable; docs/filters.md)
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// Only events that meet the conditions of this segment of wa.toml (repeatable)
    #[arg(long, value_name = "NAME")]
    segment: Vec<String>,

    /// Order of the events: newest or oldest first
    #[arg(long, value_enum, hide_possible_values = true, value_name = "ORDER", default_value_t)]
    order: Order,

    /// Number of events, or all
    #[arg(long, value_name = "N", default_value = "100", value_parser = values::event_limit)]
    limit: Limit,

    /// Output format: table, ndjson or csv
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: EventFormat,
}

/// The order of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The newest event first.
    #[default]
    Newest,
    /// The oldest event first.
    Oldest,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    window: Window,
    /// The chatbots; empty for all.
    chatbots: Vec<String>,
    /// The names of events; empty for all.
    names: Vec<String>,
    /// The categories of events; empty for all.
    categories: Vec<String>,
    session_id: Option<String>,
    /// An anonymous id or a user id.
    visitor: Option<String>,
    /// The conditions; every one must be met.
    conditions: Vec<Where>,
    newest_first: bool,
    /// The maximum number of events; `None` for all.
    limit: Option<usize>,
    format: EventFormat,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        // `wa.toml` defines the segments. If it is invalid, that is an error even without segments.
        let config = globals.config()?;
        let conditions = self.conditions.iter().map(|text| Where::parse("--where", text, Subject::Events));
        let mut conditions = conditions.collect::<Result<Vec<_>>>()?;
        conditions.extend(segment_conditions(&config, &self.segment, Subject::Events)?);
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            window: self.window.validate(7)?,
            chatbots: self.chatbot,
            names: self.name,
            categories: self.category,
            session_id: self.session_id,
            visitor: self.visitor,
            conditions,
            newest_first: self.order == Order::Newest,
            limit: match self.limit {
                Limit::All => None,
                Limit::First(events) => Some(events),
            },
            format: self.format,
        })
    }
}

/// Prints the events.
///
/// # Errors
/// The error of the query.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let terminal = printer.is_terminal();
    let notes = Store::new(&options.store).read_consistently(|snapshot| {
        let today = snapshot.zone().day(options.clock.now);
        let latest = snapshot.event_days().or(snapshot.days()).map(|(_, last)| last);
        let (from, to) = options.window.resolve(today, latest)?;
        let window = report::Window { from, to, today };
        report::check_chatbots(snapshot, &options.chatbots)?;
        // Printed lines cannot be withdrawn, so the list cannot start over. Pinned files stay
        // readable after a writer removes them.
        let dates = Some(window.utc_dates(snapshot.zone()));
        let snapshot = &snapshot.pin_files(Table::Events, dates)?;
        let mut conditions = options.conditions.clone();
        let mut notes = Vec::new();
        for condition in &mut conditions {
            notes.extend(condition.resolve(snapshot, dates)?);
        }
        let query = EventQuery {
            chatbots: options.chatbots.clone(),
            names: options.names.clone(),
            categories: options.categories.clone(),
            session_id: options.session_id.clone(),
            visitor: options.visitor.clone(),
            conditions,
            newest_first: options.newest_first,
            limit: options.limit,
            ..EventQuery::all(window)
        };
        notes.extend(match options.format {
            EventFormat::Table => print_table(snapshot, &query, printer)?,
            EventFormat::Ndjson => {
                let renderer = EventRenderer::new(LineFormat::Ndjson, terminal)?;
                print_lines(snapshot, &query, printer, &renderer)?
            }
            EventFormat::Csv => {
                let renderer = EventRenderer::new(LineFormat::Csv, terminal)?;
                print_lines(snapshot, &query, printer, &renderer)?
            }
        });
        Ok(notes)
    })?;
    notes.iter().for_each(|note| printer.note(note));
    Ok(())
}

/// Prints a table of events, or several tables of a long list. Returns notes on omitted events.
fn print_table(snapshot: &Snapshot, query: &EventQuery, printer: &Printer) -> Result<Vec<String>> {
    let scope = Query { window: query.window, chatbots: query.chatbots.clone(), include_bots: true };
    let head = ReportHead::for_event_list(snapshot, &scope);
    let mut tables = EventTables::new(&head, printer.style());
    let mut records = Vec::new();
    let mut printed = false;
    let list = list_events(snapshot, query, &TABLE_COLUMNS, &mut |frame| {
        let reader = RecordReader::new(frame, Table::Events, &TABLE_COLUMNS)?;
        for row in 0..frame.height() {
            if records.len() == EventTables::ROWS {
                printed = true;
                printer.result(&tables.next(&records))?;
                records.clear();
            }
            records.push(reader.record(row));
        }
        Ok(if printer.is_pipe_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let list = list.map_err(|error| incomplete(error, printed))?;
    printer.result(&tables.last(&records, list.more))?;
    Ok(list.notes)
}

/// Returns the error of a list. If a part of the list is printed, the query cannot start over from
/// a newer snapshot.
fn incomplete(error: Error, printed: bool) -> Error {
    if printed && error.is_missing_file() {
        return Error::failed("the list is incomplete, because the store changed meanwhile")
            .caused_by(error)
            .hint("run it again, or list fewer days at a time");
    }
    error
}

/// Prints events as lines while they are read. Returns notes on omitted events.
fn print_lines(
    snapshot: &Snapshot,
    query: &EventQuery,
    printer: &Printer,
    renderer: &EventRenderer,
) -> Result<Vec<String>> {
    let columns = Table::Events.column_names();
    let mut header = renderer.header()?;
    let mut printed = false;
    let list = list_events(snapshot, query, &columns, &mut |frame| {
        let lines = renderer.render(frame)?;
        printed = true;
        header.take().map_or(Ok(()), |header| printer.result(&header))?;
        printer.result(&lines)?;
        Ok(if printer.is_pipe_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let list: EventListing = list.map_err(|error| incomplete(error, printed))?;
    header.map_or(Ok(()), |header| printer.result(&header))?;
    Ok(list.notes)
}
