//! The columns of a mapped event.

use std::sync::LazyLock;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::super::block_parser::BlockLines;
use super::super::fields::{Field, OBJECTS};
use super::super::line_fields::{FieldValue, OtherMember};
use super::super::objects::{SESSION_PROPERTIES, session_property};
use super::super::rejected::{RejectReason, RejectedIdentity, RejectedLine};
use super::super::row_builder::{IdSource, LineKind, Rejection};
use super::super::warnings::Warning;
use crate::ingest::map::local_time::{TimeRules, is_number};
use crate::ingest::map::record::{Found, Record};
use crate::ingest::map::{EventMap, Map};
use crate::ingest::timestamp::has_offset;
use crate::json::{ESCAPED, Key, Kind, Member, NodeId, Span, Value, compact};
use crate::time::{Micros, Zone, format_utc};

/// The event name of requests for style sheets, scripts, images and similar files. They are neither
/// page views nor landing pages.
const ASSET: &str = "asset_requested";

/// The columns that requests for assets do not have.
const PAGE: u32 = Field::PageUrl.bit() | Field::LandingPage.bit();

/// The columns of times.
const TIMES: u32 =
    Field::Timestamp.bit() | Field::ClientTimestamp.bit() | Field::SentAt.bit() | Field::ReceivedAt.bit();

/// The columns of numbers.
const PIXELS: u32 = Field::ScreenWidth.bit() | Field::ScreenHeight.bit();

/// A value without a position.
const NOWHERE: Value = Value::new(0, 0, Kind::Null, 0);

impl BlockLines<'_, '_> {
    /// Adds the row of an event. Returns false if the event is ignored.
    pub(super) fn add_event(
        &mut self,
        map: &Map,
        events: &EventMap,
        levels: &[NodeId],
        index: Option<u32>,
        row: Option<&str>,
    ) -> Result<bool, Rejection> {
        let Some(&element) = levels.last() else { return Ok(false) };
        let mut wrong = 0;
        let (buffer, values) = (&mut self.rows.buffer, &mut self.record.values);
        Record { buffer, values, nulls: &map.nulls, levels }.resolve(&events.pointers);
        self.rows.known_times.clear();
        let mut consumed = std::mem::take(&mut self.record.consumed);
        consumed.clear();
        let zone = self.options.timezone.or(map.timezone);
        let times = TimeForms {
            rules: TimeRules { zone: zone.unwrap_or(Zone::UTC), local_epoch: map.local_epoch },
            has_zone: zone.is_some(),
            patterns: &map.time_formats,
        };
        let (mut is_asset, mut property, mut properties) = (false, None, None);
        let mut has_utc_time = false;
        for (field, expression) in &events.columns {
            if is_asset && PAGE & field.bit() != 0 {
                continue;
            }
            let mut record = Record {
                buffer: &mut self.rows.buffer,
                values: &mut self.record.values,
                nulls: &map.nulls,
                levels,
            };
            let Some(slot) = self.line.slot(*field) else { continue };
            let (found, converted) = if *field == Field::EventName {
                let found = record.evaluate_name(expression);
                let name = record.found_text(found).unwrap_or_default();
                let renamed = events.names.renamed(&name, &mut self.record.names);
                if let Some(trace) = &mut self.trace {
                    trace.add_name(&name, renamed.as_deref());
                }
                match renamed {
                    Some(new) if new.is_empty() => return Ok(false),
                    Some(new) if new != name => {
                        (is_asset, property) = (new == ASSET, session_property(&new));
                        let found = Found::Text(record.buffer.push(&new));
                        (found, text(&mut record, found, slot))
                    }
                    _ if name.is_empty() => continue,
                    _ => {
                        (is_asset, property) = (name == ASSET, session_property(&name));
                        (found, text(&mut record, found, slot))
                    }
                }
            } else {
                let found = record.evaluate(expression);
                (found, converted(&mut record, *field, found, &times, slot))
            };
            match converted {
                Converted::Null => {}
                Converted::WrongType => wrong |= field.bit(),
                Converted::Value | Converted::Time(_) | Converted::AsUtc => {
                    match converted {
                        Converted::Time(time) => self.rows.known_times.push((slot.text, time)),
                        Converted::AsUtc => has_utc_time = true,
                        _ => {}
                    }
                    self.line.add(*field);
                    if let Found::Node(node) = found {
                        consumed.push(node);
                        if *field == Field::Properties {
                            properties = Some(node);
                        }
                    }
                }
            }
        }
        self.rows.known_property = None;
        if let (Some(key), Some(node)) = (property, properties) {
            self.look_up_property(node, key);
        }
        if !events.properties.is_empty() {
            self.set_properties(map, &events.properties, levels);
        }
        consumed.sort_unstable();
        let mut unchanged = consumed.iter().peekable();
        for child in self.record.values.tree.children(element) {
            // Both lists are in the order of the record.
            while unchanged.next_if(|node| **node < child).is_some() {}
            if unchanged.peek() != Some(&&child) {
                let member = self.record.values.tree.entry(child);
                self.line.others.push(OtherMember { member, field: None });
            }
        }
        self.record.consumed = consumed;
        let id_source = match self.line.has(Field::EventId) {
            true => IdSource::Hash(0),
            false => self.content_hash(element, row),
        };
        let id_source = match self.record.defaults {
            Some(_) => self.fill_defaults(id_source, index),
            None => id_source,
        };
        if !self.line.has(Field::EventName) {
            return Err((RejectReason::NoEventName, None));
        }
        self.rows.add(&mut self.scanner, &self.line, LineKind::Event, id_source, None)?;
        // If the row builder has read such a time too, it has counted the event.
        self.rows.utc_times += u64::from(has_utc_time && !self.rows.has_utc_time);
        for field in super::super::fields::fields_in(wrong) {
            self.rows.warnings.add(Warning::WrongType(field));
        }
        Ok(true)
    }

