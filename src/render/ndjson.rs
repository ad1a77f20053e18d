//! The NDJSON form of stored events: log lines that `wa ingest` reads back as the same rows.
//!
//! A line has the fields of the log. Derived columns are omitted, since an ingest derives them
//! again. The id of the event is in `event_id`. Members of `extra` are written next to the known
//! fields, as they were in the log.
//!
//! A member of `extra` can have the name of a known field, if the log had the field with a value of
//! the wrong type. If the member were written after the valid value, it would replace that value.
//! [`EventLine::write`] handles these cases.
//!
//! Events that a map read can have members in `extra` with the name of an id and a valid value. An
//! ingest would read them as ids of the event, so they are omitted.

use crate::enrich::{Enricher, SourceFields};
use crate::error::{Error, Result};
use crate::ingest::Field;
use crate::ingest::fields::Spelling;
use crate::json::{self, lenient};
use crate::store::columns::EVENTS;
use crate::store::frame::{Cell, Cells, Frame};
use crate::time::{Micros, format_utc};

/// The columns of `events` that an ingest derives, and `extra`, whose members are written instead.
const DERIVED: [&str; 10] = [
    "referrer_domain",
    "channel",
    "browser_name",
    "browser_version",
    "os_name",
    "os_version",
    "device_type",
    "is_bot",
    "created_at",
    "extra",
];

