//! The goals, funnels and events of conversations that `wa.toml` defines.

use super::event_pattern::{self, EventPattern};
use crate::config::{Definition, ResolvedConfig, WrittenEvent};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::tables::Tables;
use crate::suggest::nearest;

/// The definitions of a store's reports.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The goals, in the order of the file.
    pub goals: Vec<Goal>,
    /// The funnels, in the order of the file.
    pub funnels: Vec<NamedFunnel>,
    /// The events of conversations.
    pub conversations: ConversationEvents,
}

/// A goal.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The name.
    pub name: String,
    /// The events that reach the goal.
    pub event: EventPattern,
}

/// A funnel with a name.
#[derive(Clone, Debug)]
pub struct NamedFunnel {
    /// The name.
    pub name: String,
    /// The steps.
    pub steps: Vec<EventPattern>,
}

/// The events that the report `conversations` interprets as handoffs, resolutions and ratings.
#[derive(Clone, Debug)]
pub struct ConversationEvents {
    /// The events that hand a conversation to a person; empty if none is defined.
    pub handoff: Vec<EventPattern>,
    /// The events that resolve a conversation; empty if none is defined.
    pub resolution: Vec<EventPattern>,
    /// The events that contain a rating.
    pub rating: Vec<EventPattern>,
}

impl ConversationEvents {
    /// Looks up fields that are not columns in the events of a window, so that reports on parts of
    /// the window read the same fields.
    pub fn resolve(&mut self, tables: &dyn Tables, query: &Query) {
        for patterns in [&mut self.handoff, &mut self.resolution, &mut self.rating] {
            let _ = event_pattern::resolve(tables, query, patterns);
        }
    }
}

impl Default for ConversationEvents {
    fn default() -> ConversationEvents {
        ConversationEvents {
            handoff: Vec::new(),
            resolution: Vec::new(),
            rating: vec![EventPattern::event("feedback_given")],
        }
    }
}

/// The keys of the table `[conversations]`.
const CONVERSATION_KEYS: [&str; 3] = ["handoff", "resolution", "rating"];

impl Definitions {
    /// Reads the definitions of a store.
    ///
    /// # Errors
    /// Returns a usage error with the line of an invalid definition.
    pub fn new(config: &ResolvedConfig) -> Result<Definitions> {
        let mut definitions = Definitions::default();
        for definition in config.definitions.iter().filter(|definition| definition.table != "segments") {
            let events = definition
                .events
                .iter()
                .map(|event| pattern(definition, event))
                .collect::<Result<Vec<_>>>()?;
            definitions.add(definition, events)?;
        }
        Ok(definitions)
    }

    fn add(&mut self, definition: &Definition, events: Vec<EventPattern>) -> Result<()> {
        let name = definition.name.clone();
        match (definition.table, definition.name.as_str()) {
            ("goals", _) => {
                let [event] = <[EventPattern; 1]>::try_from(events).map_err(|_| {
                    definition.error(definition.line, "a goal must be a single event").hint(
                        "write it like order = \"order_placed where properties.value>20\"; \
                         A|B stands for several event names",
                    )
                })?;
                self.goals.push(Goal { name, event });
            }
            ("funnels", _) => self.funnels.push(NamedFunnel { name, steps: events }),
            (_, "handoff") => self.conversations.handoff = events,
            (_, "resolution") => self.conversations.resolution = events,
            (_, "rating") => self.conversations.rating = events,
            _ => {
                let error = definition.error(definition.line, "there is no such setting");
                return Err(error.hint(match nearest(&name, CONVERSATION_KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the settings are {}", CONVERSATION_KEYS.join(", ")),
                }));
            }
        }
        Ok(())
    }
}

fn pattern(definition: &Definition, event: &WrittenEvent) -> Result<EventPattern> {
    let pattern = match event.conditions.as_slice() {
        [] => EventPattern::parse(&event.event),
        conditions => {
            let text = format!("{} where {}", event.event, conditions.join(" and "));
            EventPattern::new(&text, &event.event, conditions.iter().map(String::as_str))
        }
    };
    pattern.map_err(|error| definition.error_caused_by(event.line, &error))
}
