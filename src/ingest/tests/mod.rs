//! Tests of the conversion of bytes to rows. The current time is 2026-11-23T12:00:00Z.

mod any_bytes;
mod blocks;
mod commits;
mod duplicates;
mod envelopes;
mod fields;
mod identity;
mod mapped_bytes;
mod mapped_values;
mod privacy;
mod progress;
mod rejections;

use super::fields::Field;
use super::*;
use crate::enrich::Enricher;
use crate::event::{Event, EventRow, TextField, TextId};
use crate::settings::IpPolicy;
use crate::time::{Micros, parse_human};

fn at(time: &str) -> Micros {
    parse_human(time).unwrap()
}

fn options() -> ParseOptions {
    ParseOptions {
        timezone: None,
        chatbot: None,
        now: at("2026-11-23T12:00:00Z"),
        ip: IpPolicy::Keep,
        visitor_key: [1; 32],
    }
}

fn raw(bytes: impl Into<Vec<u8>>) -> RawBlock {
    let bytes = bytes.into();
    RawBlock { end: bytes.len() as u64, bytes, first_line: 1, ..RawBlock::default() }
}

fn parse_with(options: &ParseOptions, bytes: impl Into<Vec<u8>>) -> Parsed {
    let parsed = parse(raw(bytes), options, &Enricher::new(None).unwrap());
    let rejected: u64 = parsed.rejected.iter().map(|rejected| rejected.count).sum();
    let outcomes = parsed.block.rows.len() + rejected as usize + usize::from(parsed.unfinished.is_some());
    assert_eq!(parsed.read, outcomes as u64);
    parsed
}

fn lines(bytes: impl Into<Vec<u8>>) -> Parsed {
    parse_with(&options(), bytes)
}

impl Parsed {
    fn event(&self, index: usize) -> Event<'_> {
        self.block.event(&self.block.rows[index])
    }

    fn only(&self) -> Event<'_> {
        assert_eq!(self.block.rows.len(), 1, "{:?}", self.reasons());
        self.event(0)
    }

    fn reasons(&self) -> Vec<&'static str> {
        self.rejected.iter().map(|r| r.reason.name()).collect()
    }

    fn warned(&self) -> Vec<(String, u64)> {
        self.warnings.iter().map(|(w, n)| (w.name(), n)).collect()
    }
}

/// Returns a valid event line with further members, which come last and thus have precedence.
fn event_with(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"2026-11-09T08:00:00Z"{comma}{members}}}"#
    )
}

/// Describes a row by its strings, independent of their ids.
fn describe(block: &crate::event::Block, row: &EventRow) -> String {
    let text: Vec<_> = row.text.iter().map(|span| block.text(*span)).collect();
    let agent = block.agents.get(row.agent as usize).map(|a| &a.user_agent);
    let plain =
        EventRow { text: [TextId::NONE; TextField::COUNT], agent: 0, triggered_by: TextId::NONE, ..*row };
    format!("{plain:?} {text:?} {agent:?} {:?}", block.text(row.triggered_by))
}