/// The columns of a frame of events, to be written as lines.
pub(super) struct EventColumns(Vec<(&'static str, Cells)>);

impl EventColumns {
    /// Returns the columns of a frame.
    ///
    /// # Errors
    /// Fails if the frame does not have all columns of `events`.
    pub(super) fn new(frame: &Frame) -> Result<EventColumns> {
        let columns = EVENTS.iter().map(|column| Ok((column.name, frame.cells(column)?)));
        columns.collect::<Result<_>>().map(EventColumns)
    }

    /// Returns the event of a row as a line, including the line feed.
    ///
    /// # Errors
    /// Fails if the stored `extra` is not a JSON object.
    pub(super) fn line(&self, row: usize, enricher: &Enricher) -> Result<String> {
        EventLine::new(self, row)?.write(enricher)
    }
}

/// The members of an event's line.
struct EventLine<'a> {
    chatbot_id: &'a str,
    /// The known fields and their values as JSON.
    fields: Vec<(&'static str, String)>,
    /// The members of `extra`: keys as written between their quotes, values as JSON.
    extra: Vec<(&'a str, &'a str)>,
}

impl<'a> EventLine<'a> {
    fn new(columns: &'a EventColumns, row: usize) -> Result<EventLine<'a>> {
        let mut line = EventLine { chatbot_id: "", fields: Vec::with_capacity(16), extra: Vec::new() };
        let mut id = None;
        for (name, column) in &columns.0 {
            let cell = column.get(row);
            match (*name, cell) {
                ("chatbot_id", Cell::Text(text)) => line.chatbot_id = text,
                ("extra", Cell::Json(text)) => line.extra = members(text)?,
                ("id", Cell::Text(text)) => id = Some(text),
                _ => {}
            }
            if *name == "id" || DERIVED.contains(name) {
                continue;
            }
            let value = match cell {
                Cell::Text(text) => quote(text)?,
                Cell::Json(text) => text.to_owned(),
                Cell::Int(number) => number.to_string(),
                Cell::Time(time) => time_value(time),
                _ => continue,
            };
            line.fields.push((*name, value));
        }
        // If the log's own id is in `event_id`, an ingest derives the same event id from it.
        if let Some(id) = id.filter(|_| !line.has("event_id")) {
            line.fields.insert(0, ("event_id", quote(id)?));
        }
        Ok(line)
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| *field == name)
    }

    fn has_text(&self, name: &str, text: &str) -> bool {
        self.fields.iter().any(|(field, value)| *field == name && value.trim_matches('"') == text)
    }

    fn extra_has(&self, field: Field) -> bool {
        self.extra.iter().any(|(key, _)| is_field(key, field))
    }

    fn write(mut self, enricher: &Enricher) -> Result<String> {
        // A logged id of the wrong type would replace the id that `wa` assigned to the event.
        self.extra.retain(|(key, _)| !is_field(key, Field::EventId));
        self.extra.retain(|(key, value)| !is_valid_id(key, value));
        if self.extra_has(Field::EventCategory) {
            self.remove_derived_category()?;
        }
        self.remove_derived_campaign(enricher);
        let Some(last) = self.extra.iter().rposition(|(key, _)| self.clashes(key)) else {
            let mut line = open_object(&self.fields);
            append(&mut line, &self.extra);
            line.push_str("}\n");
            return Ok(line);
        };
        // An envelope had the field with the wrong type, and its event had it with the right type.
        // The line is therefore written as an envelope.
        let (outer, inner) = self.extra.split_at(last + 1);
        let mut line = format!("{{\"chatbot_id\":{}", quote(self.chatbot_id)?);
        append(&mut line, outer);
        let mut event = open_object(&self.fields);
        append(&mut event, inner);
        line.push_str(&format!(",\"events\":[{event}}}]}}\n"));
        Ok(line)
    }

    /// Returns whether an ingest would read a member of `extra` as a field that the line has.
    fn clashes(&self, key: &str) -> bool {
        Field::from_key(json::unescape(key).as_bytes()).is_some_and(|(field, spelling)| {
            // An ingest ignores `id` and `ip` if the line also has the long name of their field.
            let yields = spelling == Spelling::Short && matches!(field, Field::EventId | Field::IpAddress);
            self.has(field.name()) && !yields
        })
    }

    /// Removes the category, which was derived from the event name or the type of the line because
    /// the log had a value of the wrong type. An ingest derives it again.
    fn remove_derived_category(&mut self) -> Result<()> {
        let types = [("session_updated", "session"), ("user_identified", "identify")];
        let found = types.into_iter().find(|(name, _)| self.has_text("event_name", name));
        if let Some((_, kind)) = found.filter(|_| self.has_text("event_category", "system")) {
            self.fields.retain(|(name, _)| *name != "event_name");
            self.fields.push(("type", quote(kind)?));
        }
        self.fields.retain(|(name, _)| *name != "event_category");
        Ok(())
    }

    /// Removes campaign fields that came from the page URL because the log had a campaign field
    /// with a value of the wrong type. An ingest derives them again.
    fn remove_derived_campaign(&mut self, enricher: &Enricher) {
        let campaign = [Field::UtmSource, Field::UtmMedium, Field::UtmCampaign];
        if !campaign.iter().any(|field| self.extra_has(*field)) {
            return;
        }
        let text = |value: &str| serde_json::from_str::<String>(value).ok();
        let page = self.fields.iter().find(|(name, _)| *name == "page_url").and_then(|(_, url)| text(url));
        let derived = enricher.source(SourceFields { page_url: page.as_deref(), ..SourceFields::default() });
        let derived = [derived.utm_source, derived.utm_medium, derived.utm_campaign];
        for (field, derived) in campaign.into_iter().zip(derived) {
            if self.extra_has(field) && derived.is_some() {
                self.fields.retain(|(name, value)| *name != field.name() || text(value) != derived);
            }
        }
    }
}

/// Returns whether a key of `extra` is the long name of a field, in any spelling.
fn is_field(key: &str, wanted: Field) -> bool {
    Field::from_key(json::unescape(key).as_bytes())
        .is_some_and(|(field, spelling)| field == wanted && spelling != Spelling::Short)
}

/// Returns whether an ingest would read a member of `extra` as an id. For native lines, `extra`
/// contains only ids of the wrong type.
fn is_valid_id(key: &str, value: &str) -> bool {
    let Some((field, spelling)) = Field::from_key(json::unescape(key).as_bytes()) else { return false };
    let is_id = matches!(field, Field::ChatbotId | Field::SessionId | Field::AnonymousId | Field::UserId);
    let is_text = value.starts_with('"') && value.len() > 2;
    is_id && spelling != Spelling::Short && (is_text || value.parse::<i128>().is_ok())
}

/// Returns an object with the given fields, without its closing brace.
fn open_object(fields: &[(&'static str, String)]) -> String {
    let mut text = String::with_capacity(512);
    for (name, value) in fields {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(&format!("\"{name}\":"));
        text.push_str(value);
    }
    text
}

/// Appends members to an object that is not empty.
fn append(object: &mut String, members: &[(&str, &str)]) {
    for (key, value) in members {
        object.push_str(&format!(",\"{key}\":{value}"));
    }
}

/// Returns the members of a stored JSON object, in order.
fn members(object: &str) -> Result<Vec<(&str, &str)>> {
    let mut members = Vec::new();
    lenient::each_member(object, |key, value| members.push((key, value)))
        .ok_or_else(|| Error::failed("cannot read the extra fields of an event"))?;
    Ok(members)
}

fn quote(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|e| Error::failed("cannot write an event as JSON").caused_by(e))
}

/// Returns a time in a form that an ingest reads: RFC 3339, or microseconds if the year does not
/// have four digits.
fn time_value(time: Micros) -> String {
    // 0001-01-01 to 9999-12-31.
    const RANGE: std::ops::RangeInclusive<Micros> = -62_135_596_800_000_000..=253_402_300_799_999_999;
    if RANGE.contains(&time) { format!("\"{}\"", format_utc(time)) } else { time.to_string() }
}

#[cfg(test)]
mod tests;
