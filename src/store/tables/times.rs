//! The times of the rows of a table.

use crate::error::{Error, Result};
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::Frame;
use crate::time::{DAY, Micros};

/// Returns the start and the end of each row of a frame, from the columns [`Table::times`]. A date
/// stands for its midnight in UTC.
///
/// # Errors
/// Fails if the frame lacks the columns, or if a row has no value in them.
pub fn times(table: Table, frame: &Frame) -> Result<(Vec<Micros>, Vec<Micros>)> {
    let [start, end] = table.times();
    Ok((column(table, frame, start)?, column(table, frame, end)?))
}

/// Returns the earliest start and the latest end of the rows of a frame; `None` if there are none.
///
/// # Errors
/// Returns the errors of [`times`].
pub fn time_range(table: Table, frame: &Frame) -> Result<Option<(Micros, Micros)>> {
    let (starts, ends) = times(table, frame)?;
    Ok(starts.into_iter().min().zip(ends.into_iter().max()))
}

fn column(table: Table, frame: &Frame, name: &str) -> Result<Vec<Micros>> {
    let is_date = table.columns().iter().any(|column| column.name == name && column.kind == ColumnType::Date);
    let unit = if is_date { DAY } else { 1 };
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
    fn session_times_are_bounds_and_day_times_are_midnight() {
        let mut sessions = FrameBuilder::new(Table::Sessions);
        for (start, end) in [(5, 6), (3, 9), (4, 4)] {
            sessions.row(&[("started_at", Cell::Time(start)), ("ended_at", Cell::Time(end))]);
        }
        let sessions = sessions.finish().unwrap();
        assert_eq!(times(Table::Sessions, &sessions).unwrap(), (vec![5, 3, 4], vec![6, 9, 4]));
        assert_eq!(time_range(Table::Sessions, &sessions).unwrap(), Some((3, 9)));
        assert_eq!(time_range(Table::Sessions, &sessions.slice(0, 0)).unwrap(), None);
        let mut days = FrameBuilder::new(Table::DailyStats);
        days.row(&[("stat_date", Cell::Date(Day(1)))]);
        days.row(&[("stat_date", Cell::Date(Day(0)))]);
        let days = days.finish().unwrap();
        assert_eq!(time_range(Table::DailyStats, &days).unwrap(), Some((0, 86_400_000_000)));
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
