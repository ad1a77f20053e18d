//! `sessions`: a list of sessions, newest first, in pages; or the sessions with a given id, with
//! their events.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::answer::rows::Group;
use super::answer::session_page::{SessionEntry, SessionPage};
use super::answer::{BotSessions, Report, ReportBody, ReportHead, diagnostics};
use super::query::tables::{RowSelection, Tables, map_frames, map_visited, with_columns};
use super::query::window::Window;
use super::query::{Query, pruned};
use super::{MAX_LIMIT, timeline};
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Record, RecordReader, Texts};
use crate::time::{Day, Micros};

/// The default number of sessions on a page.
pub const DEFAULT_LIMIT: usize = 20;

/// The selection of sessions to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsQuery {
    /// The days on which the sessions started; `None` for all retained sessions.
    pub window: Option<Window>,
    /// The chatbots; empty for all of them.
    pub chatbots: Vec<String>,
    /// Whether bot sessions are listed. A look-up by id always lists them.
    pub include_bots: bool,
    /// The page number, from 1.
    pub page: usize,
    /// The maximum number of sessions on a page; `None` for all on one page.
    pub limit: Option<usize>,
    /// Whether the page has only the number of sessions, without their rows.
    pub without_rows: bool,
    /// The session to look up: a session id of the log, the `id` of a row of `sessions`, or at
    /// least the first 8 characters of that `id`.
    pub session_id: Option<String>,
    /// The visitor to look up: an anonymous id, a user id, an email address or a name.
    pub visitor: Option<String>,
    /// The maximum number of events of each session that is looked up; `None` for all. If it is 0,
    /// no events are read.
    pub timeline_limit: Option<usize>,
}

impl SessionsQuery {
    /// Returns a query for the newest sessions of all chatbots.
    #[cfg(test)]
    pub(crate) fn newest() -> SessionsQuery {
        SessionsQuery {
            window: None,
            chatbots: Vec::new(),
            include_bots: false,
            page: 1,
            limit: Some(DEFAULT_LIMIT),
            without_rows: false,
            session_id: None,
            visitor: None,
            timeline_limit: Some(timeline::TIMELINE_LIMIT),
        }
    }

    fn is_lookup(&self) -> bool {
        self.session_id.is_some() || self.visitor.is_some()
    }

    fn check(&self) -> Result<()> {
        if self.page == 0 {
            return Err(Error::usage("--page 0: pages are counted from 1").hint("use --page 1"));
        }
        if let Some(limit) = self.limit.filter(|limit| *limit == 0 || *limit > MAX_LIMIT) {
            return Err(Error::usage(format!("--limit {limit} is not between 1 and {MAX_LIMIT}"))
                .hint("use --page 2, --page 3 … for further sessions, or --limit all"));
        }
        Ok(())
    }

    /// Returns the columns that select and order sessions.
    fn filter_columns<'a>(&self, query: &Query) -> Vec<&'a str> {
        let mut columns = vec!["started_at"];
        if self.session_id.is_some() {
            columns.extend(["id", "session_id"]);
        }
        if self.visitor.is_some() {
            columns.extend(VISITOR_COLUMNS);
        }
        query.columns(&columns)
    }

    /// Returns the selected rows of a frame.
    fn select(&self, frame: &Frame, query: &Query) -> Result<SelectedSessions> {
        let selected = query.select(frame)?;
        let started = frame.ints("started_at")?;
        let prefixes = self.session_id.as_deref().filter(|id| is_row_id_prefix(id));
        let prefixes = IdFilter::new(frame, prefixes, &["id"], |text, id| text.starts_with(id))?;
        let session_ids = IdFilter::new(frame, self.session_id.as_deref(), &["id", "session_id"], str::eq)?;
        let visitor_ids = IdFilter::new(frame, self.visitor.as_deref(), &VISITOR_COLUMNS, str::eq)?;
        let is_session = |row| session_ids.matches(row) || (!prefixes.is_none() && prefixes.matches(row));
        let rows = selected
            .rows
            .into_iter()
            .filter(|row| is_session(*row as usize) && visitor_ids.matches(*row as usize))
            .filter_map(|row| Some((started.get(row as usize)?, row)))
            .collect();
        Ok(SelectedSessions { rows, bots: selected.bots })
    }
}

/// The columns by which a visitor is looked up. Lists of sessions show them.
const VISITOR_COLUMNS: [&str; 4] = ["anonymous_id", "user_id", "user_email", "user_name"];