    /// Looks up the property that sessions read. The members of the object are in the tree, so they
    /// need not be scanned again.
    fn look_up_property(&mut self, node: NodeId, key: &str) {
        static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| SESSION_PROPERTIES.map(Key::new));
        let Some(key) = KEYS.iter().find(|each| ***each == *key) else { return };
        let tree = &self.record.values.tree;
        let found = tree.member(&self.rows.buffer, node, key).map(|member| tree.value(member));
        self.rows.known_property = Some((tree.value(node), found));
    }

    /// Returns the hash of an element and of the values that were read from outside it.
    fn content_hash(&self, element: NodeId, row: Option<&str>) -> IdSource {
        let span = self.record.values.tree.value(element).raw();
        let text = row.or(self.rows.buffer.get(span)).unwrap_or("");
        let text = if row.is_some() { text.into() } else { compact::compact(text) };
        let mut hash = xxh3_128(text.as_bytes());
        for outside in &self.record.values.outside {
            hash = with_text(hash, self.rows.buffer.get(*outside).unwrap_or(""));
        }
        IdSource::Hash(hash)
    }

    /// Fills the columns that the event lacks and its wrapping supplies.
    pub(in super::super) fn fill_defaults(&mut self, id_source: IdSource, index: Option<u32>) -> IdSource {
        let Some(defaults) = self.record.defaults.take() else { return id_source };
        let mut taken = Vec::new();
        for field in super::super::fields::fields_in(defaults.present()) {
            let has = if TIMES & field.bit() != 0 {
                self.line.present() & TIMES != 0
            } else {
                self.line.has(field)
            };
            let Some(mut value) = defaults.get(field).filter(|_| !has) else { continue };
            if let (Field::EventId, true, Some(index)) = (field, self.record.several, index) {
                let id = self.rows.buffer.get(value.text).unwrap_or("").to_owned();
                value = text_value(NOWHERE, self.rows.buffer.push(&format!("{id}#{index}")));
            }
            self.line.set(field, value);
            taken.push(value.member.value.raw());
        }
        self.record.defaults = Some(defaults);
        if taken.is_empty() {
            return id_source;
        }
        let mut hash = match id_source {
            IdSource::Hash(hash) => hash,
            IdSource::Line(span) => xxh3_128(self.rows.buffer.get(span).unwrap_or("").as_bytes()),
            IdSource::Element(line, index) => line.wrapping_add(u128::from(index)),
        };
        for span in taken {
            hash = with_text(hash, self.rows.buffer.get(span).unwrap_or(""));
        }
        IdSource::Hash(hash)
    }

    /// Adds a rejected line with the ids in its fields.
    pub(super) fn add_rejected(&mut self, mut rejected: RejectedLine, time: Option<Micros>) {
        if self.line.present() != 0 {
            let identity = self.rows.rejected_identity(&self.line);
            rejected.identity = Some(Box::new(RejectedIdentity { time, ..identity }));
        }
        self.push_rejected(rejected);
    }
}

