//! Conversations by hour of the day and by weekday.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::exchange::Exchange;
use crate::report::answer::rows::Row;
use crate::report::metric::time_counts::TimeCounts;
use crate::report::metric::values::Millis;
use crate::report::metric::{AsMetric, Unit};

/// The figures of the conversations of one period.
#[derive(Clone, Debug, Default)]
pub(super) struct PeriodFigures {
    pub conversations: u64,
    pub answered: u64,
    pub first_responses: TimeCounts,
}

impl PeriodFigures {
    /// Adds a conversation.
    pub fn add(&mut self, exchange: &Exchange) {
        self.conversations += 1;
        self.answered += u64::from(exchange.is_answered());
        exchange.first_response.into_iter().for_each(|wait| self.first_responses.add(wait));
    }

    /// Merges the figures with those of the same period in another sum.
    pub fn merge(self, other: PeriodFigures) -> PeriodFigures {
        PeriodFigures {
            conversations: self.conversations + other.conversations,
            answered: self.answered + other.answered,
            first_responses: self.first_responses.merge(other.first_responses),
        }
    }
}

/// An hour of the day, from 0 to 23, or a weekday, from 1 for Monday to 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period<const IS_WEEKDAY: bool> {
    /// The number of the hour or weekday.
    pub number: u32,
    label: String,
    /// The number of conversations.
    pub conversations: u64,
    /// The number of conversations without a reply.
    pub unanswered: u64,
    /// The median of the first response times.
    pub first_response_p50: Option<Millis>,
    /// The 90th percentile of the first response times.
    pub first_response_p90: Option<Millis>,
}

/// An hour of the day.
pub type Hour = Period<false>;

/// A weekday.
pub type Weekday = Period<true>;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl<const IS_WEEKDAY: bool> Period<IS_WEEKDAY> {
    const KEY: &'static str = if IS_WEEKDAY { "weekday" } else { "hour" };

    /// Returns the row of a period.
    pub(super) fn new(number: u32, figures: &PeriodFigures) -> Self {
        let [p50, p90] = figures.first_responses.percentiles([50, 90]);
        let weekday = WEEKDAYS.get((number as usize).wrapping_sub(1)).copied().unwrap_or_default();
        Period {
            number,
            label: if IS_WEEKDAY { weekday.to_owned() } else { format!("{number:02}:00") },
            conversations: figures.conversations,
            unanswered: figures.conversations - figures.answered,
            first_response_p50: p50,
            first_response_p90: p90,
        }
    }
}

impl<const IS_WEEKDAY: bool> Row for Period<IS_WEEKDAY> {
    const DIMENSIONS: &'static [&'static str] = &[Self::KEY];
    const METRICS: &'static [(&'static str, Unit)] = &[
        ("conversations", Unit::Count),
        ("unanswered", Unit::Count),
        ("first_response_p50_ms", Unit::Millis),
        ("first_response_p90_ms", Unit::Millis),
    ];

    fn dimensions(&self) -> Vec<&str> {
        vec![&self.label]
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        let counts = [self.conversations.value(), self.unanswered.value()];
        counts.into_iter().chain([self.first_response_p50.value(), self.first_response_p90.value()]).collect()
    }
}

impl<const IS_WEEKDAY: bool> Serialize for Period<IS_WEEKDAY> {
    /// Writes the number, then the metrics.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(Self::KEY, &self.number)?;
        for ((key, _), value) in Self::METRICS.iter().zip(self.metrics()) {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}
