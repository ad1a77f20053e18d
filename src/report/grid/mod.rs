//! Grids: the same reports for several chatbots, and for several windows that end on the same day.
//!
//! Each answer equals that of [`run`](super::run) for its chatbots and its window. The answers
//! share their reads: each column of a file is read once, as far as memory allows, not once per
//! answer or report.

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::answer::Answer;
use super::calendar::periods::Interval;
use super::dispatch::{ReportKind, ReportRequest, run_kind};
use super::query::Query;
use super::query::by_chatbot::ChatbotPartitions;
use super::query::chatbots::{check_chatbots, ranked_chatbots};
use super::query::tables::Tables;
use super::query::window::Window;
use super::selected::filtered::{resolve_fields, with_selected_sessions};
use crate::error::Result;
use crate::store::columns::Table;

/// The maximum number of days in a window for retention by day, and for retention by week.
const RETENTION_DAYS: [u32; 2] = [14, 180];

/// If the longest window and its previous period have at most this many events, answers are
/// computed in parallel. An answer on that many events takes about 150 MB.
const MAX_PARALLEL_EVENTS: usize = 2 << 20;

/// A request for a grid.
#[derive(Clone, Debug)]
pub struct GridRequest {
    /// The options of all reports. Each of `windows` replaces the window of their query.
    pub reports: ReportRequest,
    /// The windows, the shortest first. All end on the same day.
    pub windows: Vec<Window>,
    /// The reports, each with its period.
    pub parts: Vec<(ReportKind, GridPeriod)>,
    /// The maximum number of chatbots with separate answers.
    pub max_chatbots: usize,
}

/// The period that a report of a grid covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPeriod {
    /// The window.
    Window,
    /// The window, compared with the previous period.
    Compared,
    /// The previous period.
    Previous,
}

/// The position of an answer in a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridPosition {
    /// The index of the scope.
    pub scope: usize,
    /// The index of the window.
    pub window: usize,
    /// The index of the report.
    pub part: usize,
}

/// The answers of a grid, converted to `T`.
#[derive(Clone, Debug)]
pub struct Grid<T> {
    /// The chatbots of each scope. The first scope is all chatbots of the request together. If
    /// there are several, each further scope is one of them, most sessions first.
    pub scopes: Vec<Vec<String>>,
    /// The chatbots without a separate scope.
    pub others: Vec<String>,
    /// The answers by scope, then by window, then by report.
    pub answers: Vec<Vec<Vec<T>>>,
    /// Notes on the conditions of the request.
    pub notes: Vec<String>,
}

impl GridRequest {
    /// Returns the request for one answer.
    pub fn request(&self, scope: &[String], window: Window, part: usize) -> ReportRequest {
        let default = (ReportKind::Summary, GridPeriod::Window);
        let (kind, period) = self.parts.get(part).copied().unwrap_or(default);
        let mut request = self.reports.clone();
        request.kind = kind;
        request.compare = period == GridPeriod::Compared;
        let covered = if period == GridPeriod::Previous { window.previous() } else { window };
        request.query = Query { window: covered, chatbots: scope.to_vec(), ..request.query };
        request.retention.interval = match window.days() {
            days if days <= RETENTION_DAYS[0] => Interval::Day,
            days if days <= RETENTION_DAYS[1] => Interval::Week,
            _ => Interval::Month,
        };
        request
    }

    /// Returns the longest window.
    fn longest(&self) -> Window {
        self.windows.last().copied().unwrap_or(self.reports.query.window)
    }
}

/// Computes a grid. `convert` receives each answer.
///
/// # Errors
/// Returns a usage error for unknown chatbots and fields.
pub fn run_grid<T: Send>(
    tables: &dyn Tables,
    request: &GridRequest,
    convert: impl Fn(GridPosition, &dyn Answer) -> T + Sync,
) -> Result<Grid<T>> {
    check_chatbots(tables, &request.reports.query.chatbots)?;
    let mut request = request.clone();
    request.reports.kind = ReportKind::All;
    request.reports.query.window = request.longest();
    request.reports.compare = request.parts.iter().any(|(_, period)| *period != GridPeriod::Window);
    let notes = resolve_fields(tables, &mut request.reports)?;
    let span = (request.longest().previous().from, request.longest().to);
    let in_parallel = tables.estimated_rows(Table::Events, Some(span)) <= MAX_PARALLEL_EVENTS;
    let (mut grid, note) = with_selected_sessions(tables, &request.reports, |tables| {
        compute(tables, &request, in_parallel, &convert)
    })?;
    grid.notes = notes.into_iter().chain(note).collect();
    Ok(grid)
}

/// Computes a grid.
fn compute<T: Send>(
    tables: &dyn Tables,
    request: &GridRequest,
    in_parallel: bool,
    convert: &(impl Fn(GridPosition, &dyn Answer) -> T + Sync),
) -> Result<Grid<T>> {
    let query = &request.reports.query;
    let mut chatbots = ranked_chatbots(tables, query, false)?;
    let others = if chatbots.len() > request.max_chatbots {
        chatbots.split_off(request.max_chatbots)
    } else {
        Vec::new()
    };
    let mut scopes = vec![query.chatbots.clone()];
    if chatbots.len() + others.len() > 1 {
        scopes.extend(chatbots.iter().map(|chatbot| vec![chatbot.clone()]));
    }
    let positions: Vec<(usize, usize)> = (0..scopes.len())
        .flat_map(|scope| (0..request.windows.len()).map(move |window| (scope, window)))
        .collect();
    // The scope of all chatbots reads everything that the other scopes need. Start with its
    // shortest window, so that the newest days, which all windows include, fit into the caches.
    let (together, separate) = positions.split_at(request.windows.len().min(positions.len()));
    let mut answers: Vec<Vec<Vec<T>>> =
        scopes.iter().map(|_| request.windows.iter().map(|_| Vec::new()).collect()).collect();
    let partitions = ChatbotPartitions::for_windows(tables, query, &request.windows, &chatbots);
    for part in 0..request.parts.len() {
        partitions.start_report();
        let run = |(scope, window): (usize, usize)| -> Result<(usize, usize, T)> {
            let chatbots = scopes.get(scope).map_or(&[][..], Vec::as_slice);
            let days = request.windows.get(window).copied().unwrap_or(query.window);
            let request = request.request(chatbots, days, part);
            let answer = match chatbots {
                [chatbot] if scope > 0 => run_kind(&partitions.chatbot(chatbot), &request, request.kind)?,
                _ => run_kind(&partitions.all(), &request, request.kind)?,
            };
            Ok((scope, window, convert(GridPosition { scope, window, part }, answer.as_ref())))
        };
        let mut computed =
            together.iter().map(|position| run(*position)).collect::<Result<Vec<(usize, usize, T)>>>()?;
        computed.extend(match in_parallel {
            true => separate
                .par_iter()
                .with_max_len(1)
                .map(|position| run(*position))
                .collect::<Result<Vec<(usize, usize, T)>>>()?,
            false => separate.iter().map(|position| run(*position)).collect::<Result<Vec<_>>>()?,
        });
        for (scope, window, answer) in computed {
            if let Some(cell) = answers.get_mut(scope).and_then(|windows| windows.get_mut(window)) {
                cell.push(answer);
            }
        }
    }
    Ok(Grid { scopes, others, answers, notes: Vec::new() })
}