fn with_text(hash: u128, text: &str) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&hash.to_le_bytes());
    hasher.update(text.as_bytes());
    hasher.digest128()
}

/// The outcome of a conversion. The value itself is in the slot of its field: returning it would
/// copy it with loads whose width differs from that of the stores that wrote it, which stalls the
/// processor.
#[derive(Clone, Copy, Debug)]
enum Converted {
    Null,
    WrongType,
    Value,
    /// A time with an offset, in a form that native lines accept, and its value.
    Time(Micros),
    /// A time without an offset that was converted as UTC.
    AsUtc,
}

/// Converts the value of a column to the type of its field.
#[inline]
fn converted(
    record: &mut Record<'_, '_>,
    field: Field,
    found: Found,
    times: &TimeForms<'_>,
    slot: &mut FieldValue,
) -> Converted {
    match field.bit() {
        bit if bit & TIMES != 0 => time(record, found, times, slot),
        bit if bit & PIXELS != 0 => number(record, found, slot),
        bit if bit & OBJECTS != 0 => object(record, found, slot),
        _ => text(record, found, slot),
    }
}

/// Returns the value of a string in the buffer.
fn text_value(key: Value, span: Span) -> FieldValue {
    let value = Value::new(span.start as usize, (span.start + span.len) as usize, Kind::String, 0);
    FieldValue { member: Member { key, value }, text: span }
}

/// Sets a string in the buffer.
#[inline]
fn set_text(slot: &mut FieldValue, key: Value, span: Span) -> Converted {
    *slot = text_value(key, span);
    Converted::Value
}

/// Sets a value that is not a string.
fn set_value(slot: &mut FieldValue, value: Value) -> Converted {
    *slot = FieldValue { member: Member { key: NOWHERE, value }, text: Span::NONE };
    Converted::Value
}

#[inline]
fn text(record: &mut Record<'_, '_>, found: Found, slot: &mut FieldValue) -> Converted {
    match found {
        Found::Null => Converted::Null,
        Found::Text(span) if span.len == 0 => Converted::Null,
        Found::Text(span) => set_text(slot, NOWHERE, span),
        Found::Node(node) => {
            let member = record.values.tree.entry(node);
            let value = member.value;
            match value.kind() {
                Kind::String => {
                    let text = if value.has(ESCAPED) { Span::NONE } else { value.inner() };
                    *slot = FieldValue { member, text };
                    Converted::Value
                }
                Kind::Number | Kind::Bool => set_text(slot, member.key, value.raw()),
                Kind::Null | Kind::Object | Kind::Array => Converted::WrongType,
            }
        }
    }
}

