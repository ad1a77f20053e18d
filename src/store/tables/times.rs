//! When the rows of a table begin and end.

use crate::error::{Error, Result};
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::Frame;
use crate::time::{DAY, Micros};

/// Returns when each row of a frame begins, and when it ends ([`Table::times`]); a day is its midnight in UTC.
///
/// # Errors
/// Where the columns are not there, or a row has no value in them.
pub fn times(table: Table, frame: &Frame) -> Result<(Vec<Micros>, Vec<Micros>)> {
    let [start, end] = table.times();
    Ok((column(table, frame, start)?, column(table, frame, end)?))
}

/// Returns the earliest time at which a row begins and the latest at which one ends; `None` of no rows.
///
/// # Errors
/// Those of [`times`].
pub fn range(table: Table, frame: &Frame) -> Result<Option<(Micros, Micros)>> {
    let (starts, ends) = times(table, frame)?;
    Ok(starts.into_iter().min().zip(ends.into_iter().max()))
}

fn column(table: Table, frame: &Frame, name: &str) -> Result<Vec<Micros>> {
    let is_date = |kind| kind == ColumnType::Date;
    let is_day = table.columns().iter().any(|column| column.name == name && is_date(column.kind));
    let unit = if is_day { DAY } else { 1 };
    let times: Vec<Micros> = frame.ints(name)?.iter().flatten().map(|time| time * unit).collect();
    if times.len() < frame.height() {
        return Err(Error::failed(format!("some rows have no {name}")));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::frame::{Cell, FrameBuilder};
    use crate::time::Day;

    #[test]
    fn times_of_sessions_are_their_bounds_and_of_days_midnight() {
        let mut sessions = FrameBuilder::new(Table::Sessions);
        for (start, end) in [(5, 6), (3, 9), (4, 4)] {
            sessions.row(&[("started_at", Cell::Time(start)), ("ended_at", Cell::Time(end))]);
        }
        let sessions = sessions.finish().unwrap();
        assert_eq!(times(Table::Sessions, &sessions).unwrap(), (vec![5, 3, 4], vec![6, 9, 4]));
        assert_eq!(range(Table::Sessions, &sessions).unwrap(), Some((3, 9)));
        assert_eq!(range(Table::Sessions, &sessions.slice(0, 0)).unwrap(), None);
        let mut days = FrameBuilder::new(Table::DailyStats);
        days.row(&[("stat_date", Cell::Date(Day(1)))]);
        days.row(&[("stat_date", Cell::Date(Day(0)))]);
        let days = days.finish().unwrap();
        assert_eq!(range(Table::DailyStats, &days).unwrap(), Some((0, 86_400_000_000)));
    }

    #[test]
    fn row_without_a_time_is_an_error() {
        let mut events = FrameBuilder::new(Table::Events);
        events.row(&[("timestamp", Cell::Time(5))]);
        events.row(&[]);
        let events = events.finish().unwrap();
        assert!(times(Table::Events, &events).unwrap_err().to_string().contains("no timestamp"));
        assert!(times(Table::Visitors, &events).is_err());
    }
}
