//! `wa events`: look at raw events.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::ValueEnum;

use super::args::values::{self, EventFormat};
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::render::Style;
use crate::render::events::{self, EventRenderer, LineFormat};
use crate::report::{EventQuery, Predicate, Query, ReportHead, list_events};
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::frame::RecordReader;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// Show raw events: to search, debug or replay
///
/// It reads only the days and columns it needs. Events are kept for 90 days unless the settings say
/// otherwise.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa events --days 1 --session-id s-123 --order oldest
      one session's timeline
  wa events --name button_clicked --where properties.button_id=send_message
      who clicked that button in the last 7 days
  wa events --category error --where 'properties.status>=500' --format csv
      server errors, for a spreadsheet
  wa events --from 2026-10-01 --to 2026-10-31 --format ndjson --limit 0
      all of a month, which `wa ingest` takes back")]
pub struct Args {
    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable)
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// Only events of this name (repeatable)
    #[arg(long, value_name = "NAME", value_parser = values::non_empty)]
    name: Vec<String>,

    /// Only events of this category (repeatable)
    #[arg(long, value_name = "NAME", value_parser = values::non_empty)]
    category: Vec<String>,

    /// Only this session, by the log's session id
    #[arg(long, value_name = "ID", value_parser = values::non_empty)]
    session_id: Option<String>,

    /// Only this visitor, by anonymous id or user id
    #[arg(long, value_name = "ID", value_parser = values::non_empty)]
    visitor: Option<String>,

    /// Only events with a field or property that meets this condition; operators: = != < <= >
    /// >= and ~ for "contains" (repeatable, all must hold)
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// Which events come first: newest or oldest
    #[arg(long, value_enum, hide_possible_values = true, value_name = "END", default_value_t)]
    order: Order,

    /// How many events; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,

    /// How to write them: table, ndjson or csv
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: EventFormat,
}

/// Which end of the window to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// The newest event first.
    #[default]
    Newest,
    /// The oldest event first.
    Oldest,
}

/// What a search of events needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// The days; by default the last 7.
    pub window: Window,
    /// The chatbots; all where empty.
    pub chatbots: Vec<String>,
    /// The events' names; all where empty.
    pub names: Vec<String>,
    /// The events' categories; all where empty.
    pub categories: Vec<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The visitor: an anonymous id or a user id.
    pub visitor: Option<String>,
    /// All of these hold.
    pub conditions: Vec<Predicate>,
    /// Which end to begin with.
    pub order: Order,
    /// How many events at most; `None` for all.
    pub limit: Option<u64>,
    /// How to write them.
    pub format: EventFormat,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where settings or arguments make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            window: self.window.validate(7)?,
            chatbots: self.chatbot,
            names: self.name,
            categories: self.category,
            session_id: self.session_id,
            visitor: self.visitor,
            conditions: self.conditions.iter().map(|text| Predicate::parse(text)).collect::<Result<_>>()?,
            order: self.order,
            limit: (self.limit > 0).then_some(self.limit),
            format: self.format,
        })
    }
}

/// Prints the events.
///
/// # Errors
/// What the search returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let style = super::report::style(printer);
    let mut notes = Vec::new();
    Store::new(&options.store).read_consistently(|snapshot| {
        let today = snapshot.zone().day(options.clock.now);
        let latest = snapshot.event_days().or(snapshot.days()).map(|(_, last)| last);
        let (from, to) = options.window.resolve(today, latest)?;
        let window = crate::report::Window { from, to, today };
        crate::report::check_chatbots(snapshot, &options.chatbots)?;
        // What is printed cannot be taken back: no writer may remove a file from here on.
        let snapshot = &snapshot.pin_files(Table::Events, Some(window.utc_dates(snapshot.zone())))?;
        let wanted = EventQuery {
            chatbots: options.chatbots.clone(),
            names: options.names.clone(),
            categories: options.categories.clone(),
            session_id: options.session_id.clone(),
            visitor: options.visitor.clone(),
            predicates: options.conditions.clone(),
            newest_first: options.order == Order::Newest,
            limit: options.limit.and_then(|limit| usize::try_from(limit).ok()),
            ..EventQuery::all(window)
        };
        notes = match options.format {
            EventFormat::Table => table(snapshot, &wanted, printer, &style)?,
            EventFormat::Ndjson => {
                let renderer = EventRenderer::new(LineFormat::Ndjson, style.terminal)?;
                lines(snapshot, &wanted, printer, &renderer)?
            }
            EventFormat::Csv => {
                let renderer = EventRenderer::new(LineFormat::Csv, style.terminal)?;
                lines(snapshot, &wanted, printer, &renderer)?
            }
        };
        Ok(())
    })?;
    notes.iter().for_each(|note| printer.note(note));
    Ok(())
}

fn table(snapshot: &Snapshot, wanted: &EventQuery, printer: &Printer, style: &Style) -> Result<Vec<String>> {
    let mut records = Vec::new();
    let listing = list_events(snapshot, wanted, &events::TABLE_COLUMNS, &mut |frame| {
        let reader = RecordReader::new(frame, Table::Events, &events::TABLE_COLUMNS)?;
        records.extend((0..frame.height()).map(|row| reader.record(row)));
        Ok(ControlFlow::Continue(()))
    })?;
    let query = Query { window: wanted.window, chatbots: wanted.chatbots.clone(), include_bots: true };
    let head = ReportHead::for_event_list(snapshot, &query);
    printer.result(&events::events_table(&head, &records, listing.more, style))?;
    Ok(listing.notes)
}

fn lines(
    snapshot: &Snapshot,
    wanted: &EventQuery,
    printer: &Printer,
    renderer: &EventRenderer,
) -> Result<Vec<String>> {
    let columns = Table::Events.column_names();
    let mut header = renderer.header()?;
    let mut printed = false;
    let listing = list_events(snapshot, wanted, &columns, &mut |frame| {
        let text = renderer.render(frame)?;
        // Not before there is something to print: until then, all can be done over.
        printed = true;
        header.take().map_or(Ok(()), |header| printer.result(&header))?;
        printer.result(&text)?;
        Ok(if printer.pipe_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    match listing {
        Err(error) if printed && error.is_missing_file() => {
            Err(Error::failed("the store was changed meanwhile, and the list is not whole")
                .caused_by(error)
                .hint("run it again, or for fewer days at a time"))
        }
        Err(error) => Err(error),
        Ok(listing) => {
            header.map_or(Ok(()), |header| printer.result(&header))?;
            Ok(listing.notes)
        }
    }
}
