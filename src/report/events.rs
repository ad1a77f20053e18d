//! `events`: the most frequent events, by name.

use hashbrown::HashMap;
use serde::Serialize;

use super::answer::{Body, Report};
use super::metric::event_counts::each_count;
use super::metric::group_count::groups;
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::session_report;
use super::query::tables::{Tables, map_frames};
use crate::decimal::fixed::Distinct;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;

rows! {
    /// An event's name.
    EventName {
        names {
            /// The name.
            event_name = "event_name",
        }
        figures {
            /// How often it happened.
            event_count: u64,
            /// In how many sessions.
            unique_sessions: Distinct,
        }
    }
}

/// The answer of `events`.
#[derive(Clone, Debug, Serialize)]
pub struct Events {
    /// The names, most frequent first.
    pub events: Listed<EventName>,
}

impl Body for Events {
    const NAME: &'static str = "events";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::many("events", &self.events).bar("event_count")]
    }
}

/// Answers `events`, the first `limit` names; with `compare`, beside the period before.
pub fn events(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Events>> {
    session_report::report(tables, query, compare, |query| {
        let (events, bots) = top(tables, query, limit)?;
        Ok((Events { events }, bots))
    })
}

/// The counts of one file: sessions with the same counts are read once.
struct Part {
    /// The names of the file, with event and session counts.
    names: Vec<(String, u64, u64)>,
    /// How many sessions have which names: numbers into `names`, as far as the end.
    groups: Vec<(u64, usize)>,
    /// The numbers of all groups, one after the other.
    members: Vec<u32>,
    /// Robots' sessions.
    bots: u64,
}

fn top(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(Listed<EventName>, u64)> {
    let columns = query.columns(&["event_counts"]);
    let days = Some(query.window.range());
    let parts = map_frames(tables, Table::Sessions, days, &columns, |_, frame| part(frame, query))?;
    let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
    for (name, events, sessions) in parts.iter().flat_map(|part| &part.names) {
        let sum = sums.entry(name).or_default();
        sum.0 = sum.0.saturating_add(*events);
        sum.1 += sessions;
    }
    let mut all: Vec<EventName> = sums
        .into_iter()
        .map(|(name, (events, sessions))| EventName {
            event_name: name.to_owned(),
            event_count: events,
            unique_sessions: Distinct(sessions),
        })
        .collect();
    all.sort_unstable_by(|a, b| {
        b.event_count.cmp(&a.event_count).then_with(|| a.event_name.cmp(&b.event_name))
    });
    let bots = parts.iter().map(|part| part.bots).sum();
    let listed = Listed::cut(all, limit, |rest| EventName {
        event_name: String::new(),
        event_count: rest.iter().fold(0u64, |sum, row| sum.saturating_add(row.event_count)),
        unique_sessions: Distinct(sessions_with_any(&parts, rest)),
    });
    Ok((listed, bots))
}

fn part(frame: &Frame, query: &Query) -> Result<Part> {
    let selected = query.select(frame)?;
    let column = frame.texts("event_counts")?;
    let mut part = Part { names: Vec::new(), groups: Vec::new(), members: Vec::new(), bots: selected.bots };
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for (json, sessions) in groups(column, &selected.rows, |_| 1u64) {
        each_count(json.unwrap_or("{}"), |name, count| {
            let number = match numbers.get(name) {
                Some(number) => *number,
                None => {
                    let number = part.names.len() as u32;
                    part.names.push((name.to_owned(), 0, 0));
                    numbers.insert(name.to_owned(), number);
                    number
                }
            };
            if let Some((_, events, all)) = part.names.get_mut(number as usize) {
                *events = events.saturating_add(count.saturating_mul(sessions));
                *all += sessions;
            }
            part.members.push(number);
        });
        part.groups.push((sessions, part.members.len()));
    }
    Ok(part)
}

/// Returns in how many sessions at least one of some names happened.
fn sessions_with_any(parts: &[Part], names: &[EventName]) -> u64 {
    let wanted: hashbrown::HashSet<&str> = names.iter().map(|row| row.event_name.as_str()).collect();
    let mut all = 0;
    for part in parts {
        let is_wanted: Vec<bool> =
            part.names.iter().map(|(name, ..)| wanted.contains(name.as_str())).collect();
        let mut start = 0;
        for (sessions, end) in &part.groups {
            let members = part.members.get(start..*end).unwrap_or_default();
            if members.iter().any(|number| is_wanted.get(*number as usize) == Some(&true)) {
                all += sessions;
            }
            start = *end;
        }
    }
    all
}