/// Returns whether a string can be the beginning of the `id` of a row, a UUID.
fn is_row_id_prefix(text: &str) -> bool {
    text.len() >= ROW_ID_PREFIX && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The minimum number of characters of a row's id with which it can be looked up.
pub(crate) const ROW_ID_PREFIX: usize = 8;

/// Selects rows with a given id in any of several columns. Without an id, all rows match.
struct IdFilter<'a> {
    id: Option<&'a str>,
    columns: Vec<&'a Texts>,
    is_equal: fn(&str, &str) -> bool,
}

impl<'a> IdFilter<'a> {
    /// Returns a filter. `is_equal` compares the value of a column with the id.
    fn new(
        frame: &'a Frame,
        id: Option<&'a str>,
        columns: &[&str],
        is_equal: fn(&str, &str) -> bool,
    ) -> Result<IdFilter<'a>> {
        let columns = if id.is_some() { columns } else { &[] };
        let columns = columns.iter().map(|name| frame.texts(name)).collect::<Result<_>>()?;
        Ok(IdFilter { id, columns, is_equal })
    }

    fn is_none(&self) -> bool {
        self.id.is_none()
    }

    fn matches(&self, row: usize) -> bool {
        let Some(id) = self.id else { return true };
        self.columns.iter().any(|column| column.get(row).is_some_and(|text| (self.is_equal)(text, id)))
    }
}

/// The rows of a frame that a query selects.
struct SelectedSessions {
    /// The start of each session and its row.
    rows: Vec<(Micros, u32)>,
    /// The number of bot sessions, whether included or not.
    bots: u64,
}

impl ReportBody for SessionPage {
    const NAME: &'static str = "sessions";

    fn groups(&self) -> Vec<Group<'_>> {
        Vec::new()
    }

    fn session_page(&self) -> Option<&SessionPage> {
        Some(self)
    }
}

/// Computes `sessions`.
///
/// # Errors
/// Returns a usage error for a page or a limit out of range.
pub(crate) fn sessions(tables: &dyn Tables, request: &SessionsQuery) -> Result<Report<SessionPage>> {
    request.check()?;
    let days = request.window.map(Window::range);
    let any_day = tables.zone().day(0);
    let query = Query {
        // Without a window, `days` is `None`, and the query selects by chatbot and bots only.
        window: request.window.unwrap_or(Window { from: any_day, to: any_day, today: any_day }),
        chatbots: request.chatbots.clone(),
        include_bots: request.include_bots || request.is_lookup(),
    };
    let columns = request.filter_columns(&query);
    let selected =
        map_frames(tables, Table::Sessions, days, &columns, |_, frame| request.select(frame, &query))?;
    let bots = selected.iter().map(|part| part.bots).sum();
    let mut starts: Vec<Micros> =
        selected.into_iter().flat_map(|part| part.rows.into_iter().map(|(start, _)| start)).collect();
    let limit = request.limit.unwrap_or(starts.len().max(1));
    let mut page = SessionPage { page: request.page, limit, total: starts.len(), sessions: Vec::new() };
    if !request.without_rows
        && let Some(range) = PageRange::find(&mut starts, request)
    {
        page.sessions = range.read(tables, &starts, request, &query)?;
    }
    if request.is_lookup() && request.timeline_limit != Some(0) {
        timeline::add_timelines(tables, &mut page.sessions, request.timeline_limit)?;
    }
    let bot_sessions =
        if request.is_lookup() { BotSessions::NotCounted } else { BotSessions::new(&query, bots) };
    let head = ReportHead {
        window: request.window,
        bot_sessions,
        window_in_json: false,
        ..ReportHead::new(tables, &query, bots)
    };
    let mut notes = notes(tables, request, &query, bot_sessions, &page)?;
    if let Some(limit) = request.timeline_limit
        && page.sessions.iter().any(|entry| entry.is_truncated)
    {
        notes.push(format!(
            "only the first {limit} events of a session are listed; use --limit all for all, or `wa events`"
        ));
    }
    Ok(Report { notes, ..Report::new(head, page) })
}

