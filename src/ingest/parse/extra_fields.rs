//! The object of what has no column of its own.

use std::borrow::Cow;
use std::collections::HashSet;

use super::ip_masking;
use super::text::text_buffer::TextBuffer;
use crate::json::Span;
use crate::json::escapes;
use crate::json::{ESCAPED, LONE_SURROGATE, Member};
use crate::settings::IpPolicy;

/// Up to so many members are compared with each other; more are looked up by hash.
const FEW: usize = 16;

/// Writes an object of members as they are written in the log, in their order; of a key given
/// twice the last. Returns its span, null where there is no member, and whether half of a surrogate
/// pair was replaced.
pub fn object(pool: &mut TextBuffer, members: &mut Vec<Member>, policy: IpPolicy) -> (Span, bool) {
    drop_overridden(pool, members);
    if members.is_empty() {
        return (Span::NONE, false);
    }
    let (from, mut lone) = (pool.decoded.len(), false);
    for (index, member) in members.iter().enumerate() {
        pool.decoded.push(if index == 0 { '{' } else { ',' });
        for (value, after) in [(member.key, ":"), (member.value, "")] {
            let raw = pool.lines.get(value.start as usize..value.end as usize).unwrap_or("null");
            if !value.has(LONE_SURROGATE) {
                pool.decoded.push_str(raw);
            } else {
                escapes::replace_lone_surrogates(raw, &mut pool.decoded);
                lone = true;
            }
            pool.decoded.push_str(after);
        }
    }
    pool.decoded.push('}');
    (masked(pool, pool.since(from), policy), lone)
}

/// Returns the span of an object as it is written in the log, made fit to be stored; and whether half
/// of a surrogate pair was replaced.
pub fn as_written(pool: &mut TextBuffer, value: crate::json::Value, policy: IpPolicy) -> (Span, bool) {
    let lone = value.has(LONE_SURROGATE);
    let mut span = value.raw();
    if lone {
        let from = pool.decoded.len();
        escapes::replace_lone_surrogates(
            pool.lines.get(value.start as usize..value.end as usize).unwrap_or(""),
            &mut pool.decoded,
        );
        span = pool.since(from);
    }
    (masked(pool, span, policy), lone)
}

fn masked(pool: &mut TextBuffer, span: Span, policy: IpPolicy) -> Span {
    if policy == IpPolicy::Keep {
        return span;
    }
    match pool.get(span).and_then(|text| ip_masking::mask_json(text, policy)) {
        Some(masked) => pool.add(&masked),
        None => span,
    }
}

/// Returns the key of a member, decoded.
fn key<'a>(lines: &'a str, member: &Member) -> Cow<'a, str> {
    let inner = member.key.inner();
    let text = lines.get(inner.start as usize..(inner.start + inner.len) as usize).unwrap_or("");
    if !member.key.has(ESCAPED) {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::new();
    escapes::decode(text, &mut decoded);
    Cow::Owned(decoded)
}

fn drop_overridden(pool: &TextBuffer, members: &mut Vec<Member>) {
    let lines = pool.lines;
    if members.len() <= FEW {
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
