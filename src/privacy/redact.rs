//! Takes identifiers out of rows of others, where they stand as a value.
//!
//! The same text is redacted in the same way in an event and in its session, so that the sessions
//! that a rebuild makes of the events are those that are stored.

use std::collections::HashMap;
use std::sync::Arc;

use super::matcher::IdentifierMatcher;
use crate::error::Result;
use crate::session::{CowStr, SessionSummary, UserProfile};
use crate::store::columns::{ColumnType, EVENTS};
use crate::store::frame::Frame;

/// The columns of `events` in which an identifier may stand as a value. Not among them: the fields of
/// identity, whose rows are erased (an id that only contains the identifier is another id); and names of things (chatbot, event, category, and what is
/// derived from a user agent), which name no person.
pub const EVENT_TEXTS: [&str; 16] = [
    "event_id",
    "user_name",
    "user_metadata",
    "properties",
    "page_url",
    "page_title",
    "referrer",
    "referrer_domain",
    "landing_page",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "user_agent",
    "ip_address",
    "city",
    "extra",
];

/// The same of `sessions`.
pub const SESSION_TEXTS: [&str; 13] = [
    "user_name",
    "user_metadata",
    "referrer",
    "referrer_domain",
    "landing_page",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "user_agent",
    "ip_address",
    "city",
    "triggered_by",
    "merge_state",
];

/// The new texts of a column's rows; `None` stands for null.
pub type Edits = HashMap<usize, Option<String>>;

/// FoundIds the texts of a file of events that hold an identifier, by column; rows that are `gone`
/// are left out.
pub fn event_edits(
    frame: &Frame,
    matcher: &IdentifierMatcher,
    gone: &[bool],
) -> Result<HashMap<&'static str, Edits>> {
    let mut edits: HashMap<&'static str, Edits> = HashMap::new();
    for name in EVENT_TEXTS {
        let json = EVENTS.iter().any(|column| column.name == name && column.kind == ColumnType::Json);
        let column = frame.texts(name)?;
        for (row, gone) in gone.iter().enumerate() {
            let Some(text) = column.get(row).filter(|_| !gone) else { continue };
            let edited = if json { matcher.redact_json(text) } else { matcher.redact(text) };
            if let Some(edited) = edited {
                // Neither an address nor the log's id can be a word.
                let edited = Some(edited).filter(|_| !matches!(name, "event_id" | "ip_address"));
                edits.entry(name).or_default().insert(row, edited);
            }
        }
    }
    Ok(edits)
}

/// Puts new texts into a column of a frame.
pub fn edit(frame: &mut Frame, name: &str, edits: &Edits) -> Result<()> {
    let old = frame.texts(name)?.clone();
    let new: Vec<Option<&str>> = (0..old.len())
        .map(|row| match edits.get(&row) {
            Some(new) => new.as_deref(),
            None => old.get(row),
        })
        .collect();
    frame.replace_texts(name, &new)
}

/// Tells which sessions of a file may hold an identifier as a value: [`session`] sees it.
pub fn sessions_to_edit(frame: &Frame, matcher: &IdentifierMatcher, gone: &[bool]) -> Result<Vec<bool>> {
    let mut hits = vec![false; gone.len()];
    for name in SESSION_TEXTS {
        let column = frame.texts(name)?;
        for (row, hit) in hits.iter_mut().enumerate() {
            if *hit || gone.get(row) != Some(&false) {
                continue;
            }
            let Some(text) = column.get(row) else { continue };
            *hit = matcher.is_in(text.as_bytes())
                || (name == "user_metadata" && matcher.redact_json(text).is_some());
        }
    }
    Ok(hits)
}

/// Redacts a session. Returns whether anything changed.
pub fn session(session: &mut SessionSummary<'_>, matcher: &IdentifierMatcher) -> bool {
    let mut changed = false;
    let mut text = |text: &mut CowStr<'_>| {
        if let Some(redacted) = matcher.redact(text) {
            *text = redacted.into();
            changed = true;
        }
    };
    if let Some((_, source)) = &mut session.source.0 {
        let fields = [
            &mut source.referrer,
            &mut source.referrer_domain,
            &mut source.utm_source,
            &mut source.utm_medium,
            &mut source.utm_campaign,
        ];
        fields.into_iter().flatten().for_each(&mut text);
    }
    for first in [&mut session.landing_page, &mut session.landing_path, &mut session.triggered_by] {
        if let Some((_, value)) = &mut first.0 {
            text(value);
        }
    }
    if let Some((_, place)) = &mut session.place.0 {
        place.city.iter_mut().for_each(&mut text);
    }
    if let Some((_, agent)) = &mut session.agent.0
        && let Some(redacted) = matcher.redact(&agent.user_agent)
    {
        Arc::make_mut(agent).user_agent = redacted;
        changed = true;
    }
    if let Some((_, place)) = &mut session.place.0
        && place.ip_address.as_ref().is_some_and(|ip| matcher.is_in(ip.as_bytes()))
    {
        place.ip_address = None;
        changed = true;
    }
    for last in session.profiles.values_mut() {
        if let Some((_, profile)) = &mut last.0 {
            changed |= self::profile(profile, matcher);
        }
    }
    changed
}

fn profile(profile: &mut UserProfile<'_>, matcher: &IdentifierMatcher) -> bool {
    let name = profile.user_name.as_deref().and_then(|name| matcher.redact(name));
    let metadata = profile.user_metadata.as_deref().and_then(|text| matcher.redact_json(text));
    let changed = name.is_some() || metadata.is_some();
    profile.user_name = name.map(CowStr::from).or(profile.user_name.take());
    profile.user_metadata = metadata.map(CowStr::from).or(profile.user_metadata.take());
    changed
}
