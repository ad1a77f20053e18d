//! Collects the contents of a preview from parsed records.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::SessionsPreview;
use super::head::Head;
use super::{
    ColumnPreview, FilePreview, NamePreview, PLACEHOLDER_CHATBOT, PreviewCounts, PreviewOptions,
    RejectedPreview,
};
use crate::event::{Event, NO_NUMBER, NO_TIME, TextField};
use crate::ingest::fields::Field;
use crate::ingest::map::{MapKind, SharedMap};
use crate::ingest::shape::keys::{Key, Keys, shorten};
use crate::ingest::shape::{fault, names, shape};
use crate::session::split_by_gap;
use crate::time::{Micros, format_utc};

/// The largest number of rejected lines of each reason that are shown.
const MAX_REJECTED: usize = 3;
/// The largest number of samples of a column.
const MAX_SAMPLES: usize = 3;

/// Returns the preview of a file from its first records.
pub fn collect(head: Head, file: &str, options: &PreviewOptions) -> FilePreview {
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut ids = HashSet::new();
    let mut counts = PreviewCounts { has_more: head.has_more, ..PreviewCounts::default() };
    let mut rejected: Vec<RejectedPreview> = Vec::new();
    for parsed in &head.parsed {
        for event in parsed.block.rows.iter().map(|row| parsed.block.event(row)) {
            match event.row.has_own_id && !ids.insert((event.chatbot_id(), event.row.id)) {
                true => counts.duplicate += 1,
                false => events.push(event),
            }
        }
        counts.read += parsed.read;
        counts.ignored += parsed.ignored;
        counts.utc_times += parsed.utc_times;
        for line in &parsed.rejected {
            *counts.rejected.entry(line.reason).or_default() += line.count;
            if rejected.iter().filter(|other| other.reason == line.reason).count() < MAX_REJECTED {
                rejected.push(RejectedPreview {
                    line: line.line,
                    reason: line.reason,
                    fault: fault::describe(line.reason, &line.fields, &line.raw, head.width),
                    text: shorten(&String::from_utf8_lossy(&line.raw)),
                });
            }
        }
    }
    counts.events = events.len() as u64;
    counts.without_chatbot =
        events.iter().filter(|event| event.chatbot_id() == PLACEHOLDER_CHATBOT).count() as u64;
    let shape = events
        .is_empty()
        .then(|| shape(file, &head.texts, head.wrapping.as_deref()))
        .filter(|shape| shape.records > 0);
    FilePreview {
        file: file.to_owned(),
        error: head.error.as_ref().map(ToString::to_string),
        columns: columns(&events, &head.maps),
        properties: object_keys(&events, TextField::Properties),
        unknown: object_keys(&events, TextField::Extra),
        names: event_names(&events, &head),
        sessions: sessions(&events, options.session_timeout),
        format: head.format,
        counts,
        rejected,
        shape,
    }
}

/// Returns the columns that events have.
fn columns(events: &[Event<'_>], maps: &[SharedMap]) -> Vec<ColumnPreview> {
    let sources = |field: Field| {
        let mut found: Vec<String> = Vec::new();
        for map in maps {
            if let MapKind::Events(events) = &map.kind {
                let own = events.columns.iter().filter(|(column, _)| *column == field);
                found.extend(own.map(|(_, expression)| expression.to_string()));
            }
        }
        found.dedup();
        (!found.is_empty()).then(|| found.join("; "))
    };
    let mut columns = Vec::new();
    for field in Field::ALL {
        let mut column = ColumnPreview { column: field.name().to_owned(), ..ColumnPreview::default() };
        for event in events {
            let Some(value) = value(*event, field) else { continue };
            column.events += 1;
            let value = shorten(&value);
            if column.samples.len() < MAX_SAMPLES && !column.samples.contains(&value) {
                column.samples.push(value);
            }
        }
        if column.events > 0 {
            column.from = sources(field);
            columns.push(column);
        }
    }
    columns
}

/// Returns the value of a column.
fn value(event: Event<'_>, field: Field) -> Option<String> {
    let time = |time: Micros| (time != NO_TIME).then(|| format_utc(time));
    let number = |number: i32| (number != NO_NUMBER).then(|| number.to_string());
    match field {
        Field::Timestamp => time(event.row.time),
        Field::ClientTimestamp => time(event.row.client_timestamp),
        Field::SentAt => time(event.row.sent_at),
        Field::ReceivedAt => time(event.row.received_at),
        Field::ScreenWidth => number(event.row.screen_width),
        Field::ScreenHeight => number(event.row.screen_height),
        Field::ChatbotId => {
            Some(event.chatbot_id()).filter(|id| *id != PLACEHOLDER_CHATBOT).map(str::to_owned)
        }
        // An id that is a UUID is stored only as a number.
        Field::EventId if event.row.has_own_id => Some(match event.text(TextField::EventId) {
            Some(id) => id.to_owned(),
            None => uuid::Uuid::from_u128(event.row.id).to_string(),
        }),
        _ => event.text(field.column()?).map(str::to_owned),
    }
}

/// Returns the members of a column of objects.
fn object_keys(events: &[Event<'_>], column: TextField) -> Vec<Key> {
    let mut keys = Keys::default();
    for text in events.iter().filter_map(|event| event.text(column)) {
        keys.add_json(text);
    }
    keys.into_list()
}

/// Returns the names of events, the most frequent first.
fn event_names(events: &[Event<'_>], head: &Head) -> Vec<NamePreview> {
    let mut counts: BTreeMap<(String, String), u64> = head.trace.names.clone();
    let renamed: HashSet<String> = counts.keys().map(|(_, new)| new.clone()).collect();
    for event in events.iter().filter(|event| !renamed.contains(event.name())) {
        *counts.entry((event.name().to_owned(), event.name().to_owned())).or_default() += 1;
    }
    let mut list: Vec<NamePreview> = counts
        .into_iter()
        .map(|((name, stored_as), events)| NamePreview {
            standard: names::is_standard(&stored_as),
            suggestion: names::suggested(&stored_as),
            name: shorten(&name),
            stored_as,
            events,
        })
        .collect();
    list.sort_by_key(|name| std::cmp::Reverse(name.events));
    list
}

/// Counts the sessions of the events.
fn sessions(events: &[Event<'_>], timeout: Micros) -> SessionsPreview {
    let mut keys: HashMap<u128, Vec<Event<'_>>> = HashMap::new();
    let mut visitors = HashSet::new();
    for event in events {
        keys.entry(event.row.key).or_default().push(*event);
    }
    let mut preview = SessionsPreview::default();
    for events in keys.values_mut() {
        events.sort_by_key(|event| event.position());
        for session in split_by_gap(events, timeout) {
            preview.sessions += 1;
            preview.conversations += u64::from(session.iter().any(|event| event.name() == "message_sent"));
            let id = |field| session.iter().find_map(|event| event.text(field));
            let visitor =
                id(TextField::AnonymousId).map(|id| (0, id)).or(id(TextField::UserId).map(|id| (1, id)));
            let first = session.first();
            let key = || first.map(|event| (2, event.key_value()));
            let chatbot = first.map_or("", |event| event.chatbot_id());
            visitors
                .insert((chatbot.to_owned(), visitor.or_else(key).map(|(kind, id)| (kind, id.to_owned()))));
        }
    }
    preview.visitors = visitors.len() as u64;
    preview.first = events.iter().map(|event| event.row.time).min().map(format_utc);
    preview.last = events.iter().map(|event| event.row.time).max().map(format_utc);
    preview
}
