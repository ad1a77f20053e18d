//! JSON objects for the columns `extra`, `properties` and `user_metadata`.

use std::borrow::Cow;
use std::collections::HashSet;

use super::fields::Field;
use super::ip_masking;
use super::line_fields::LineFields;
use super::text::TextBuffer;
use crate::json::{ESCAPED, LONE_SURROGATE, Member, Span, Value, escapes, unescape};
use crate::settings::IpPolicy;

/// Up to this many members are compared pairwise for repeated keys; more are looked up by hash.
const PAIRWISE_LIMIT: usize = 16;

/// The unknown fields that an envelope passes on to its events.
#[derive(Debug)]
pub(super) struct InheritedFields {
    /// The fields, in the order of the line.
    pub members: Vec<Member>,
    /// The object of all fields; events without fields of their own share it.
    pub object: Span,
    /// Bytes that may still be written for events with fields of their own.
    pub budget: usize,
}

impl InheritedFields {
    /// Collects the unknown fields of an envelope; `line` is the span of its line.
    ///
    /// The budget bounds the copies of these fields to eight times the size of the envelope,
    /// however many events it has.
    pub fn new(envelope: &LineFields, line: Span) -> InheritedFields {
        let passed_on = envelope.others.iter().filter(|other| other.field != Some(Field::Events));
        let mut members: Vec<Member> = passed_on.map(|other| other.member).collect();
        members.sort_unstable_by_key(|member| member.key.start);
        InheritedFields { members, object: Span::NONE, budget: 8 * line.len as usize + (16 << 10) }
    }
}

/// Writes an object of members as they are written in the log, in order; of a repeated key, the
/// last one. Returns its span, null without members, and whether it had a lone surrogate.
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
    for (index, member) in members.iter().enumerate() {
        buffer.decoded.push(if index == 0 { '{' } else { ',' });
        for (value, after) in [(member.key, ":"), (member.value, "")] {
            let raw = value.raw().slice(buffer.lines).unwrap_or("null");
            if !value.has(LONE_SURROGATE) {
                buffer.decoded.push_str(raw);
            } else {
                escapes::replace_lone_surrogates(raw, &mut buffer.decoded);
                lone = true;
            }
            buffer.decoded.push_str(after);
        }
    }
    buffer.decoded.push('}');
    let span = buffer.decoded_since(from);
    (masked(buffer, span, policy), lone)
}

/// Returns the span of an object as it is written in the log, with lone surrogates replaced and IP
/// addresses masked; and whether it had a lone surrogate.
pub(super) fn copy_object(buffer: &mut TextBuffer, object: Value, policy: IpPolicy) -> (Span, bool) {
    let lone = object.has(LONE_SURROGATE);
    let mut span = object.raw();
    if lone {
        let from = buffer.decoded.len();
        let raw = span.slice(buffer.lines).unwrap_or("");
        escapes::replace_lone_surrogates(raw, &mut buffer.decoded);
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
fn key<'a>(lines: &'a str, member: &Member) -> Cow<'a, str> {
    let text = member.key.inner().slice(lines).unwrap_or("");
    if member.key.has(ESCAPED) { unescape(text) } else { Cow::Borrowed(text) }
}

/// Removes the members whose key occurs again later.
fn drop_overridden(buffer: &TextBuffer, members: &mut Vec<Member>) {
    let lines = buffer.lines;
    if members.len() <= PAIRWISE_LIMIT {
        let overridden = |index: usize, member: &Member| {
            members.iter().skip(index + 1).any(|later| key(lines, later) == key(lines, member))
        };
        if members.iter().enumerate().all(|(index, member)| !overridden(index, member)) {
            return;
        }
    }
    let mut seen = HashSet::new();
    let mut last: Vec<_> = members.iter().rev().filter(|m| seen.insert(key(lines, m))).copied().collect();
    last.reverse();
    *members = last;
}
