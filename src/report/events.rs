//! `events`: the most frequent event names.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, session_report};
use super::metric::event_counts::CountReader;
use super::metric::group_count::count_by_token;
use super::metric::values::Distinct;
use super::query::Query;
use super::query::cells::merge_frames;
use super::query::tables::{PartKind, Tables, map_parts, read_parts};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;

rows! {
    /// An event name.
    EventName {
        dimensions {
            /// The name.
            event_name = "event_name",
        }
        metrics {
            /// The number of events.
            event_count: u64,
            /// The number of sessions with such an event.
            unique_sessions: Distinct,
        }
    }
}

/// The body of `events`.
#[derive(Clone, Debug, Serialize)]
pub struct Events {
    /// The event names, most frequent first.
    pub events: RowList<EventName>,
}

impl ReportBody for Events {
    const NAME: &'static str = "events";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("events", &self.events).with_bar("event_count")]
    }
}

/// Computes `events` with at most `limit` names. With `compare`, compares it with the previous
/// period.
pub(crate) fn events(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Events>> {
    session_report::build(tables, query, compare, |query| {
        let (events, bots) = count(tables, query, limit)?;
        Ok((Events { events }, bots))
    })
}

/// The counts of one file. Sessions with the same `event_counts` form one group.
#[derive(Serialize, Deserialize)]
pub(crate) struct FileCounts {
    /// The names in the file, with their counts of events and of sessions.
    names: Vec<(String, u64, u64)>,
    /// For each group, the number of its sessions and the end of its names in `members`.
    groups: Vec<(u64, usize)>,
    /// The names of all groups in order, as indexes into `names`.
    members: Vec<u32>,
    /// The number of bot sessions.
    bots: u64,
}

fn count(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(RowList<EventName>, u64)> {
    let files = counts(tables, query)?;
    let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
    for (name, events, sessions) in files.iter().flat_map(|file| &file.names) {
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
    let bots = files.iter().map(|file| file.bots).sum();
    let events = RowList::limited(all, limit, |hidden| EventName {
        event_name: String::new(),
        event_count: hidden.iter().fold(0u64, |sum, row| sum.saturating_add(row.event_count)),
        unique_sessions: Distinct(sessions_with_any(&files, hidden)),
    });
    Ok((events, bots))
}

/// Returns the counts of disjoint sets of sessions, which several answers share.
fn counts(tables: &dyn Tables, query: &Query) -> Result<Vec<Arc<FileCounts>>> {
    if let Some(parts) = tables.parts(PartKind::EventNames) {
        return Ok(read_parts(parts)?.into_iter().map(Arc::new).collect());
    }
    let columns = query.columns(&["event_counts"]);
    let count = |frame: &Frame, query: &Query| Ok(vec![Arc::new(count_file(frame, query)?)]);
    merge_frames(tables, Events::NAME, query, &columns, count, |mut counts, other| {
        counts.extend(other);
        counts
    })
}

/// Returns the counts of each file.
pub(crate) fn parts(tables: &dyn Tables, query: &Query) -> Result<Vec<FileCounts>> {
    let files = (Table::Sessions, query.window.range());
    let columns = query.columns(&["event_counts"]);
    map_parts(tables, PartKind::EventNames, files, &columns, |frame| count_file(frame, query))
}

impl FileCounts {
    /// Merges the groups that have the same names. There are far fewer sets of names than values of
    /// `event_counts`.
    pub(crate) fn merge_groups(mut self) -> FileCounts {
        let mut sets: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
        let mut start = 0;
        for (sessions, end) in &self.groups {
            let mut names = self.members.get(start..*end).unwrap_or_default().to_vec();
            names.sort_unstable();
            *sets.entry(names).or_default() += sessions;
            start = *end;
        }
        self.groups.clear();
        self.members.clear();
        for (names, sessions) in sets {
            self.members.extend(names);
            self.groups.push((sessions, self.members.len()));
        }
        self
    }
}

fn count_file(frame: &Frame, query: &Query) -> Result<FileCounts> {
    let selected = query.select(frame)?;
    let column = frame.texts("event_counts")?;
    let mut file =
        FileCounts { names: Vec::new(), groups: Vec::new(), members: Vec::new(), bots: selected.bots };
    let mut reader = CountReader::default();
    for (json, sessions) in count_by_token(column, &selected.rows, |_| 1u64) {
        let counts = reader.read(json.unwrap_or("{}"));
        for (index, count) in counts {
            let index = *index as usize;
            if file.names.len() <= index {
                file.names.resize(index + 1, Default::default());
            }
            if let Some((_, events, all_sessions)) = file.names.get_mut(index) {
                *events = events.saturating_add(count.saturating_mul(sessions));
                *all_sessions += sessions;
            }
        }
        file.members.extend(counts.iter().map(|(index, _)| *index));
        file.groups.push((sessions, file.members.len()));
    }
    for ((name, ..), read) in file.names.iter_mut().zip(reader.into_names()) {
        *name = read;
    }
    Ok(file)
}

/// Returns the number of sessions with an event of at least one of the given names.
fn sessions_with_any(files: &[Arc<FileCounts>], names: &[EventName]) -> u64 {
    let wanted: hashbrown::HashSet<&str> = names.iter().map(|row| row.event_name.as_str()).collect();
    let mut all = 0;
    for file in files {
        let is_wanted: Vec<bool> =
            file.names.iter().map(|(name, ..)| wanted.contains(name.as_str())).collect();
        let mut start = 0;
        for (sessions, end) in &file.groups {
            let members = file.members.get(start..*end).unwrap_or_default();
            if members.iter().any(|index| is_wanted.get(*index as usize) == Some(&true)) {
                all += sessions;
            }
            start = *end;
        }
    }
    all
}
