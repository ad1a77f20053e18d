//! `sessions`: the sessions themselves, newest first, a page at a time; or one of them, or those
//! of one visitor, each with its events.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::answer::{Body, Head, Report, Robots};
use super::metric::Group;
use super::query::Query;
use super::query::pruned;
use super::query::tables::{Tables, map_frames};
use super::query::window::Window;
use super::timeline;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Record, RecordReader, Texts};
use crate::time::{Day, Micros};

/// The rows of a page, where no other number is asked for.
pub const DEFAULT_LIMIT: usize = 20;
/// The most rows of a page.
pub const MAX_LIMIT: usize = 100;

/// Which sessions are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsQuery {
    /// The days on which they started; all that are held where there are none.
    pub window: Option<Window>,
    /// The chatbots; all of them where none is named.
    pub chatbots: Vec<String>,
    /// Robots are listed too. Those that are looked up always are.
    pub include_bots: bool,
    /// The page, from 1.
    pub page: usize,
    /// Sessions a page.
    pub limit: usize,
    /// The session to look up: the log's session id, or the `id` of its row.
    pub session_id: Option<String>,
    /// The visitor to look up: an anonymous id or a user id.
    pub visitor: Option<String>,
}

impl SessionsQuery {
    /// Asks for the newest sessions.
    pub fn newest() -> SessionsQuery {
        SessionsQuery {
            window: None,
            chatbots: Vec::new(),
            include_bots: false,
            page: 1,
            limit: DEFAULT_LIMIT,
            session_id: None,
            visitor: None,
        }
    }

    fn looks_up(&self) -> bool {
        self.session_id.is_some() || self.visitor.is_some()
    }

    fn check(&self) -> Result<()> {
        if self.page == 0 {
            return Err(Error::usage("--page 0: pages are counted from 1").hint("use --page 1"));
        }
        if self.limit == 0 || self.limit > MAX_LIMIT {
            return Err(Error::usage(format!("--limit {} is not between 1 and {MAX_LIMIT}", self.limit))
                .hint("ask for further sessions with --page 2, --page 3 …"));
        }
        Ok(())
    }
}

/// A session, with its events where it was looked up.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The row of `sessions`.
    pub session: Record,
    /// Its events in order of time and id.
    pub timeline: Option<Vec<Record>>,
}

impl Serialize for Entry {
    /// Writes all columns in order; then `timeline`, where there is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.session.entries() {
            map.serialize_entry(column.name, value)?;
        }
        if let Some(timeline) = &self.timeline {
            map.serialize_entry("timeline", timeline)?;
        }
        map.end()
    }
}

/// The answer of `sessions`.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// The page, from 1.
    pub page: usize,
    /// Sessions a page, at most.
    pub limit: usize,
    /// Sessions on all pages.
    pub total: usize,
    /// The sessions of this page.
    pub sessions: Vec<Entry>,
}

impl Page {
    /// Returns the number of the last page; 1 where there are no sessions.
    pub fn last_page(&self) -> usize {
        self.total.div_ceil(self.limit.max(1)).max(1)
    }
}

impl Body for Page {
    const NAME: &'static str = "sessions";

    fn groups(&self) -> Vec<Group<'_>> {
        Vec::new()
    }

    fn page(&self) -> Option<&Page> {
        Some(self)
    }
}

/// Answers `sessions`.
pub fn sessions(tables: &dyn Tables, wanted: &SessionsQuery) -> Result<Report<Page>> {
    wanted.check()?;
    let days = wanted.window.map(Window::range);
    let any_day = tables.zone().day(0);
    let query = Query {
        window: wanted.window.unwrap_or(Window { from: any_day, to: any_day, today: any_day }),
        chatbots: wanted.chatbots.clone(),
        include_bots: wanted.include_bots || wanted.looks_up(),
    };
    let columns = wanted.columns(&query);
    let found =
        map_frames(tables, Table::Sessions, days, &columns, |_, frame| wanted.matching(frame, &query))?;
    let bots = found.iter().map(|matching| matching.bots).sum();
    let mut times: Vec<Micros> =
        found.into_iter().flat_map(|m| m.rows.into_iter().map(|(time, _)| time)).collect();
    let mut page = Page { page: wanted.page, limit: wanted.limit, total: times.len(), sessions: Vec::new() };
    if let Some(cut) = Cut::of(&mut times, wanted) {
        page.sessions = cut.read(tables, &times, wanted, &query)?;
    }
    if wanted.looks_up() {
        timeline::add(tables, &mut page.sessions)?;
    }
    let head = Head {
        window: wanted.window,
        robots: if wanted.looks_up() { Robots::NotAsked } else { Robots::of(&query, bots) },
        dated: false,
        ..Head::of(tables, &query, bots)
    };
    let mut report = Report::new(head, page);
    report.notes = notes(tables, wanted, &query, &report)?;
    Ok(report)
}

