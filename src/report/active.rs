//! `active`: the number of sessions that were active at a moment.
//!
//! A session is active at a moment T if it has an event from T - timeout to T, both included. Its
//! first and last events suffice to decide this:
//!
//! - If it starts by T and its last event is in that range, it is active.
//! - If it starts by T and its last event is after T, let `e` be its last event up to T and `f` the
//!   next one. They are at most a timeout apart and `f` is after T, so `e` is after T - timeout.
//! - If it starts after T or ends before T - timeout, it has no event in the range.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;
use serde::Serialize;

use super::answer::rows::{Group, GroupRow};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::{AsMetric, Unit};
use super::query::selection::ClassifiedSessions;
use super::query::tables::Tables;
use super::query::window::Window;
use super::query::{Query, pruned};
use crate::error::Result;
use crate::store::frame::Frame;
use crate::time::{Micros, format_utc};

/// The body of `active`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    /// The number of sessions with an event from T - timeout to T, where T is the moment.
    pub active_sessions: u64,
    /// The moment, in UTC.
    pub timestamp: String,
}

const METRICS: &[(&str, Unit)] = &[("active_sessions", Unit::Count)];

impl ReportBody for Active {
    const NAME: &'static str = "active";

    fn groups(&self) -> Vec<Group<'_>> {
        let row = GroupRow { dimensions: vec![&self.timestamp], metrics: vec![self.active_sessions.value()] };
        vec![Group {
            name: "active",
            is_single: true,
            dimensions: &["timestamp"],
            metrics: METRICS,
            all_rows: vec![row],
            shown: 1,
            rest: None,
            bar: None,
            total: None,
        }]
    }
}

/// Computes `active` for a moment.
pub(crate) fn active(
    tables: &dyn Tables,
    chatbots: &[String],
    include_bots: bool,
    moment: Micros,
) -> Result<Report<Active>> {
    let selection = ActiveSessions::new(tables, chatbots, include_bots, moment);
    let frames = tables.read_sessions_ended_since(selection.since, &selection.columns())?;
    let counts =
        frames.par_iter().map(|frame| selection.count(frame)).collect::<Result<Vec<(u64, u64)>>>()?;
    let (sessions, bots) = counts.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let query = &selection.query;
    let head = ReportHead { window: None, moment: Some(moment), ..ReportHead::new(tables, query, bots) };
    let body = Active { active_sessions: sessions, timestamp: format_utc(moment) };
    let mut report = Report::new(head, body);
    // A pruned day is the day on which the pruned sessions started. A session that was active at
    // the moment may have started on the previous day.
    let started = (tables.zone().day(selection.since).plus(-1), query.window.to);
    if let Some(pruned) = pruned::in_days(tables, started, chatbots)? {
        report.notes.push(format!("sessions up to {pruned} are pruned: only retained sessions are counted"));
    }
    if tables.days().is_none() {
        report.notes.push(diagnostics::NO_DATA.to_owned());
    }
    Ok(report)
}

/// Counts the active sessions of each class.
pub(crate) fn count_by_class(
    sessions: &ClassifiedSessions<'_>,
    query: &Query,
    moment: Micros,
) -> Result<HashMap<u32, u64>> {
    let Query { chatbots, include_bots, .. } = query;
    let selection = ActiveSessions::new(sessions.tables(), chatbots, *include_bots, moment);
    let counts: Mutex<HashMap<u32, u64>> = Mutex::default();
    sessions.visit_ended_since(selection.since, &selection.columns(), &|frame, classes| {
        for (class, rows) in &classes.0 {
            let active = selection.count(&frame.gather(rows)?)?.0;
            if active > 0 {
                *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(*class).or_default() += active;
            }
        }
        Ok(())
    })?;
    Ok(counts.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The sessions that were active at a moment.
struct ActiveSessions {
    /// The chatbots, and whether bot sessions count. The window is the day of the moment.
    query: Query,
    /// The moment minus the timeout.
    since: Micros,
    moment: Micros,
}

impl ActiveSessions {
    fn new(tables: &dyn Tables, chatbots: &[String], include_bots: bool, moment: Micros) -> ActiveSessions {
        let today = tables.zone().day(moment);
        let window = Window { from: today, to: today, today };
        let query = Query { window, chatbots: chatbots.to_vec(), include_bots };
        ActiveSessions { query, since: moment.saturating_sub(tables.timeout()), moment }
    }

    fn columns(&self) -> Vec<&'static str> {
        self.query.columns(&["started_at", "ended_at"])
    }

    /// Returns the number of active sessions of a frame, and of active bot sessions.
    fn count(&self, frame: &Frame) -> Result<(u64, u64)> {
        let (started, ended) = (frame.ints("started_at")?, frame.ints("ended_at")?);
        let mut chatbots = self.query.chatbot_filter(frame)?;
        let is_bot = frame.bools("is_bot")?;
        let (mut sessions, mut bots) = (0, 0);
        for row in 0..frame.height() {
            let (Some(start), Some(end)) = (started.get(row), ended.get(row)) else { continue };
            if start > self.moment || end < self.since || !chatbots.contains(row) {
                continue;
            }
            let is_bot = is_bot.is_true(row);
            bots += u64::from(is_bot);
            sessions += u64::from(!is_bot || self.query.include_bots);
        }
        Ok((sessions, bots))
    }
}