fn number(record: &mut Record<'_, '_>, found: Found, slot: &mut FieldValue) -> Converted {
    if found == Found::Null {
        return Converted::Null;
    }
    let span = match found {
        Found::Node(node) if record.values.tree.value(node).kind() == Kind::Number => {
            record.values.tree.value(node).raw()
        }
        Found::Node(node) if record.values.tree.value(node).kind() == Kind::String => record.decoded(node),
        Found::Text(span) => span,
        _ => return Converted::WrongType,
    };
    let exact = |text: &str| {
        let number = crate::decimal::integer::parse_scaled(text.as_bytes(), 0)?;
        i32::try_from(number.truncated()?).ok().filter(|_| number.exact)
    };
    match record.buffer.get(span).filter(|text| text.len() <= 64 && is_number(text)).and_then(exact) {
        Some(_) => set_value(slot, number_value(span)),
        None => Converted::WrongType,
    }
}

/// Returns the value of a number whose digits are in the buffer.
fn number_value(span: Span) -> Value {
    Value::new(span.start as usize, (span.start + span.len) as usize, Kind::Number, 0)
}

/// The forms of the times of a map.
struct TimeForms<'m> {
    rules: TimeRules,
    /// Whether the map or the user names a zone for times without an offset.
    has_zone: bool,
    /// The patterns of `time_format`.
    patterns: &'m [String],
}

/// Converts a time.
fn time(
    record: &mut Record<'_, '_>,
    found: Found,
    times: &TimeForms<'_>,
    slot: &mut FieldValue,
) -> Converted {
    let TimeForms { rules, has_zone, patterns } = *times;
    let (span, is_json_number) = match found {
        Found::Null => return Converted::Null,
        Found::Text(span) => (span, false),
        Found::Node(node) => {
            let value = record.values.tree.value(node);
            match value.kind() {
                Kind::String => (record.decoded(node), false),
                Kind::Number => (value.raw(), true),
                // Not a time: the event is rejected.
                _ => return set_value(slot, value),
            }
        }
    };
    let text = record.buffer.get(span).unwrap_or("");
    let by_pattern = patterns.iter().find_map(|pattern| Some((rules.by_pattern(text, pattern)?, pattern)));
    if let Some((time, pattern)) = by_pattern {
        let is_local = !has_zone && TimeRules::is_local_by_pattern(text, pattern);
        return set_time(record, slot, time, is_local);
    }
    let is_number = is_json_number || is_number(text);
    if is_number && !rules.local_epoch {
        return set_value(slot, number_value(span));
    }
    let has_offset = has_offset(text);
    if !is_number
        && rules.agrees_with_native(text)
        && (!has_zone || has_offset)
        && let Some(time) = crate::ingest::timestamp::from_text(text.as_bytes())
    {
        set_text(slot, NOWHERE, span);
        return if has_offset { Converted::Time(time) } else { Converted::Value };
    }
    match if is_json_number { rules.number(text) } else { rules.text(text) } {
        Some(time) => {
            let is_local = !has_zone && rules.is_local(text);
            set_time(record, slot, time, is_local)
        }
        None => set_text(slot, NOWHERE, span),
    }
}

/// Sets a converted time. `is_local` is set if its text has no offset, and neither the map nor the
/// user names a zone.
fn set_time(record: &mut Record<'_, '_>, slot: &mut FieldValue, time: Micros, is_local: bool) -> Converted {
    let text = format_utc(time);
    let converted = set_text(slot, NOWHERE, record.buffer.push(&text));
    if is_local { Converted::AsUtc } else { converted }
}

/// Sets an object, which can also be encoded in a string.
fn object(record: &mut Record<'_, '_>, found: Found, slot: &mut FieldValue) -> Converted {
    let node = match found {
        Found::Null => return Converted::Null,
        Found::Text(span) => record.parse(span),
        Found::Node(node) => match record.values.tree.value(node).kind() {
            Kind::String => record.json_in_text(node),
            _ => Some(node),
        },
    };
    let value = node.map(|node| record.values.tree.value(node)).filter(|value| value.kind() == Kind::Object);
    match (node, value) {
        (Some(node), Some(_)) if record.values.tree.is_empty(node) => Converted::Null,
        (_, Some(value)) => set_value(slot, value),
        _ => Converted::WrongType,
    }
}
