//! JSON objects for the columns `extra`, `properties` and `user_metadata`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::fields::{Field, FieldSet};
use super::ip_masking;
use super::line_fields::{LineFields, OtherMember};
use crate::ingest::map::row::write_string;
use crate::json::{ESCAPED, LONE_SURROGATE, Member, Span, TextBuffer, UNQUOTED, Value, escapes, unescape};
use crate::settings::IpPolicy;

/// Up to this number of members, repeated keys are found by comparison, otherwise by hash.
const PAIRWISE_LIMIT: usize = 64;

/// The unknown fields that events inherit from their envelope.
#[derive(Debug)]
pub(super) struct InheritedFields {
    /// The fields, in the order of the line.
    pub members: Vec<OtherMember>,
    /// The fields with a column whose value cannot be used. An event that has such a field itself
    /// does not inherit the envelope's value.
    pub unusable: FieldSet,
    /// The object of all fields. Events without unknown fields share it.
    pub object: Span,
    /// Bytes that may still be written for events that have unknown fields.
    pub budget: usize,
}

impl InheritedFields {
    /// Collects the unknown fields of an envelope; `line` is the span of its line.
    ///
    /// The budget limits the copies of these fields to eight times the size of the envelope plus
    /// 16 KiB, however many events it has.
    pub fn new(envelope: &LineFields, line: Span) -> InheritedFields {
        let passed_on = envelope.others.iter().filter(|other| other.field != Some(Field::Events));
        let mut members: Vec<OtherMember> = passed_on.copied().collect();
        members.sort_unstable_by_key(|other| other.member.key.start);
        let fields = members.iter().filter_map(|other| other.field).filter(|field| *field != Field::Type);
        let unusable = fields.fold(0, |set, field| set | field.bit());
        InheritedFields { members, unusable, object: Span::NONE, budget: 8 * line.len as usize + (16 << 10) }
    }

    /// Returns the members, without the values of fields that an event replaces.
    pub fn members_without(&self, replaced: FieldSet) -> impl Iterator<Item = Member> + '_ {
        let is_replaced = move |other: &&OtherMember| other.field.is_some_and(|f| f.bit() & replaced != 0);
        self.members.iter().filter(move |other| !is_replaced(other)).map(|other| other.member)
    }
}

/// Writes members as an object, in the order and spelling of the log. If a key is repeated, its
/// last value is used. Returns the span of the object, which is null without members, and whether
/// it had a lone surrogate.
pub(super) fn write_object(
    buffer: &mut TextBuffer,
    members: &mut Vec<Member>,
    policy: IpPolicy,
) -> (Span, bool) {
    drop_overridden(buffer, members);
    if members.is_empty() {
        return (Span::NONE, false);
    }
    let (from, mut lone) = (buffer.decoded.len(), false);
    buffer.decoded.push('{');
    // Members that follow one another in the lines are copied together.
    let mut run: Option<(usize, usize)> = None;
    for (index, member) in members.iter().enumerate() {
        let joined = verbatim(buffer.lines, member);
        run = match (run, joined) {
            (Some((start, end)), Some((next, after))) if end + 1 == next => {
                debug_assert_eq!(buffer.lines.as_bytes().get(end), Some(&b','));
                Some((start, after))
            }
            (before, joined) => {
                copy_run(buffer, before);
                if index > 0 {
                    buffer.decoded.push(',');
                }
                if joined.is_none() {
                    lone |= write_value(buffer, member.key);
                    buffer.decoded.push(':');
                    lone |= write_value(buffer, member.value);
                }
                joined
            }
        };
    }
    copy_run(buffer, run);
    buffer.decoded.push('}');
    let span = buffer.decoded_since(from);
    (masked(buffer, span, policy), lone)
}

/// Returns the range of a member in the lines; `None` if it cannot be copied verbatim.
fn verbatim(lines: &str, member: &Member) -> Option<(usize, usize)> {
    let Member { key, value } = member;
    let is_plain = !key.has(LONE_SURROGATE | UNQUOTED) && !value.has(LONE_SURROGATE | UNQUOTED);
    // Only a colon separates the key from the value.
    let is_dense = key.end + 1 == value.start && value.end as usize <= lines.len();
    (is_plain && is_dense).then_some((key.start as usize, value.end as usize))
}

