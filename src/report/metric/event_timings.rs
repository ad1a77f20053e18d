//! Response times, load times and errors, from the events of a window's sessions.
//!
//! A response time is the property `response_time_ms` of a `message_received`. A response without
//! this property is measured from the earliest unanswered `message_sent` of its session. Every
//! response answers all earlier messages.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::session_index::{SessionFinder, SessionIndex};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::cells::{GridCells, InCells};
use crate::report::query::json_lookup::Properties;
use crate::report::query::session_keys::NoValues;
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::session::properties::response_us;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};
use crate::time::{Day, Micros};

/// The timings of the events of some sessions.
#[derive(Clone, Default)]
pub(crate) struct SessionTimings {
    /// The timings and errors.
    pub timings: EventTimings,
    /// The number of sessions.
    pub sessions: u64,
    /// The number of bot sessions, whether included or not.
    pub bots: u64,
    /// An exclusive upper bound of the session numbers of errors.
    pub numbers: u32,
}

/// The timings and errors of events.
#[derive(Clone, Default)]
pub(crate) struct EventTimings {
    /// Response times, in microseconds, in no particular order.
    pub responses: Vec<Micros>,
    /// Load times, in microseconds, in no particular order.
    pub loads: Vec<Micros>,
    /// By event name, the session number of each event of category `error`.
    pub errors: HashMap<String, Vec<u32>>,
    /// The number of `slow_response` events.
    pub slow_response_events: u64,
}

/// The timings of one file. Messages are paired after all files are read.
#[derive(Default)]
struct FileTimings {
    /// The timings by cell.
    cells: Vec<EventTimings>,
    messages: Vec<Message>,
    /// Whether a response has no response time.
    has_unmeasured: bool,
}

/// A message. Messages are paired in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    session: u32,
    time: Micros,
    kind: MessageKind,
}

/// The kind of a message, in the order of messages with the same time. A sent message comes before
/// its response. A measured response comes before an unmeasured one, which would otherwise be
/// measured from a message that is already answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MessageKind {
    Sent,
    /// Received, with a response time.
    Measured,
    /// Received, without a response time.
    Unmeasured,
}

/// The event names that affect timings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EventName {
    MessageSent,
    MessageReceived,
    SlowResponse,
    Other,
}

impl EventName {
    fn from_text(name: &str) -> EventName {
        match name {
            "message_sent" => EventName::MessageSent,
            "message_received" => EventName::MessageReceived,
            "slow_response" => EventName::SlowResponse,
            _ => EventName::Other,
        }
    }
}

/// The load and response times in the properties of a frame's events. They are cached, since
/// neighbouring events often have equal properties.
struct PropertyTimes<'a> {
    objects: &'a Texts,
    properties: Properties<2>,
    cache: ViewCache<[Option<Micros>; 2]>,
}

impl<'a> PropertyTimes<'a> {
    fn new(objects: &'a Texts) -> PropertyTimes<'a> {
        let properties = Properties::new(["load_time_ms", "response_time_ms"], "_time_ms");
        PropertyTimes { objects, properties, cache: ViewCache::new([None; 2]) }
    }

    fn get(&mut self, row: usize) -> [Option<Micros>; 2] {
        let object = || self.objects.get(row).unwrap_or("");
        self.cache.get(self.objects.token(row).unwrap_or(NULL_TOKEN), || self.properties.millis(object()))
    }
}

impl SessionTimings {
    /// Reads the events of the sessions that a query selects. The answers of a grid share one read.
    pub fn read(tables: &dyn Tables, query: &Query) -> Result<SessionTimings> {
        if let Some(grid) = tables.grid()
            && let Some(numbers) = grid.cells.of(query)
        {
            let (tables, cells) = (grid.tables.as_ref(), grid.cells);
            let all = cells.share("performance", || read_cells(tables, cells.query(), Some(cells)))?;
            return Ok(SessionTimings::merge(numbers.filter_map(|number| all.get(number))));
        }
        Ok(read_cells(tables, query, None)?.pop().unwrap_or_default())
    }

    /// Merges the timings of cells, whose sessions are numbered together.
    fn merge<'a>(cells: impl Iterator<Item = &'a SessionTimings>) -> SessionTimings {
        let mut all = SessionTimings::default();
        for cell in cells {
            all.timings.add(&cell.timings);
            all.sessions += cell.sessions;
            all.bots += cell.bots;
            all.numbers = all.numbers.max(cell.numbers);
        }
        all
    }
}

