//! Lays out sessions and events.

use super::{Cell, Column, Row, RowStyle, Section, session_view};
use crate::render::numbers::{format_duration, format_local_time, format_value, group_digits, pluralize};
use crate::render::text::escape_control;
use crate::report::answer::session_page::{SessionEntry, SessionPage};
use crate::store::frame::Record;
use crate::time::Zone;

/// Returns the number of sessions and, if there are several pages, the position of the page.
pub(super) fn page_number(page: &SessionPage) -> String {
    let sessions = pluralize(page.total as u64, "session", "sessions");
    match page.last_page() {
        1 => sessions,
        last => format!("{sessions}, page {} of {last}", page.page),
    }
}

/// Lays out a page of sessions: one row per session, or, if the page has their events, each session
/// in full.
pub(super) fn page(page: &SessionPage, zone: Zone) -> Vec<Section> {
    if page.sessions.iter().any(|entry| entry.timeline.is_some()) {
        return page.sessions.iter().flat_map(|entry| session_view::sections(entry, zone)).collect();
    }
    let mut section = Section::new([
        Column::time("Started"),
        Column::id("Session"),
        Column::id("Visitor").drop_priority(1),
        Column::number("Duration").drop_priority(2),
        Column::number("Sent").drop_priority(3),
        Column::number("Received").drop_priority(4),
        Column::path("Landing page").drop_priority(5),
        Column::text("Channel").drop_priority(6),
        Column::text("Name").drop_priority(7),
        Column::number("Events").drop_priority(8),
        Column::text("Device").drop_priority(9),
        Column::text("Browser").drop_priority(10),
        Column::text("Country").drop_priority(11),
        Column::id("Chatbot").drop_priority(12),
    ]);
    for SessionEntry { session, .. } in &page.sessions {
        let count = |name| group_digits(session.number(name).unwrap_or(0));
        let texts = [
            first_text(session, &["anonymous_id", "user_id"]),
            format_duration(session.number("duration_seconds").unwrap_or(0)),
            count("messages_sent"),
            count("messages_received"),
            text(session, "landing_page"),
            session.text("channel").map_or("Direct".into(), |channel| escape_control(channel).into_owned()),
            first_text(session, &["user_name", "user_email"]),
            count("event_count"),
            text(session, "device_type"),
            text(session, "browser_name"),
            text(session, "country_code"),
            text(session, "chatbot_id"),
        ];
        let started = Cell::Text(local_time(session, "started_at", zone));
        // An id that `--session-id` accepts.
        let id = match session.text("session_id") {
            Some(id) => Cell::Text(escape_control(id).into_owned()),
            None => Cell::RowId(text(session, "id")),
        };
        let cells = [started, id].into_iter().chain(texts.map(Cell::Text)).collect();
        section.rows.push(Row { cells, style: RowStyle::Plain });
    }
    vec![section]
}

/// Lays out events, one per row.
pub(in crate::render) fn events<'a>(events: impl Iterator<Item = &'a Record>, zone: Zone) -> Section {
    let session_column = Column::id("Session").drop_priority(1);
    let columns = [Column::time("Time"), Column::name("Event"), Column::text("Category").drop_priority(4)];
    let last_columns = [Column::path("Page").drop_priority(3), Column::text("Properties").drop_priority(2)];
    let mut section = Section::new(columns.into_iter().chain([session_column]).chain(last_columns));
    for event in events {
        let session = first_text(event, &["session_id", "anonymous_id", "user_id"]);
        let texts =
            [local_time(event, "timestamp", zone), text(event, "event_name"), text(event, "event_category")];
        let last_texts = [text(event, "page_url"), text(event, "properties")];
        section.push(texts.into_iter().chain([session]).chain(last_texts));
    }
    section
}

pub(super) fn local_time(record: &Record, name: &str, zone: Zone) -> String {
    record.number(name).map_or(String::new(), |time| format_local_time(time, zone))
}

pub(super) fn text(record: &Record, name: &str) -> String {
    escape_control(&format_value(record.get(name))).into_owned()
}

/// Returns the first non-empty value of the given columns.
pub(super) fn first_text(record: &Record, names: &[&str]) -> String {
    let value = names.iter().find_map(|name| record.text(name)).unwrap_or("");
    escape_control(value).into_owned()
}