fn copy_run(buffer: &mut TextBuffer, run: Option<(usize, usize)>) {
    let text = run.and_then(|(start, end)| buffer.lines.get(start..end));
    buffer.decoded.push_str(text.unwrap_or(""));
}

/// Appends a key or a value. Returns whether it had a lone surrogate.
fn write_value(buffer: &mut TextBuffer, value: Value) -> bool {
    let lone = value.has(LONE_SURROGATE);
    let span = if value.has(UNQUOTED) { value.inner() } else { value.raw() };
    match span.slice(buffer.lines) {
        Some(text) if value.has(UNQUOTED) => _ = write_string(text, &mut buffer.decoded),
        Some(raw) if lone => escapes::replace_lone_surrogates(raw, &mut buffer.decoded),
        Some(raw) => buffer.decoded.push_str(raw),
        None => copy_decoded(buffer, value),
    }
    lone
}

/// Appends a value of a mapped record, whose text was decoded or built.
fn copy_decoded(buffer: &mut TextBuffer, value: Value) {
    if value.has(LONE_SURROGATE) {
        let raw = buffer.get(value.raw()).unwrap_or("null").to_owned();
        escapes::replace_lone_surrogates(&raw, &mut buffer.decoded);
    } else {
        buffer.copy(value.raw());
    }
}

/// Copies an object as written in the log, with lone surrogates replaced and IP addresses masked.
/// Returns its span, and whether it had a lone surrogate.
pub(super) fn copy_object(buffer: &mut TextBuffer, object: Value, policy: IpPolicy) -> (Span, bool) {
    let lone = object.has(LONE_SURROGATE);
    let mut span = object.raw();
    if lone {
        let from = buffer.decoded.len();
        match span.slice(buffer.lines) {
            Some(raw) => escapes::replace_lone_surrogates(raw, &mut buffer.decoded),
            None => copy_decoded(buffer, object),
        }
        span = buffer.decoded_since(from);
    }
    (masked(buffer, span, policy), lone)
}

fn masked(buffer: &mut TextBuffer, span: Span, policy: IpPolicy) -> Span {
    if policy == IpPolicy::Keep {
        return span;
    }
    match buffer.get(span).and_then(|text| ip_masking::mask_json(text, policy)) {
        Some(masked) => buffer.push(&masked),
        None => span,
    }
}

/// Returns the decoded key of a member.
fn key<'a>(buffer: &'a TextBuffer, member: &Member) -> Cow<'a, str> {
    let text = buffer.get(member.key.inner()).unwrap_or("");
    if member.key.has(ESCAPED) { unescape(text) } else { Cow::Borrowed(text) }
}

/// Removes the members whose key occurs again later.
fn drop_overridden(buffer: &TextBuffer, members: &mut Vec<Member>) {
    if !repeats_a_key(buffer, members) {
        return;
    }
    let mut seen = HashSet::new();
    let mut last: Vec<_> = members.iter().rev().filter(|m| seen.insert(key(buffer, m))).copied().collect();
    last.reverse();
    *members = last;
}

/// Returns whether a key occurs twice.
fn repeats_a_key(buffer: &TextBuffer, members: &[Member]) -> bool {
    if members.len() > PAIRWISE_LIMIT {
        return true;
    }
    // Only keys with the same bit are compared. 64 bits distinguish most keys of an object.
    let mut bits = 0_u64;
    for (index, member) in members.iter().enumerate() {
        let bit = match buffer.get(member.key.inner()) {
            Some(text) if !member.key.has(ESCAPED) => 1 << key_bit(text),
            // A key with escapes can equal any key.
            _ => u64::MAX,
        };
        if bits & bit != 0 {
            let is_same = |earlier: &Member| {
                let escaped = earlier.key.has(ESCAPED) || member.key.has(ESCAPED);
                (escaped || earlier.key.inner().len == member.key.inner().len)
                    && key(buffer, earlier) == key(buffer, member)
            };
            if members.iter().take(index).any(is_same) {
                return true;
            }
        }
        bits |= bit;
    }
    false
}

/// Returns a bit for a key, from its length and some of its bytes.
fn key_bit(key: &str) -> u32 {
    let bytes = key.as_bytes();
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    let sum = bytes.len() as u32
        + byte(0) * 7
        + byte(bytes.len() / 2) * 13
        + byte(bytes.len().wrapping_sub(1)) * 31;
    sum % 64
}
