//! Sums of conversations.

use chrono::{Datelike, Timelike};

use super::exchange::Exchange;
use super::list;
use super::period::{Hour, Period, PeriodFigures, Weekday};
use crate::error::Result;
use crate::report::metric::time_counts::TimeCounts;
use crate::report::query::session_keys::{BoundValues, SessionValues};
use crate::report::sequence::{SequenceEvent, SequenceFold};
use crate::store::frame::Frame;
use crate::time::{Micros, Zone};

/// The values of a session row that describe a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionFact {
    /// The start of the session.
    pub started: Micros,
    /// The duration in seconds.
    pub seconds: u64,
    /// The `id` of the row, for a list.
    pub id: u128,
}

/// Reads the [`SessionFact`] of each session row.
pub(super) struct SessionFacts {
    /// Whether the ids of rows are read.
    pub with_ids: bool,
}

impl SessionValues for SessionFacts {
    type Value = SessionFact;

    fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["started_at", "duration_seconds"];
        columns.extend(self.with_ids.then_some("id"));
        columns
    }

    fn bind<'f>(&self, _: usize, frame: &'f Frame) -> Result<BoundValues<'f, SessionFact>> {
        let (started, seconds) = (frame.ints("started_at")?, frame.ints("duration_seconds")?);
        let ids = if self.with_ids { Some(frame.texts("id")?) } else { None };
        Ok(Box::new(move |row| {
            Some(SessionFact {
                started: started.get(row)?,
                seconds: seconds.or_zero(row).max(0).unsigned_abs(),
                id: ids.and_then(|ids| row_id(ids.get(row)?)).unwrap_or_default(),
            })
        }))
    }
}

/// Returns the id of a row as a number.
pub(super) fn row_id(id: &str) -> Option<u128> {
    uuid::Uuid::try_parse(id).ok().map(|id| id.as_u128())
}

/// The sums of conversations.
#[derive(Clone, Default)]
pub(super) struct Totals {
    pub conversations: u64,
    pub answered: u64,
    pub dropped: u64,
    pub messages: u64,
    pub seconds: u64,
    pub replies: TimeCounts,
    pub ratings: u64,
    pub positive_ratings: u64,
    /// Conversations with a rating.
    pub rated: u64,
    /// Rating events without a rating.
    pub without_rating: u64,
    pub handed_off: u64,
    pub resolved: u64,
    /// Figures by hour, from 0 to 23.
    by_hour: Vec<PeriodFigures>,
    /// Figures by weekday, from Monday.
    by_weekday: Vec<PeriodFigures>,
    /// All conversations, if they are listed.
    pub listed: Vec<(SessionFact, Exchange)>,
}

impl Totals {
    /// Returns the distribution of first response times.
    pub fn first_responses(&self) -> TimeCounts {
        let mut all = TimeCounts::default();
        self.by_weekday.iter().for_each(|period| all.add_all(&period.first_responses));
        all
    }

    /// Returns a row for each hour; no rows without conversations.
    pub fn hours(&self) -> Vec<Hour> {
        self.by_hour.iter().zip(0..).map(|(figures, hour)| Period::new(hour, figures)).collect()
    }

    /// Returns a row for each weekday; no rows without conversations.
    pub fn weekdays(&self) -> Vec<Weekday> {
        self.by_weekday.iter().zip(1..).map(|(figures, day)| Period::new(day, figures)).collect()
    }
}

/// Accumulates conversations.
pub(super) struct ConversationFold {
    /// The time zone of hours and weekdays.
    pub zone: Zone,
    /// Whether conversations are recorded for a list.
    pub lists: bool,
    /// The maximum number of conversations in the list; `None` for all.
    pub limit: Option<usize>,
}

impl SequenceFold<SessionFact> for ConversationFold {
    type Sum = Totals;

    fn empty(&self) -> Totals {
        Totals::default()
    }

    fn add(&self, totals: &mut Totals, session: &SessionFact, events: &[SequenceEvent]) {
        let Some(exchange) = Exchange::read(events, |wait| totals.replies.add(wait)) else { return };
        totals.conversations += 1;
        totals.answered += u64::from(exchange.is_answered());
        totals.dropped += u64::from(exchange.is_dropped);
        totals.messages += exchange.sent + exchange.received;
        totals.seconds += session.seconds;
        let [positive, others, without] = exchange.ratings;
        totals.ratings += positive + others;
        totals.positive_ratings += positive;
        totals.rated += u64::from(positive + others > 0);
        totals.without_rating += without;
        totals.handed_off += u64::from(exchange.is_handed_off);
        totals.resolved += u64::from(exchange.is_resolved);
        if let Some(utc) = chrono::DateTime::from_timestamp_micros(session.started) {
            let local = utc.with_timezone(&self.zone.0);
            totals.by_hour.resize_with(24, PeriodFigures::default);
            totals.by_weekday.resize_with(7, PeriodFigures::default);
            let (hour, weekday) = (local.hour() as usize, local.weekday().num_days_from_monday() as usize);
            let periods = [totals.by_hour.get_mut(hour), totals.by_weekday.get_mut(weekday)];
            periods.into_iter().flatten().for_each(|period| period.add(&exchange));
        }
        if self.lists {
            totals.listed.push((*session, exchange));
            list::prune(&mut totals.listed, self.limit);
        }
    }

    fn merge(&self, mut totals: Totals, other: Totals) -> Totals {
        totals.conversations += other.conversations;
        totals.answered += other.answered;
        totals.dropped += other.dropped;
        totals.messages += other.messages;
        totals.seconds += other.seconds;
        totals.replies = totals.replies.merge(other.replies);
        totals.ratings += other.ratings;
        totals.positive_ratings += other.positive_ratings;
        totals.rated += other.rated;
        totals.without_rating += other.without_rating;
        totals.handed_off += other.handed_off;
        totals.resolved += other.resolved;
        totals.by_hour = merge_periods(totals.by_hour, other.by_hour);
        totals.by_weekday = merge_periods(totals.by_weekday, other.by_weekday);
        totals.listed.extend(other.listed);
        list::prune(&mut totals.listed, self.limit);
        totals
    }
}

fn merge_periods(periods: Vec<PeriodFigures>, others: Vec<PeriodFigures>) -> Vec<PeriodFigures> {
    if periods.is_empty() || others.is_empty() {
        return if periods.is_empty() { others } else { periods };
    }
    periods.into_iter().zip(others).map(|(period, other)| period.merge(other)).collect()
}
