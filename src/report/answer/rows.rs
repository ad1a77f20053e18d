//! Rows of dimensions and metrics.
//!
//! The macro `rows!` declares a row type once. Its JSON form, its columns in tables and CSV, and
//! its comparison are derived from that declaration. Renderers and comparisons read rows of any
//! type through a [`Group`].

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use crate::report::metric::Unit;
use crate::report::metric::values::Percent;

/// A row of an answer: dimensions, such as a country, and the metrics measured for them.
pub trait Row: Serialize + Send + Sync {
    /// The JSON keys of the dimensions.
    const DIMENSIONS: &'static [&'static str];
    /// The JSON keys of the metrics, with their units.
    const METRICS: &'static [(&'static str, Unit)];

    /// Returns the values of the dimensions.
    fn dimensions(&self) -> Vec<&str>;

    /// Returns the values of the metrics, in hundredths if their unit requires it.
    fn metrics(&self) -> Vec<Option<i64>>;
}

/// Declares a row type: `dimensions { field = "JSON key" }`, then `metrics { field: type }`. The
/// JSON key of a metric is its field's name.
macro_rules! rows {
    ($(#[$meta:meta])* $row:ident {
        dimensions { $($(#[$dimension_meta:meta])* $dimension:ident = $key:literal),* $(,)? }
        metrics { $($(#[$metric_meta:meta])* $metric:ident: $type:ty),* $(,)? }
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $row {
            $($(#[$dimension_meta])* pub $dimension: String,)*
            $($(#[$metric_meta])* pub $metric: $type,)*
        }

        impl serde::Serialize for $row {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry($key, &self.$dimension)?;)*
                $(map.serialize_entry(stringify!($metric), &self.$metric)?;)*
                map.end()
            }
        }

        impl $crate::report::answer::rows::Row for $row {
            const DIMENSIONS: &'static [&'static str] = &[$($key),*];
            const METRICS: &'static [(&'static str, $crate::report::metric::Unit)] =
                &[$((stringify!($metric), <$type as $crate::report::metric::AsMetric>::UNIT)),*];

            fn dimensions(&self) -> Vec<&str> {
                vec![$(self.$dimension.as_str()),*]
            }

            fn metrics(&self) -> Vec<Option<i64>> {
                vec![$($crate::report::metric::AsMetric::value(&self.$metric)),*]
            }
        }
    };
}
pub(crate) use rows;

/// An ordered list of rows with a limit on the rows that are shown. JSON contains only the shown
/// rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowList<T> {
    /// All rows, in order.
    pub all: Vec<T>,
    /// The number of rows that are shown.
    pub shown: usize,
    /// The total of the hidden rows; `None` if no row is hidden.
    pub rest: Option<T>,
}

impl<T> RowList<T> {
    /// Returns a list that shows all its rows.
    pub(crate) fn complete(all: Vec<T>) -> RowList<T> {
        RowList { shown: all.len(), all, rest: None }
    }

    /// Returns a list that shows its first `limit` rows. `sum` totals the hidden ones.
    pub(crate) fn limited(all: Vec<T>, limit: Option<usize>, sum: impl FnOnce(&[T]) -> T) -> RowList<T> {
        let shown = limit.unwrap_or(usize::MAX).min(all.len());
        let hidden = all.get(shown..).unwrap_or_default();
        let rest = (!hidden.is_empty()).then(|| sum(hidden));
        RowList { all, shown, rest }
    }

    /// Returns a list with a row for each count. It shows the first `limit` rows.
    pub(crate) fn from_counts(
        counts: Vec<(String, u64)>,
        limit: Option<usize>,
        row: impl Fn(String, u64) -> T,
    ) -> RowList<T> {
        let hidden = counts.iter().skip(limit.unwrap_or(usize::MAX)).map(|(_, count)| count).sum();
        let all = counts.into_iter().map(|(name, count)| row(name, count)).collect();
        RowList::limited(all, limit, |_| row(String::new(), hidden))
    }

    /// Returns the shown rows.
    pub fn shown_rows(&self) -> &[T] {
        self.all.get(..self.shown).unwrap_or(&self.all)
    }

    /// Returns the number of hidden rows.
    #[cfg(test)]
    pub(crate) fn hidden(&self) -> usize {
        self.all.len().saturating_sub(self.shown)
    }
}

impl<T: Serialize> Serialize for RowList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.shown_rows();
        let mut sequence = serializer.serialize_seq(Some(rows.len()))?;
        for row in rows {
            sequence.serialize_element(row)?;
        }
        sequence.end()
    }
}

/// The rows of one JSON key of an answer, independent of their type.
pub struct Group<'a> {
    /// The group's JSON key.
    pub name: &'static str,
    /// Whether the group is a single row, which is an object in JSON.
    pub is_single: bool,
    /// The JSON keys of the dimensions.
    pub dimensions: &'static [&'static str],
    /// The JSON keys of the metrics, with their units.
    pub metrics: &'static [(&'static str, Unit)],
    /// All rows, in order.
    pub all_rows: Vec<GroupRow<'a>>,
    /// The number of rows that are shown.
    pub shown: usize,
    /// The totals of the hidden rows; `None` if no row is hidden.
    pub rest: Option<Vec<Option<i64>>>,
    /// The index of the metric that tables draw as a bar.
    pub bar: Option<usize>,
    /// The sum of that metric over all rows, for the column of shares; `None` if there is no such
    /// column.
    pub total: Option<u64>,
}

