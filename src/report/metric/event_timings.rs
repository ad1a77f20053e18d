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
use crate::report::query::json_lookup::Properties;
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::session::properties::response_us;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};
use crate::time::{Day, Micros};

/// The timings and errors of events.
#[derive(Default)]
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
    timings: EventTimings,
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

impl EventTimings {
    /// Reads the events of the given UTC dates, both included, that belong to sessions of an index.
    pub fn read(
        tables: &dyn Tables,
        query: &Query,
        index: &SessionIndex,
        dates: (Day, Day),
    ) -> Result<EventTimings> {
        let columns = index.columns(&["event_name", "event_category", "properties"]);
        let files = map_frames(tables, Table::Events, Some(dates), &columns, |_, frame| {
            FileTimings::read(frame, query, index)
        })?;
        Ok(EventTimings::merge(files, index.len()))
    }

    /// Merges the timings of all files and pairs their messages, given the number of sessions.
    fn merge(mut files: Vec<FileTimings>, sessions: u32) -> EventTimings {
        let messages: Vec<_> = files.iter_mut().map(|file| std::mem::take(&mut file.messages)).collect();
        let has_unmeasured = files.iter().any(|file| file.has_unmeasured);
        let waits = if has_unmeasured { response_waits(messages, sessions) } else { Vec::new() };
        let responses =
            || files.iter().map(|file| file.timings.responses.as_slice()).chain([waits.as_slice()]);
        let loads = || files.iter().map(|file| file.timings.loads.as_slice());
        let (responses, loads) =
            rayon::join(|| responses().collect::<Vec<_>>().concat(), || loads().collect::<Vec<_>>().concat());
        let mut all = EventTimings { responses, loads, ..EventTimings::default() };
        for file in files {
            all.slow_response_events += file.timings.slow_response_events;
            for (name, sessions) in file.timings.errors {
                all.errors.entry(name).or_default().extend(sessions);
            }
        }
        all
    }
}

impl FileTimings {
    fn read(frame: &Frame, query: &Query, index: &SessionIndex) -> Result<FileTimings> {
        let (names, categories) = (frame.texts("event_name")?, frame.texts("event_category")?);
        let properties = frame.texts("properties")?;
        let mut property_times = PropertyTimes::new(properties);
        let mut finder = SessionFinder::new(frame, query, index)?;
        let mut name_cache = ViewCache::new(EventName::Other);
        let mut error_cache = ViewCache::new(false);
        // Reserve capacity for all events. Reserved memory that is not used is never touched and
        // costs nothing.
        let mut file = FileTimings {
            timings: EventTimings {
                responses: Vec::with_capacity(frame.height()),
                loads: Vec::with_capacity(frame.height()),
                ..EventTimings::default()
            },
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
            file.timings.loads.extend(load);
            file.timings.slow_response_events += u64::from(name == EventName::SlowResponse);
            if is_error {
                let name = names.get(row).unwrap_or("");
                file.timings.errors.entry_ref(name).or_default().push(session);
            }
            let kind = match (name, response) {
                (EventName::MessageSent, _) => MessageKind::Sent,
                (EventName::MessageReceived, Some(time)) => {
                    file.timings.responses.push(time);
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
}

/// Returns the response times of all unmeasured responses, from the messages of all files and the
/// number of sessions.
fn response_waits(files: Vec<Vec<Message>>, sessions: u32) -> Vec<Micros> {
    // Messages need to be sorted only in sessions with an unmeasured response.
    let mut has_unmeasured = vec![false; sessions as usize];
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

/// Returns, for each unmeasured response, the time since the earliest unanswered message of its
/// session.
fn pair(sorted: &[Message]) -> Vec<Micros> {
    let mut pairing = Pairing::default();
    sorted.iter().filter_map(|message| pairing.wait(message)).collect()
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
        assert_eq!(pair(&messages), [15, 0]);
    }
}