fn notes(
    tables: &dyn Tables,
    wanted: &SessionsQuery,
    query: &Query,
    report: &Report<Page>,
) -> Result<Vec<String>> {
    let page = &report.body;
    let bots = match report.head.robots {
        Robots::LeftOut(bots) => bots,
        _ => 0,
    };
    let looked_up = wanted.session_id.as_ref().map(|id| ("session", id));
    let looked_up = looked_up.or(wanted.visitor.as_ref().map(|id| ("visitor", id)));
    if page.total == 0
        && let Some((what, id)) = looked_up
    {
        let mut notes = vec![match wanted.window {
            Some(window) => format!("no session from {} to {} is of {what} {id:?}", window.from, window.to),
            None => format!("no session that is kept is of {what} {id:?}"),
        }];
        if wanted.window.is_some() {
            notes.extend(super::metric::diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
        }
        return Ok(notes);
    }
    if page.total > 0 && page.sessions.is_empty() {
        return Ok(vec![format!("there is no page {}: the last one is {}", page.page, page.last_page())]);
    }
    match wanted.window {
        Some(_) => {
            let mut notes = super::metric::diagnostics::on_window(tables, query, page.total == 0, bots)?;
            notes.extend(super::metric::diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
            Ok(notes)
        }
        None if page.total == 0 && bots > 0 => {
            let (sessions, counted) = super::metric::diagnostics::left_out(bots);
            Ok(vec![format!("there are no sessions but {sessions}: {counted}")])
        }
        None if page.total == 0 => Ok(vec!["there are no sessions".to_owned()]),
        None => Ok(Vec::new()),
    }
}

/// The rows of a frame that are asked for, with their times.
struct Matching {
    rows: Vec<(Micros, u32)>,
    bots: u64,
}

impl SessionsQuery {
    fn columns<'a>(&self, query: &Query) -> Vec<&'a str> {
        let mut columns = vec!["started_at"];
        if self.session_id.is_some() {
            columns.extend(["id", "session_id"]);
        }
        if self.visitor.is_some() {
            columns.extend(["anonymous_id", "user_id"]);
        }
        query.columns(&columns)
    }

    fn matching(&self, frame: &Frame, query: &Query) -> Result<Matching> {
        let selected = query.select(frame)?;
        let started = frame.ints("started_at")?;
        let column = |wanted: &Option<String>, name: &str| -> Result<Option<&Texts>> {
            wanted.as_ref().map(|_| frame.texts(name)).transpose()
        };
        let ids = (column(&self.session_id, "id")?, column(&self.session_id, "session_id")?);
        let who = (column(&self.visitor, "anonymous_id")?, column(&self.visitor, "user_id")?);
        let names = |wanted: &Option<String>, columns: &(Option<&Texts>, Option<&Texts>), row: usize| {
            wanted.as_deref().is_none_or(|wanted| {
                [&columns.0, &columns.1]
                    .into_iter()
                    .any(|column| column.as_ref().is_some_and(|column| column.get(row) == Some(wanted)))
            })
        };
        let rows = selected
            .rows
            .into_iter()
            .filter(|row| names(&self.session_id, &ids, *row as usize))
            .filter(|row| names(&self.visitor, &who, *row as usize))
            .filter_map(|row| Some((started.get(row as usize)?, row)))
            .collect();
        Ok(Matching { rows, bots: selected.bots })
    }
}

/// The times between which a page lies.
struct Cut {
    newest: Micros,
    oldest: Micros,
    /// How many sessions of that newest time are on earlier pages.
    skip: usize,
    take: usize,
}

impl Cut {
    fn of(times: &mut [Micros], wanted: &SessionsQuery) -> Option<Cut> {
        let start = wanted.page.checked_sub(1)?.checked_mul(wanted.limit)?;
        let take = wanted.limit.min(times.len().checked_sub(start)?);
        let last = start.checked_add(take.checked_sub(1)?)?;
        let falling = |a: &Micros, b: &Micros| b.cmp(a);
        let oldest = *times.select_nth_unstable_by(last, falling).1;
        let newest = *times.get_mut(..=last)?.select_nth_unstable_by(start, falling).1;
        let newer = times.iter().filter(|time| **time > newest).count();
        Some(Cut { newest, oldest, skip: start - newer, take })
    }

    fn holds(&self, time: Micros) -> bool {
        self.oldest <= time && time <= self.newest
    }

    /// Reads all columns of the page's sessions, given when the sessions of all pages started.
    fn read(
        &self,
        tables: &dyn Tables,
        times: &[Micros],
        wanted: &SessionsQuery,
        query: &Query,
    ) -> Result<Vec<Entry>> {
        let zone = tables.zone();
        // A visitor's sessions may lie a year apart: only days that have one are read, and of each only the
        // page's rows are kept.
        let days: BTreeSet<Day> =
            times.iter().filter(|time| self.holds(**time)).map(|time| zone.day(*time)).collect();
        let columns = Table::Sessions.column_names();
        let read = |day: Day| {
            map_frames(tables, Table::Sessions, Some((day, day)), &columns, |_, frame| {
                let reader = RecordReader::all_columns(frame, Table::Sessions)?;
                let ids = frame.texts("id")?;
                let mut rows = wanted.matching(frame, query)?.rows;
                rows.retain(|(time, _)| self.holds(*time));
                // Of thousands that start at one moment, no more are made than can be on the page.
                let id = |row: u32| ids.get(row as usize);
                rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| id(a.1).cmp(&id(b.1))));
                rows.truncate(self.skip.saturating_add(self.take));
                let rows = rows.into_iter();
                Ok(rows.map(|(time, row)| (time, reader.record(row as usize))).collect::<Vec<_>>())
            })
        };
        let found = days.into_par_iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<(Micros, Record)> = found.into_iter().flatten().flatten().collect();
        rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.text("id").cmp(&b.1.text("id"))));
        let page = rows.into_iter().skip(self.skip).take(self.take);
        Ok(page.map(|(_, session)| Entry { session, timeline: None }).collect())
    }
}