/// A row of a [`Group`].
pub struct GroupRow<'a> {
    /// The values of the dimensions.
    pub dimensions: Vec<&'a str>,
    /// The values of the metrics, in hundredths if their unit requires it.
    pub metrics: Vec<Option<i64>>,
}

impl<'a> GroupRow<'a> {
    fn new<R: Row>(row: &'a R) -> GroupRow<'a> {
        GroupRow { dimensions: row.dimensions(), metrics: row.metrics() }
    }
}

impl<'a> Group<'a> {
    /// Returns a group of a single row.
    pub(crate) fn single<R: Row>(name: &'static str, row: &'a R) -> Group<'a> {
        Group {
            name,
            is_single: true,
            dimensions: R::DIMENSIONS,
            metrics: R::METRICS,
            all_rows: vec![GroupRow::new(row)],
            shown: 1,
            rest: None,
            bar: None,
            total: None,
        }
    }

    /// Returns a group of one row without dimensions: the figures of the whole report.
    pub(crate) fn totals(
        report: &'static str,
        metrics: &'static [(&'static str, Unit)],
        values: Vec<Option<i64>>,
    ) -> Group<'static> {
        Group {
            name: report,
            is_single: true,
            dimensions: &[],
            metrics,
            all_rows: vec![GroupRow { dimensions: Vec::new(), metrics: values }],
            shown: 1,
            rest: None,
            bar: None,
            total: None,
        }
    }

    /// Returns a group of rows that are computed when they are needed.
    pub(crate) fn computed(
        name: &'static str,
        dimensions: &'static [&'static str],
        metrics: &'static [(&'static str, Unit)],
        all_rows: Vec<GroupRow<'a>>,
    ) -> Group<'a> {
        let shown = all_rows.len();
        Group {
            name,
            is_single: false,
            dimensions,
            metrics,
            all_rows,
            shown,
            rest: None,
            bar: None,
            total: None,
        }
    }

    /// Returns a group of the rows of a list.
    pub(crate) fn list<R: Row>(name: &'static str, rows: &'a RowList<R>) -> Group<'a> {
        Group {
            name,
            is_single: false,
            dimensions: R::DIMENSIONS,
            metrics: R::METRICS,
            all_rows: rows.all.iter().map(GroupRow::new).collect(),
            shown: rows.shown,
            rest: rows.rest.as_ref().map(Row::metrics),
            bar: None,
            total: None,
        }
    }

    /// Adds a bar for the metric with this key.
    pub(crate) fn with_bar(mut self, metric: &str) -> Self {
        self.bar = self.metrics.iter().position(|(key, _)| *key == metric);
        self
    }

    /// Adds a bar and a column of shares for the metric with this key.
    pub(crate) fn with_share(mut self, metric: &str) -> Self {
        self = self.with_bar(metric);
        self.total = self.bar.map(|index| {
            let values = self.all_rows.iter().filter_map(|row| row.metrics.get(index).copied().flatten());
            values.fold(0u64, |sum, value| sum.saturating_add(value.max(0).unsigned_abs()))
        });
        self
    }

    /// Returns the shown rows.
    pub fn shown_rows(&self) -> &[GroupRow<'a>] {
        self.all_rows.get(..self.shown).unwrap_or(&self.all_rows)
    }

    /// Returns the number of hidden rows.
    pub fn hidden(&self) -> usize {
        self.all_rows.len().saturating_sub(self.shown)
    }

    /// Returns the share of a row in the total, given its metrics; `None` without a total.
    pub fn share(&self, metrics: &[Option<i64>]) -> Option<Percent> {
        let value = metrics.get(self.bar?).copied().flatten()?;
        self.total.map(|total| Percent::from_parts(value.max(0).unsigned_abs(), total))
    }
}

/// A figure of a row that has a name, such as a step of a funnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFigure {
    /// The JSON key of the list.
    pub list: &'static str,
    /// The name of the row.
    pub row: String,
    /// The number of the row in its list, from 1; `None` if the row's name is itself a number.
    pub number: Option<usize>,
    /// The JSON key of the figure.
    pub metric: &'static str,
    /// The unit of the value.
    pub unit: Unit,
    /// The value; `None` if it is unknown.
    pub value: Option<i64>,
}

impl RowFigure {
    /// Returns the figures of the rows of a list. The name of a row is its first dimension.
    pub(crate) fn of_list<R: Row>(list: &'static str, rows: &RowList<R>) -> Vec<RowFigure> {
        let figures = |(index, row): (usize, &R)| -> Vec<RowFigure> {
            let name = row.dimensions().first().map_or(String::new(), |name| (*name).to_owned());
            let figure = |((metric, unit), value): (&(&'static str, Unit), Option<i64>)| RowFigure {
                list,
                row: name.clone(),
                number: Some(index + 1),
                metric,
                unit: *unit,
                value,
            };
            R::METRICS.iter().zip(row.metrics()).map(figure).collect()
        };
        rows.all.iter().enumerate().flat_map(figures).collect()
    }
}
