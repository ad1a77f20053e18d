//! Metrics: the values of a report and the functions that compute them from the tables.
//!
//! A metric is a [`Metric`]: an integer with a [`Unit`]. Ratios and percentages are rounded once,
//! half up, from integer sums: see [`values`].
//!
//! - [`totals`] sums sessions by day, [`group_count`] counts them by a text column, [`visits`]
//!   counts them with their conversations, [`event_counts`] reads the counts of events in a session
//!   row, [`days`] bounds lists of days;
//! - [`visitor_shards`] partitions sessions by visitor, [`unique_visitors`] counts distinct and new
//!   visitors and visitors by session count, [`daily_visitors`] also counts those of each
//!   day, and [`visitors_by_chatbot`] those of each chatbot;
//! - [`by_group`] sums sessions and counts visitors for all groups of a breakdown together;
//! - [`local_clock`] converts times to the store's zone;
//! - [`session_index`] finds the session of an event, [`responses`] pairs responses with messages,
//!   [`time_counts`] computes the distribution of many times.

pub(crate) mod by_group;
pub(crate) mod daily_visitors;
pub(crate) mod days;
pub(crate) mod event_counts;
pub(crate) mod group_count;
pub(crate) mod local_clock;
pub(crate) mod responses;
pub(crate) mod session_index;
pub(crate) mod time_counts;
pub(crate) mod totals;
pub(crate) mod unique_visitors;
pub mod values;
pub(crate) mod visitor_shards;
pub(crate) mod visitors_by_chatbot;
pub(crate) mod visits;

use serde::{Serialize, Serializer};

use crate::decimal::Hundredths;
use values::{Distinct, FractionalSeconds, Millis, Percent, Ratio, Seconds};

/// The unit of a metric. It determines how a value is formatted, and whether values can be summed
/// over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count that can be summed over rows.
    Count,
    /// A count of distinct items, which cannot be summed over rows.
    Distinct,
    /// A percentage, in hundredths.
    Percent,
    /// A mean, in hundredths.
    Ratio,
    /// Whole seconds.
    Seconds,
    /// Seconds, in hundredths.
    FractionalSeconds,
    /// Whole milliseconds.
    Millis,
}

impl Unit {
    /// Returns whether values of this unit are stored as hundredths.
    pub fn in_hundredths(self) -> bool {
        matches!(self, Unit::Percent | Unit::Ratio | Unit::FractionalSeconds)
    }
}

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The unit.
    pub unit: Unit,
    /// The value, in hundredths if [`Unit::in_hundredths`] returns true; `None` if it is unknown.
    pub value: Option<i64>,
}

impl Metric {
    /// Returns the value in hundredths, for every unit.
    pub(crate) fn hundredths(self) -> Option<i128> {
        let scale = if self.unit.in_hundredths() { 1 } else { 100 };
        self.value.map(|value| i128::from(value) * scale)
    }
}

impl Serialize for Metric {
    /// Writes a number of at most two decimals, or null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            None => serializer.serialize_none(),
            Some(value) if self.unit.in_hundredths() => Hundredths(value).serialize(serializer),
            Some(value) => serializer.serialize_i64(value),
        }
    }
}

/// A type whose values are metrics of one unit.
pub trait AsMetric {
    /// The unit.
    const UNIT: Unit;

    /// Returns the value, in hundredths if [`Unit::in_hundredths`] returns true.
    fn value(&self) -> Option<i64>;
}

fn saturating_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

macro_rules! as_metric {
    ($type:ty, $unit:expr, $self:ident => $value:expr) => {
        impl AsMetric for $type {
            const UNIT: Unit = $unit;
            fn value(&$self) -> Option<i64> {
                Some($value)
            }
        }
    };
}

as_metric!(u64, Unit::Count, self => saturating_i64(*self));
as_metric!(Distinct, Unit::Distinct, self => saturating_i64(self.0));
as_metric!(Percent, Unit::Percent, self => self.0.0);
as_metric!(Ratio, Unit::Ratio, self => self.0.0);
as_metric!(Seconds, Unit::Seconds, self => saturating_i64(self.0));
as_metric!(FractionalSeconds, Unit::FractionalSeconds, self => self.0.0);
as_metric!(Millis, Unit::Millis, self => saturating_i64(self.0));

impl<T: AsMetric> AsMetric for Option<T> {
    const UNIT: Unit = T::UNIT;
    fn value(&self) -> Option<i64> {
        self.as_ref().and_then(AsMetric::value)
    }
}
