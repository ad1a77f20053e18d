//! Tags events with their times, and with the number of their error.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::error::Result;
use crate::report::metric::responses::{EventName, MessageKind};
use crate::report::query::json_lookup::Properties;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::report::sequence::{BoundTags, EventTags, TieOrder};
use crate::store::frame::{Frame, Texts};
use crate::time::Micros;

/// The facts about an event that the report counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PerformanceTag {
    /// The kind of message, which orders events of the same instant.
    pub message: MessageKind,
    /// Whether this is a `slow_response` event.
    pub is_slow_response: bool,
    /// The number of the event's name, if the event is an error.
    pub error: Option<u32>,
    response: TagTime,
    load: TagTime,
}

/// A time in microseconds. A negative value means that there is no time. It takes half of the
/// memory of an `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TagTime(Micros);

impl Default for TagTime {
    fn default() -> TagTime {
        TagTime(-1)
    }
}

impl TagTime {
    fn new(time: Option<Micros>) -> TagTime {
        time.map_or_else(TagTime::default, TagTime)
    }

    fn get(self) -> Option<Micros> {
        (self.0 >= 0).then_some(self.0)
    }
}

impl PerformanceTag {
    /// Returns the logged response time of a response.
    pub fn response(&self) -> Option<Micros> {
        self.response.get()
    }

    /// Returns the load time.
    pub fn load(&self) -> Option<Micros> {
        self.load.get()
    }
}

/// The names of errors, by number. The numbers depend on the order of reading.
#[derive(Debug, Default)]
pub(super) struct ErrorNames(Mutex<HashMap<String, u32>>);

impl ErrorNames {
    fn number(&self, name: &str) -> u32 {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len() as u32;
        *numbers.entry_ref(name).or_insert(next)
    }

    /// Returns the names, by number.
    pub fn by_number(&self) -> Vec<String> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = vec![String::new(); numbers.len()];
        for (name, number) in numbers.iter() {
            if let Some(slot) = names.get_mut(*number as usize) {
                slot.clone_from(name);
            }
        }
        names
    }
}

/// Tags messages, errors, `slow_response` events, and events with a load time.
#[derive(Default)]
pub(super) struct PerformanceTags {
    pub names: Arc<ErrorNames>,
}

impl EventTags<PerformanceTag> for PerformanceTags {
    fn columns(&self) -> Vec<&'static str> {
        vec!["event_name", "event_category", "properties"]
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f, PerformanceTag>> {
        let (names, categories) = (frame.texts("event_name")?, frame.texts("event_category")?);
        let mut times = PropertyTimes::new(frame.texts("properties")?);
        // For each name, its kind, the category of one of its events, and whether that is `error`.
        let mut name_cache = ViewCache::new((EventName::Other, NULL_TOKEN, false));
        let mut number_cache = ViewCache::new(None);
        Ok(Box::new(move |row| {
            let name_token = names.token(row).unwrap_or(NULL_TOKEN);
            let name = || names.get(row).unwrap_or("");
            let category = categories.token(row).unwrap_or(NULL_TOKEN);
            let is_error = || categories.get(row) == Some("error");
            let (kind, cached, is_error_name) =
                name_cache.get(name_token, || (EventName::from_text(name()), category, is_error()));
            let is_error = if cached == category { is_error_name } else { is_error() };
            let [load, response] = times.get(row);
            if kind == EventName::Other && !is_error && load.get().is_none() {
                return None;
            }
            let mut number = || number_cache.get(name_token, || Some(self.names.number(name())));
            Some(PerformanceTag {
                message: MessageKind::new(kind, response.get()),
                is_slow_response: kind == EventName::SlowResponse,
                error: if is_error { number() } else { None },
                response: if kind == EventName::MessageReceived { response } else { TagTime::default() },
                load,
            })
        }))
    }

    fn shared_name(&self) -> Option<&'static str> {
        Some("performance")
    }

    fn tie_order(&self) -> TieOrder {
        TieOrder::Tag
    }

    // Response times of retained messages are counted even if the first events of their session are
    // pruned.
    fn needs_first_events(&self) -> bool {
        false
    }
}

/// The load and response times in the properties of a frame's events. They are cached, since
/// neighbouring events often have equal properties.
struct PropertyTimes<'a> {
    objects: &'a Texts,
    properties: Properties<2>,
    cache: ViewCache<[TagTime; 2]>,
}

impl<'a> PropertyTimes<'a> {
    fn new(objects: &'a Texts) -> PropertyTimes<'a> {
        let properties = Properties::new(["load_time_ms", "response_time_ms"], "_time_ms");
        PropertyTimes { objects, properties, cache: ViewCache::new([TagTime::default(); 2]) }
    }

    fn get(&mut self, row: usize) -> [TagTime; 2] {
        let object = || self.objects.get(row).unwrap_or("");
        let times = || self.properties.millis(object()).map(TagTime::new);
        self.cache.get(self.objects.token(row).unwrap_or(NULL_TOKEN), times)
    }
}
