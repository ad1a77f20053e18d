//! Sessions that come to, or leave, the days whose sessions were pruned.
//!
//! The statistics of such a day cannot be worked out again: its row stays. But a held session that
//! a new time zone moves onto it from a day that is worked out again would be counted nowhere, and
//! one that moves away from it twice; so would be those that a new timeout joins with one of that
//! day. So the row loses what the sessions that left it add up to, and gains what those add up to
//! that came: everything stays counted once. Its sums are exact then; a visitor who is among the
//! sessions that are gone and among those that come is counted twice on that day, and lists that
//! were cut off at ten go by the entries that they have.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::seam::Seam;
use super::stored::Stored;
use crate::daily_stats::{DailyStats, DayTally};
use crate::error::Result;
use crate::session::Summary;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::Transaction;
use crate::store::update::daily::{first_seen_on, month_file};
use crate::time::{Day, Micros, Zone};

/// A chatbot's day.
type Place = (String, Day);

/// Sessions that come to days whose rows stay, and sessions that leave them.
pub struct Shift<'a> {
    seam: &'a Seam,
    zone: Zone,
    coming: BTreeMap<Place, Vec<Summary<'static>>>,
    leaving: BTreeMap<Place, Vec<Summary<'static>>>,
}

impl<'a> Shift<'a> {
    /// Begins with none; `zone` is the new one.
    pub fn new(seam: &'a Seam, zone: Zone) -> Shift<'a> {
        Shift { seam, zone, coming: BTreeMap::new(), leaving: BTreeMap::new() }
    }

    /// Takes note of a session that is new on its day.
    pub fn comes(&mut self, session: &Summary<'static>) {
        let place = (session.key.chatbot_id.to_string(), self.zone.day(session.first.time));
        if self.stays(&place) {
            self.coming.entry(place).or_default().push(session.clone());
        }
    }

    /// Takes note of a row that is no more, or not on its day.
    pub fn leaves(&mut self, row: &Stored) {
        let place = (row.session.key.chatbot_id.to_string(), row.day);
        if self.stays(&place) {
            self.leaving.entry(place).or_default().push(row.session.clone());
        }
    }

    /// Tells whether the statistics of a day stay, since sessions of it were pruned.
    fn stays(&self, (chatbot, day): &Place) -> bool {
        self.seam.ledger().sessions_pruned(chatbot, *day)
    }

    /// Puts the rows right.
    pub fn apply(
        self,
        before: &Snapshot,
        transaction: &mut Transaction,
        zone: Zone,
        now: Micros,
    ) -> Result<()> {
        let mut changes: BTreeMap<Day, Vec<(DailyStats, i64)>> = BTreeMap::new();
        for (sessions, zone, sign) in [(self.coming, zone, 1), (self.leaving, before.zone(), -1)] {
            for ((chatbot, day), sessions) in sessions {
                let row = figures(before, &chatbot, day, &sessions, zone)?;
                changes.entry(day.month_start()).or_default().push((row, sign));
            }
        }
        for (month, changes) in changes {
            let mut rows = Vec::new();
            let snapshot = transaction.snapshot()?;
            for file in snapshot.manifest().files(Table::DailyStats).iter().filter(|f| f.day == month) {
                rows.extend(tables::daily_stats::read(&snapshot.read_file_checked(file)?)?);
                transaction.remove(Table::DailyStats, &file.path);
            }
            for (change, sign) in changes {
                let of = |row: &&mut DailyStats| {
                    row.chatbot_id == change.chatbot_id && row.stat_date == change.stat_date
                };
                if let Some(row) = rows.iter_mut().find(of) {
                    add(row, &change, sign);
                    row.updated_at = now;
                }
            }
            if let Some(file) = month_file(month, rows)? {
                transaction.add(file)?;
            }
        }
        Ok(())
    }
}

/// Works out what some sessions of one day come to.
fn figures(
    snapshot: &Snapshot,
    chatbot: &str,
    day: Day,
    sessions: &[Summary<'_>],
    zone: Zone,
) -> Result<DailyStats> {
    let first_seen = first_seen_on(snapshot, &[day], zone)?;
    let mut tally = DayTally::default();
    let frame = tables::sessions::frame(sessions)?;
    tables::daily_stats::facts(&frame, |_, facts| tally.add(facts))?;
    let today = first_seen.get(&day);
    Ok(tally.finish(chatbot, day, |visitor| today.is_some_and(|seen| seen.contains(&visitor)), 0))
}

/// Adds the figures of some sessions to a row, or takes them away where `sign` is -1.
fn add(row: &mut DailyStats, change: &DailyStats, sign: i64) {
    let pairs = [
        (&mut row.total_sessions, change.total_sessions),
        (&mut row.unique_visitors, change.unique_visitors),
        (&mut row.new_visitors, change.new_visitors),
        (&mut row.total_conversations, change.total_conversations),
        (&mut row.total_messages_sent, change.total_messages_sent),
        (&mut row.total_messages_received, change.total_messages_received),
        (&mut row.widget_loads, change.widget_loads),
        (&mut row.widget_opens, change.widget_opens),
        (&mut row.error_count, change.error_count),
        (&mut row.desktop_sessions, change.desktop_sessions),
        (&mut row.mobile_sessions, change.mobile_sessions),
        (&mut row.tablet_sessions, change.tablet_sessions),
        (&mut row.bot_sessions, change.bot_sessions),
        (&mut row.session_duration_sum_seconds, change.session_duration_sum_seconds),
        (&mut row.response_time_sum_us, change.response_time_sum_us),
        (&mut row.response_time_count, change.response_time_count),
    ];
    for (figure, change) in pairs {
        *figure = figure.saturating_add(change.saturating_mul(sign)).max(0);
    }
    for (list, change, key, most) in [
        (&mut row.top_referrers, &change.top_referrers, "domain", 10),
        (&mut row.top_landing_pages, &change.top_landing_pages, "page", 10),
        (&mut row.utm_sources, &change.utm_sources, "source", usize::MAX),
    ] {
        *list = added(list, change, key, sign, most);
    }
}

/// Adds the counts of a list to those of another: by count, falling, then by name.
fn added(list: &str, change: &str, key: &str, sign: i64, most: usize) -> String {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (text, sign) in [(list, 1), (change, sign)] {
        let entries: Vec<Map<String, Value>> = serde_json::from_str(text).unwrap_or_default();
        for entry in entries {
            let name = entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let count = entry.get("count").and_then(Value::as_i64).unwrap_or(0);
            *counts.entry(name).or_default() += sign * count;
        }
    }
    let mut counts: Vec<(String, i64)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(most);
    let entries = counts
        .iter()
        .map(|(name, count)| format!("{{\"{key}\":{},\"count\":{count}}}", Value::from(name.as_str())));
    format!("[{}]", entries.collect::<Vec<_>>().join(","))
}