/// Reads the events of the sessions that a query selects. Returns the timings of each cell; those
/// of all sessions without cells.
fn read_cells(tables: &dyn Tables, query: &Query, cells: Option<&GridCells>) -> Result<Vec<SessionTimings>> {
    let in_cells = InCells { values: &NoValues, cells, zone: tables.zone() };
    let (index, cell_of) = SessionIndex::read_with(tables, query, &in_cells)?;
    let bots = match cells {
        Some(cells) => cells.bots(tables, query)?,
        None => vec![index.bots],
    };
    let with_bots = |bots| SessionTimings { bots, numbers: index.len(), ..SessionTimings::default() };
    let mut all: Vec<SessionTimings> = bots.into_iter().map(with_bots).collect();
    for (_, cell) in &cell_of {
        all.get_mut(*cell as usize).into_iter().for_each(|cell| cell.sessions += 1);
    }
    let Some(last) = index.last else { return Ok(all) };
    let dates = (Day::utc(tables.zone().start_of(query.window.from)), Day::utc(last));
    let columns = index.columns(&["event_name", "event_category", "properties"]);
    let files = map_frames(tables, Table::Events, Some(dates), &columns, |_, frame| {
        FileTimings::read(frame, query, &index, &cell_of, all.len())
    })?;
    let timings = FileTimings::merge(files, &cell_of, all.len());
    all.iter_mut().zip(timings).for_each(|(cell, timings)| cell.timings = timings);
    Ok(all)
}

impl EventTimings {
    /// Adds the timings of other events of the same numbered sessions.
    fn add(&mut self, other: &EventTimings) {
        self.responses.extend_from_slice(&other.responses);
        self.loads.extend_from_slice(&other.loads);
        self.slow_response_events += other.slow_response_events;
        for (name, sessions) in &other.errors {
            self.errors.entry_ref(name.as_str()).or_default().extend_from_slice(sessions);
        }
    }
}

impl FileTimings {
    /// Reads the events of a frame. `cell_of` has the cell of each session of the index.
    fn read(
        frame: &Frame,
        query: &Query,
        index: &SessionIndex,
        cell_of: &[((), u32)],
        cells: usize,
    ) -> Result<FileTimings> {
        let (names, categories) = (frame.texts("event_name")?, frame.texts("event_category")?);
        let properties = frame.texts("properties")?;
        let mut property_times = PropertyTimes::new(properties);
        let mut finder = SessionFinder::new(frame, query, index)?;
        let mut name_cache = ViewCache::new(EventName::Other);
        let mut error_cache = ViewCache::new(false);
        // Reserve capacity for all events of a single cell. Reserved memory that is not used is
        // never touched and costs nothing.
        let capacity = if cells == 1 { frame.height() } else { 0 };
        let empty = || EventTimings {
            responses: Vec::with_capacity(capacity),
            loads: Vec::with_capacity(capacity),
            ..EventTimings::default()
        };
        let mut file = FileTimings {
            cells: (0..cells).map(|_| empty()).collect(),
            messages: Vec::with_capacity(frame.height()),
            has_unmeasured: false,
        };
        for row in 0..frame.height() {
            let name = name_cache.get(names.token(row).unwrap_or(NULL_TOKEN), || {
                EventName::from_text(names.get(row).unwrap_or(""))
            });
            let is_error = error_cache
                .get(categories.token(row).unwrap_or(NULL_TOKEN), || categories.get(row) == Some("error"));
            let [load, response] = property_times.get(row);
            if name == EventName::Other && !is_error && load.is_none() {
                continue;
            }
            let Some((session, time)) = finder.session(row) else { continue };
            let cell = cell_of.get(session as usize).and_then(|(_, cell)| file.cells.get_mut(*cell as usize));
            let Some(timings) = cell else { continue };
            timings.loads.extend(load);
            timings.slow_response_events += u64::from(name == EventName::SlowResponse);
            if is_error {
                let name = names.get(row).unwrap_or("");
                timings.errors.entry_ref(name).or_default().push(session);
            }
            let kind = match (name, response) {
                (EventName::MessageSent, _) => MessageKind::Sent,
                (EventName::MessageReceived, Some(time)) => {
                    timings.responses.push(time);
                    MessageKind::Measured
                }
                (EventName::MessageReceived, None) => {
                    file.has_unmeasured = true;
                    MessageKind::Unmeasured
                }
                _ => continue,
            };
            file.messages.push(Message { session, time, kind });
        }
        Ok(file)
    }

