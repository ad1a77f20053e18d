//! Figures: what the rows of an answer are made of.
//!
//! A row is declared once, by the macro `rows!`: from that one place come its type, its JSON, its columns
//! in a table or CSV, and its part in a comparison.

pub(crate) mod by_chatbot;
pub mod compare;
pub mod condition;
pub mod diagnostics;
pub(crate) mod event_counts;
pub(crate) mod group_count;
pub mod percentile;
pub(crate) mod shares;
pub(crate) mod totals;
pub(crate) mod unique_visitors;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use crate::decimal::fixed::{Distinct, Hundredths, Millis, Percent, Ratio, Seconds};

/// What a figure counts, and so how it is written and whether it adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, which adds up over rows.
    Count,
    /// A number of different things, which does not.
    Distinct,
    /// A percentage, in hundredths.
    Percent,
    /// A mean, in hundredths.
    Ratio,
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Millis,
}

impl Unit {
    /// Tells whether values are kept as hundredths.
    pub fn in_hundredths(self) -> bool {
        matches!(self, Unit::Percent | Unit::Ratio)
    }
}

/// A value together with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The unit.
    pub unit: Unit,
    /// The value, in hundredths where the unit says so; `None` where it cannot be known.
    pub value: Option<i64>,
}

impl Figure {
    /// Returns the value in hundredths, whatever the unit.
    pub fn hundredths(self) -> Option<i128> {
        let scale = if self.unit.in_hundredths() { 1 } else { 100 };
        self.value.map(|value| i128::from(value) * scale)
    }
}

impl Serialize for Figure {
    /// Writes a number of at most two decimals, or null.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            None => serializer.serialize_none(),
            Some(value) if self.unit.in_hundredths() => Hundredths(value).serialize(serializer),
            Some(value) => serializer.serialize_i64(value),
        }
    }
}

/// A type that is a figure.
pub trait AsFigure {
    /// The unit.
    const UNIT: Unit;

    /// Returns the value, in hundredths where the unit says so.
    fn value(&self) -> Option<i64>;

    /// Returns the figure.
    fn figure(&self) -> Figure {
        Figure { unit: Self::UNIT, value: self.value() }
    }
}

fn fit(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

macro_rules! figure {
    ($type:ty, $unit:expr, $self:ident => $value:expr) => {
        impl AsFigure for $type {
            const UNIT: Unit = $unit;
            fn value(&$self) -> Option<i64> {
                Some($value)
            }
        }
    };
}

figure!(u64, Unit::Count, self => fit(*self));
figure!(Distinct, Unit::Distinct, self => fit(self.0));
figure!(Percent, Unit::Percent, self => self.0.0);
figure!(Ratio, Unit::Ratio, self => self.0.0);
figure!(Seconds, Unit::Seconds, self => fit(self.0));
figure!(Millis, Unit::Millis, self => fit(self.0));

impl<T: AsFigure> AsFigure for Option<T> {
    const UNIT: Unit = T::UNIT;
    fn value(&self) -> Option<i64> {
        self.as_ref().and_then(AsFigure::value)
    }
}

/// A row of an answer: some names, then figures.
pub trait Row: Serialize + Send + Sync {
    /// The names' keys in JSON.
    const KEYS: &'static [&'static str];
    /// The figures' keys in JSON, and their units.
    const FIGURES: &'static [(&'static str, Unit)];

    /// Returns the names.
    fn names(&self) -> Vec<&str>;

    /// Returns the values of the figures, in hundredths where the unit says so.
    fn values(&self) -> Vec<Option<i64>>;
}