fn notes(
    tables: &dyn Tables,
    request: &SessionsQuery,
    query: &Query,
    bot_sessions: BotSessions,
    page: &SessionPage,
) -> Result<Vec<String>> {
    let excluded_bots = match bot_sessions {
        BotSessions::Excluded(bots) => bots,
        _ => 0,
    };
    let look_up = request.session_id.as_ref().map(|id| ("session", id));
    let look_up = look_up.or(request.visitor.as_ref().map(|id| ("visitor", id)));
    if page.total == 0
        && let Some((kind, id)) = look_up
    {
        let mut notes = vec![match request.window {
            Some(window) => format!("{kind} {id:?} has no session from {} to {}", window.from, window.to),
            None => format!("{kind} {id:?} has no retained session"),
        }];
        if request.window.is_some() {
            notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
        }
        return Ok(notes);
    }
    if page.total > 0 && page.sessions.is_empty() && !request.without_rows {
        return Ok(vec![format!("there is no page {}: the last page is {}", page.page, page.last_page())]);
    }
    match request.window {
        Some(_) => {
            let mut notes = diagnostics::on_window(tables, query, page.total == 0, excluded_bots)?;
            notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
            Ok(notes)
        }
        None if page.total == 0 && excluded_bots > 0 => {
            Ok(vec![format!("there are no sessions; {}", diagnostics::excluded_bots(excluded_bots))])
        }
        None if page.total == 0 => Ok(vec!["there are no sessions".to_owned()]),
        None => Ok(Vec::new()),
    }
}

/// Selects the rows that a page can need, so that only their values are decoded.
struct PageRows<'a> {
    page: &'a PageRange,
    request: &'a SessionsQuery,
    query: &'a Query,
}

impl RowSelection for PageRows<'_> {
    fn columns(&self) -> Vec<&'static str> {
        with_columns(&["id"], self.request.filter_columns(self.query))
    }

    fn rows(&self, _: usize, frame: &Frame) -> Result<Vec<u32>> {
        let ids = frame.texts("id")?;
        let mut rows = self.request.select(frame, self.query)?.rows;
        rows.retain(|(start, _)| self.page.contains(*start));
        // Thousands of sessions can start at one instant, so only as many as the page can need are
        // read.
        let id = |row: u32| ids.get(row as usize);
        rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| id(a.1).cmp(&id(b.1))));
        rows.truncate(self.page.skip.saturating_add(self.page.count));
        let mut rows: Vec<u32> = rows.into_iter().map(|(_, row)| row).collect();
        rows.sort_unstable();
        Ok(rows)
    }
}

/// The range of start times of a page, and its position among sessions with the same start.
struct PageRange {
    newest: Micros,
    oldest: Micros,
    /// The number of sessions that started at `newest` and are on earlier pages.
    skip: usize,
    /// The number of sessions on the page.
    count: usize,
}

impl PageRange {
    /// Finds the range of the requested page among the starts of all selected sessions, which are
    /// reordered; `None` if the page is after the last one.
    fn find(starts: &mut [Micros], request: &SessionsQuery) -> Option<PageRange> {
        let limit = request.limit.unwrap_or(usize::MAX);
        let first = request.page.checked_sub(1)?.checked_mul(limit)?;
        let count = limit.min(starts.len().checked_sub(first)?);
        let last = first.checked_add(count.checked_sub(1)?)?;
        let descending = |a: &Micros, b: &Micros| b.cmp(a);
        let oldest = *starts.select_nth_unstable_by(last, descending).1;
        let newest = *starts.get_mut(..=last)?.select_nth_unstable_by(first, descending).1;
        let newer = starts.iter().filter(|start| **start > newest).count();
        Some(PageRange { newest, oldest, skip: first - newer, count })
    }

    fn contains(&self, start: Micros) -> bool {
        self.oldest <= start && start <= self.newest
    }

    /// Reads all columns of the page's sessions.
    fn read(
        &self,
        tables: &dyn Tables,
        starts: &[Micros],
        request: &SessionsQuery,
        query: &Query,
    ) -> Result<Vec<SessionEntry>> {
        let zone = tables.zone();
        // The sessions of a visitor can be a year apart, so only the days of the page's sessions
        // are read.
        let days: BTreeSet<Day> =
            starts.iter().filter(|start| self.contains(**start)).map(|start| zone.day(*start)).collect();
        let columns = Table::Sessions.column_names();
        let selection = PageRows { page: self, request, query };
        let read = |day: Day| {
            let rows = (Table::Sessions, Some((day, day)));
            let read = |visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync)| {
                tables.read_selected(rows, &columns, &selection, visit)
            };
            map_visited(read, |_, frame| {
                let reader = RecordReader::all_columns(frame, Table::Sessions)?;
                let started = frame.ints("started_at")?;
                let record = |row: usize| (started.or_zero(row), reader.record(row));
                Ok((0..frame.height()).map(record).collect::<Vec<_>>())
            })
        };
        let found = days.into_par_iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut rows: Vec<(Micros, Record)> = found.into_iter().flatten().flatten().collect();
        rows.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.text("id").cmp(&b.1.text("id"))));
        let page = rows.into_iter().skip(self.skip).take(self.count);
        Ok(page.map(|(_, session)| SessionEntry { session, timeline: None, is_truncated: false }).collect())
    }
}
