//! Compares the columns of stored sessions with those that their summaries determine.
//!
//! A summary is read from some of the columns, and the other columns are derived from it. The
//! values are compared in place: encoding and decoding the summaries again takes several times as
//! long.

use super::merge_state::MergeState;
use super::sessions::{FLAGS, NUMBERS, TEXTS, TIMES, mean_ms};
use crate::error::Result;
use crate::event::NO_TIME;
use crate::session::SessionSummary;
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// Returns, for each row of a frame, whether all its columns have the values that its summary
/// determines. `sessions` are the summaries of the rows.
///
/// # Errors
/// Fails if a column cannot be read.
pub fn consistent_rows(frame: &Frame, sessions: &[SessionSummary<'_>]) -> Result<Vec<bool>> {
    let columns = Table::Sessions.columns();
    let has_columns = frame.column_names().eq(columns.iter().map(|column| column.name))
        && columns.iter().all(|column| frame.type_mismatch(column).is_none());
    let mut check = Check { sessions, consistent: vec![has_columns; sessions.len()] };
    if !has_columns {
        return Ok(check.consistent);
    }
    for (name, value) in TEXTS {
        let stored = frame.texts(name)?;
        check.compare(|row, session| stored.get(row) == value(session));
    }
    for (name, value) in NUMBERS {
        let stored = frame.ints(name)?;
        check.compare(|row, session| stored.get(row) == Some(value(session)));
    }
    for (name, value) in TIMES {
        let stored = frame.ints(name)?;
        check.compare(|row, session| stored.get(row) == Some(value(session)).filter(|time| *time != NO_TIME));
    }
    for (name, value) in FLAGS {
        let stored = frame.bools(name)?;
        check.compare(|row, session| stored.get(row) == Some(value(session)));
    }
    let [widths, heights] = [frame.ints("screen_width")?, frame.ints("screen_height")?];
    check.compare(|row, session| {
        let size = session.screen.value().copied().unwrap_or_default();
        (widths.get_i32(row), heights.get_i32(row)) == size
    });
    let means = frame.ints("avg_response_time_ms")?;
    check.compare(|row, session| means.get(row) == mean_ms(session.response_sum_us, session.response_count));
    let [ids, first_ids] = [frame.texts("id")?, frame.texts("first_event_id")?];
    let mut buffer = uuid::Uuid::encode_buffer();
    check.compare(|row, session| {
        first_ids.get(row)
            == Some(&*uuid::Uuid::from_u128(session.first.id).hyphenated().encode_lower(&mut buffer))
            && ids.get(row) == Some(&*session.id().hyphenated().encode_lower(&mut buffer))
    });
    let counts = frame.texts("event_counts")?;
    let mut text = String::new();
    check.compare(|row, session| {
        text.clear();
        session.counts.write_json(&mut text);
        counts.get(row) == Some(&text)
    });
    let states = frame.texts("merge_state")?;
    check.compare(|row, session| {
        let state = MergeState::from_summary(session).to_text();
        state.is_ok_and(|state| states.get(row) == state.as_deref())
    });
    Ok(check.consistent)
}

/// A comparison in progress.
struct Check<'s, 'a> {
    sessions: &'s [SessionSummary<'a>],
    /// For each row, whether all columns so far are consistent.
    consistent: Vec<bool>,
}

impl<'a> Check<'_, 'a> {
    /// Compares a column. `is_equal` receives a row of the frame and its session.
    fn compare(&mut self, mut is_equal: impl FnMut(usize, &SessionSummary<'a>) -> bool) {
        for (row, (session, consistent)) in self.sessions.iter().zip(&mut self.consistent).enumerate() {
            *consistent = *consistent && is_equal(row, session);
        }
    }
}
