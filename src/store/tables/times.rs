//! When the rows of a table begin and end.

use polars::prelude::{DataFrame, DataType};

use super::Reader;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::time::{DAY, Micros};

/// Returns when each row of a frame begins, and when it ends ([`Table::times`]); a day is its midnight in UTC.
///
/// # Errors
/// Where the columns are not there, or a row has no value in them.
pub fn times(table: Table, frame: &DataFrame) -> Result<(Vec<Micros>, Vec<Micros>)> {
    let [start, end] = table.times();
    Ok((column(frame, start)?, column(frame, end)?))
}

/// Returns the earliest time at which a row begins and the latest at which one ends; `None` of no rows.
///
/// # Errors
/// Those of [`times`].
pub fn range(table: Table, frame: &DataFrame) -> Result<Option<(Micros, Micros)>> {
    let (starts, ends) = times(table, frame)?;
    Ok(starts.into_iter().min().zip(ends.into_iter().max()))
}

fn column(frame: &DataFrame, name: &str) -> Result<Vec<Micros>> {
    let reader = Reader(frame);
    let is_day = frame.column(name).is_ok_and(|column| *column.dtype() == DataType::Date);
    let times: Vec<Micros> = if is_day {
        reader.int32(name)?.iter().flatten().map(|day| i64::from(day) * DAY).collect()
    } else {
        reader.int64(name)?.iter().flatten().collect()
    };
    if times.len() < frame.height() {
        return Err(Error::failed(format!("rows of it have no {name}")));
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn sessions_begin_and_end_and_days_are_midnights() {
        let sessions = df!("started_at" => [5i64, 3, 4], "ended_at" => [6i64, 9, 4]).unwrap();
        assert_eq!(times(Table::Sessions, &sessions).unwrap(), (vec![5, 3, 4], vec![6, 9, 4]));
        assert_eq!(range(Table::Sessions, &sessions).unwrap(), Some((3, 9)));
        assert_eq!(range(Table::Sessions, &sessions.head(Some(0))).unwrap(), None);
        let days = Int32Chunked::from_slice("stat_date".into(), &[1, 0]).into_date().into_series();
        let days = DataFrame::new(2, vec![days.into_column()]).unwrap();
        assert_eq!(range(Table::DailyStats, &days).unwrap(), Some((0, 86_400_000_000)));
    }

    #[test]
    fn a_row_without_a_time_is_an_error() {
        let events = df!("timestamp" => [Some(5i64), None]).unwrap();
        assert!(times(Table::Events, &events).unwrap_err().to_string().contains("no timestamp"));
        assert!(times(Table::Visitors, &events).is_err());
    }
}
