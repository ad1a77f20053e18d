//! Lays out sessions and events.

use super::{Column, Section};
use crate::render::numbers::{format_duration, format_local_time, format_value, group_digits, pluralize};
use crate::render::text::escape_control;
use crate::report::answer::session_page::{SessionEntry, SessionPage};
use crate::store::frame::{Record, Value};
use crate::time::Zone;

/// Returns the number of sessions and the position of a page.
pub(super) fn page_number(page: &SessionPage) -> String {
    let sessions = pluralize(page.total as u64, "session", "sessions");
    format!("{sessions}, page {} of {}", page.page, page.last_page())
}

/// Lays out a page of sessions: one row per session, or each session in full if events belong to
/// it.
pub(super) fn page(page: &SessionPage, zone: Zone) -> Vec<Section> {
    if page.sessions.iter().any(|entry| entry.timeline.is_some()) {
        return page.sessions.iter().flat_map(|entry| session_with_events(entry, zone)).collect();
    }
    let mut section = Section::new([
        Column::time("Started"),
        Column::number("Duration").drop_priority(1),
        Column::text("Visitor"),
        Column::number("Sent").drop_priority(2),
        Column::number("Received").drop_priority(3),
        Column::number("Events").drop_priority(6),
        Column::text("Landing page").drop_priority(4),
        Column::text("Channel").drop_priority(5),
        Column::text("Device").drop_priority(7),
        Column::text("Browser").drop_priority(8),
        Column::text("Country").drop_priority(9),
        Column::text("Chatbot").drop_priority(10),
    ]);
    for SessionEntry { session, .. } in &page.sessions {
        let count = |name| group_digits(session.number(name).unwrap_or(0));
        section.push([
            local_time(session, "started_at", zone),
            format_duration(session.number("duration_seconds").unwrap_or(0)),
            first_text(session, &["user_name", "user_email", "user_id", "anonymous_id", "session_id"]),
            count("messages_sent"),
            count("messages_received"),
            count("event_count"),
            text(session, "landing_page"),
            session.text("channel").map_or("Direct".into(), |channel| escape_control(channel).into_owned()),
            text(session, "device_type"),
            text(session, "browser_name"),
            text(session, "country_code"),
            text(session, "chatbot_id"),
        ]);
    }
    vec![section]
}

/// Lays out one session: a section with its values, and a section with its events.
fn session_with_events(entry: &SessionEntry, zone: Zone) -> [Section; 2] {
    let mut session = Section::new([Column::text(""), Column::text("")]);
    session.hide_header = true;
    if entry.session.number("started_at").is_some() {
        session.heading = Some(format!("Session started {}", local_time(&entry.session, "started_at", zone)));
    }
    for (column, value) in entry.session.entries() {
        let text = match value {
            Value::Null => continue,
            Value::Time(time) => format_local_time(*time, zone),
            value => escape_control(&format_value(value)).into_owned(),
        };
        session.push([column.name.to_owned(), text]);
    }
    let mut events = events(entry.timeline.iter().flatten(), zone, false);
    events.heading = Some("Events".to_owned());
    [session, events]
}

/// Lays out events, one per row. `with_session` adds a column that identifies the session.
pub(in crate::render) fn events<'a>(
    events: impl Iterator<Item = &'a Record>,
    zone: Zone,
    with_session: bool,
) -> Section {
    let session_column = with_session.then(|| Column::text("Session").drop_priority(1));
    let columns = [Column::time("Time"), Column::text("Event"), Column::text("Category").drop_priority(3)];
    let last_columns = [Column::text("Page").drop_priority(2), Column::text("Properties")];
    let mut section = Section::new(columns.into_iter().chain(session_column).chain(last_columns));
    for event in events {
        let session = with_session.then(|| first_text(event, &["session_id", "anonymous_id", "user_id"]));
        let texts =
            [local_time(event, "timestamp", zone), text(event, "event_name"), text(event, "event_category")];
        let last_texts = [text(event, "page_url"), text(event, "properties")];
        section.push(texts.into_iter().chain(session).chain(last_texts));
    }
    section
}

fn local_time(record: &Record, name: &str, zone: Zone) -> String {
    record.number(name).map_or(String::new(), |time| format_local_time(time, zone))
}

fn text(record: &Record, name: &str) -> String {
    escape_control(&format_value(record.get(name))).into_owned()
}

/// Returns the first of some columns that has a value.
fn first_text(record: &Record, names: &[&str]) -> String {
    let value = names.iter().find_map(|name| record.text(name)).unwrap_or("");
    escape_control(value).into_owned()
}