    /// Merges the timings of all files and pairs their messages. Returns the timings of each cell.
    fn merge(mut files: Vec<FileTimings>, cell_of: &[((), u32)], cells: usize) -> Vec<EventTimings> {
        let messages: Vec<_> = files.iter_mut().map(|file| std::mem::take(&mut file.messages)).collect();
        let has_unmeasured = files.iter().any(|file| file.has_unmeasured);
        let waits = if has_unmeasured { response_waits(messages, cell_of.len()) } else { Vec::new() };
        let merge = |cell: usize| {
            let files = || files.iter().filter_map(|file| file.cells.get(cell));
            let mut all = EventTimings {
                responses: Vec::with_capacity(files().map(|file| file.responses.len()).sum()),
                loads: Vec::with_capacity(files().map(|file| file.loads.len()).sum()),
                ..EventTimings::default()
            };
            files().for_each(|file| all.add(file));
            all
        };
        let mut all: Vec<EventTimings> = (0..cells).into_par_iter().with_max_len(1).map(merge).collect();
        for (session, wait) in waits {
            let cell = cell_of.get(session as usize).and_then(|(_, cell)| all.get_mut(*cell as usize));
            cell.into_iter().for_each(|cell| cell.responses.push(wait));
        }
        all
    }
}

/// Returns the session and the response time of all unmeasured responses, from the messages of all
/// files and the number of sessions.
fn response_waits(files: Vec<Vec<Message>>, sessions: usize) -> Vec<(u32, Micros)> {
    // Messages need to be sorted only in sessions with an unmeasured response.
    let mut has_unmeasured = vec![false; sessions];
    for message in files.iter().flatten().filter(|message| message.kind == MessageKind::Unmeasured) {
        if let Some(session) = has_unmeasured.get_mut(message.session as usize) {
            *session = true;
        }
    }
    let is_needed = |message: &Message| has_unmeasured.get(message.session as usize) == Some(&true);
    let mut messages: Vec<Message> = files.into_iter().flatten().filter(is_needed).collect();
    messages.par_sort_unstable();
    pair(&messages)
}

/// Returns, for each unmeasured response, its session and the time since the earliest unanswered
/// message of the session.
fn pair(sorted: &[Message]) -> Vec<(u32, Micros)> {
    let mut pairing = Pairing::default();
    sorted.iter().filter_map(|message| Some((message.session, pairing.wait(message)?))).collect()
}

/// Pairs responses with messages, in ascending order of [`Message`].
#[derive(Default)]
struct Pairing {
    unanswered: Option<Message>,
}

impl Pairing {
    /// Adds a message. Returns its response time if it is an unmeasured response.
    fn wait(&mut self, message: &Message) -> Option<Micros> {
        let sent = self.unanswered.take().filter(|sent| sent.session == message.session);
        match (message.kind, sent) {
            (MessageKind::Sent, sent) => {
                self.unanswered = sent.or(Some(*message));
                None
            }
            (MessageKind::Measured, _) => None,
            (MessageKind::Unmeasured, sent) => sent.map(|sent| message.time - sent.time),
        }
    }
}

/// Returns the response time of each event of one session; `None` for events that are not
/// responses. Each event is given by its name, time and properties.
pub(crate) fn response_times(events: &[(&str, Micros, &str)]) -> Vec<Option<Micros>> {
    let mut messages: Vec<(Message, usize)> = Vec::new();
    let mut times = vec![None; events.len()];
    for (index, (name, time, properties)) in events.iter().enumerate() {
        let measured = response_us(properties);
        let kind = match (EventName::from_text(name), measured) {
            (EventName::MessageSent, _) => MessageKind::Sent,
            (EventName::MessageReceived, Some(_)) => MessageKind::Measured,
            (EventName::MessageReceived, None) => MessageKind::Unmeasured,
            _ => continue,
        };
        messages.push((Message { session: 0, time: *time, kind }, index));
        if let Some(slot) = times.get_mut(index).filter(|_| kind == MessageKind::Measured) {
            *slot = measured;
        }
    }
    messages.sort_unstable();
    let mut pairing = Pairing::default();
    for (message, index) in messages {
        let wait = pairing.wait(&message);
        if let Some(slot) = times.get_mut(index).filter(|_| wait.is_some()) {
            *slot = wait;
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(session: u32, time: Micros, kind: MessageKind) -> Message {
        Message { session, time, kind }
    }

    #[test]
    fn response_is_measured_from_earliest_unanswered_message() {
        use MessageKind::*;
        let mut messages = [
            message(1, 10, Sent),
            message(1, 20, Sent),
            message(1, 25, Unmeasured), // 15 after the first message
            message(1, 30, Unmeasured), // no unanswered message
            message(1, 40, Sent),
            message(1, 41, Measured), // has its own time, and answers the message
            message(1, 50, Unmeasured),
            message(2, 5, Unmeasured),  // messages of another session do not count
            message(2, 60, Unmeasured), // the message at the same time comes first
            message(2, 60, Sent),
            message(3, 10, Sent), // answered by the measured response
            message(3, 70, Unmeasured),
            message(3, 70, Measured),
        ];
        messages.sort_unstable();
        assert_eq!(pair(&messages), [(1, 15), (2, 0)]);
    }
}