/// Declares a row of an answer: `names { field = "key in JSON" }`, then `figures { field: type }`.
macro_rules! rows {
    ($(#[$meta:meta])* $row:ident {
        names { $($(#[$name_meta:meta])* $name:ident = $key:literal),* $(,)? }
        figures { $($(#[$figure_meta:meta])* $figure:ident: $type:ty),* $(,)? }
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $row {
            $($(#[$name_meta])* pub $name: String,)*
            $($(#[$figure_meta])* pub $figure: $type,)*
        }

        impl serde::Serialize for $row {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry($key, &self.$name)?;)*
                $(map.serialize_entry(stringify!($figure), &self.$figure)?;)*
                map.end()
            }
        }

        impl $crate::report::metric::Row for $row {
            const KEYS: &'static [&'static str] = &[$($key),*];
            const FIGURES: &'static [(&'static str, $crate::report::metric::Unit)] =
                &[$((stringify!($figure), <$type as $crate::report::metric::AsFigure>::UNIT)),*];

            fn names(&self) -> Vec<&str> {
                vec![$(self.$name.as_str()),*]
            }

            fn values(&self) -> Vec<Option<i64>> {
                vec![$($crate::report::metric::AsFigure::value(&self.$figure)),*]
            }
        }
    };
}
pub(crate) use rows;

/// Rows in order, of which a limit shows the first; JSON has those alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// All rows.
    pub all: Vec<T>,
    /// How many of them are shown.
    pub shown: usize,
    /// What the others come to.
    pub rest: Option<T>,
}

impl<T> Listed<T> {
    /// Makes a list of which all rows are shown.
    pub fn whole(all: Vec<T>) -> Listed<T> {
        Listed { shown: all.len(), all, rest: None }
    }

    /// Makes a list of which the first `limit` rows are shown; `sum` adds up the others.
    pub fn cut(all: Vec<T>, limit: Option<usize>, sum: impl FnOnce(&[T]) -> T) -> Listed<T> {
        let shown = limit.unwrap_or(usize::MAX).min(all.len());
        let others = all.get(shown..).unwrap_or_default();
        let rest = (!others.is_empty()).then(|| sum(others));
        Listed { all, shown, rest }
    }

    /// Returns the rows that are shown.
    pub fn rows(&self) -> &[T] {
        self.all.get(..self.shown).unwrap_or(&self.all)
    }

    /// Returns how many rows are not shown.
    pub fn hidden(&self) -> usize {
        self.all.len().saturating_sub(self.shown)
    }
}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.rows();
        let mut sequence = serializer.serialize_seq(Some(rows.len()))?;
        for row in rows {
            sequence.serialize_element(row)?;
        }
        sequence.end()
    }
}

/// The rows of one part of an answer, whatever their type: what tables, CSV and comparisons read.
pub struct Group<'a> {
    /// The part's key in JSON.
    pub name: &'static str,
    /// The part is one row: an object in JSON.
    pub single: bool,
    /// The names' keys.
    pub keys: &'static [&'static str],
    /// The figures' keys and units.
    pub figures: &'static [(&'static str, Unit)],
    /// All rows.
    pub items: Vec<Item<'a>>,
    /// How many of them are shown.
    pub shown: usize,
    /// What the others come to.
    pub rest: Option<Vec<Option<i64>>>,
    /// The figure that a bar and a share stand beside.
    pub bar: Option<usize>,
    /// What the shares are of: the sum of that figure.
    pub total: Option<u64>,
}

/// One row of a [`Group`].
pub struct Item<'a> {
    /// The names.
    pub names: Vec<&'a str>,
    /// The figures' values.
    pub values: Vec<Option<i64>>,
}

impl<'a> Group<'a> {
    /// Makes a group of a single row.
    pub fn one<R: Row>(name: &'static str, row: &'a R) -> Group<'a> {
        Group {
            name,
            single: true,
            keys: R::KEYS,
            figures: R::FIGURES,
            items: vec![Item { names: row.names(), values: row.values() }],
            shown: 1,
            rest: None,
            bar: None,
            total: None,
        }
    }

    /// Makes a group of a list of rows.
    pub fn many<R: Row>(name: &'static str, rows: &'a Listed<R>) -> Group<'a> {
        Group {
            name,
            single: false,
            keys: R::KEYS,
            figures: R::FIGURES,
            items: rows.all.iter().map(|row| Item { names: row.names(), values: row.values() }).collect(),
            shown: rows.shown,
            rest: rows.rest.as_ref().map(Row::values),
            bar: None,
            total: None,
        }
    }

    /// Puts a bar beside the figure of that key.
    pub fn bar(mut self, figure: &str) -> Self {
        self.bar = self.figures.iter().position(|(name, _)| *name == figure);
        self
    }

    /// Puts a bar, and the share of the whole, beside the figure of that key.
    pub fn share(mut self, figure: &str) -> Self {
        self = self.bar(figure);
        self.total = self.bar.map(|at| {
            let values = self.items.iter().filter_map(|item| item.values.get(at).copied().flatten());
            values.fold(0u64, |sum, value| sum.saturating_add(value.max(0).unsigned_abs()))
        });
        self
    }

    /// Returns the rows that are shown.
    pub fn rows(&self) -> &[Item<'a>] {
        self.items.get(..self.shown).unwrap_or(&self.items)
    }

    /// Returns how many rows are not shown.
    pub fn hidden(&self) -> usize {
        self.items.len().saturating_sub(self.shown)
    }

    /// Returns the share of a row in the whole.
    pub fn share_of(&self, values: &[Option<i64>]) -> Option<Percent> {
        let value = values.get(self.bar?).copied().flatten()?;
        self.total.map(|total| Percent::of(value.max(0).unsigned_abs(), total))
    }
}
