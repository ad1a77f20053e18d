//! Splits a window into chunks that are read one after the other.

use crate::report::query::tables::Tables;
use crate::report::query::window::Window;
use crate::store::columns::Table;

/// The maximum number of events of days that are read together. With their sessions, they take
/// about 150 MB, or more for `performance`, whose tags are larger. A day with more events is a
/// separate chunk.
pub(super) const MAX_EVENTS: usize = 2 << 20;

/// Returns the part of a window that can have sessions; `None` if there is none.
pub(super) fn with_data(tables: &dyn Tables, window: Window) -> Option<Window> {
    let (first, last) = tables.days()?;
    let clamped = Window { from: window.from.max(first), to: window.to.min(last), ..window };
    (clamped.from <= clamped.to).then_some(clamped)
}

/// Splits a window into windows of at most about `max_events` events.
pub(super) fn chunks(tables: &dyn Tables, window: Window, max_events: usize) -> Vec<Window> {
    let Some(window) = with_data(tables, window) else { return Vec::new() };
    let mut chunks = Vec::new();
    let (mut from, mut day, mut events) = (window.from, window.from, 0usize);
    while day <= window.to {
        let more = tables.estimated_rows(Table::Events, Some((day, day)));
        if day > from && events.saturating_add(more) > max_events {
            chunks.push(Window { from, to: day.plus(-1), ..window });
            (from, events) = (day, 0);
        }
        events = events.saturating_add(more);
        day = day.plus(1);
    }
    chunks.push(Window { from, to: window.to, ..window });
    chunks
}
