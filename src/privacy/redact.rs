//! Redacts identifiers in rows of other people.
//!
//! An event and its session are redacted in the same way, so that a rebuild from the events
//! reproduces the stored sessions.

use std::collections::HashMap;
use std::sync::Arc;

use super::matcher::IdentifierMatcher;
use crate::error::Result;
use crate::event::UserAgent;
use crate::ingest::fields::standard_category;
use crate::session::{CowStr, SessionSummary, UserProfile};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::Frame;

/// The string columns that are not searched for identifiers.
const NOT_SEARCHED: [&str; 7] = [
    // The site, which is part of every session key.
    "chatbot_id",
    // A row whose id equals the identifier is erased. An id that only contains the identifier is
    // a different id.
    "session_id",
    "anonymous_id",
    "user_id",
    "user_email",
    // Values that `wa` derives and that never come from a log.
    "channel",
    "device_type",
];

/// Standard event names and categories. They identify no person. Even if an id equals such a name,
/// the counts of sessions must not change.
const STANDARD: [&str; 8] = [
    "page_viewed",
    "page_view",
    "session_updated",
    "user_identified",
    "engagement",
    "performance",
    "error",
    "system",
];

/// Returns the columns of a table that are searched for identifiers: all string columns, except
/// [`NOT_SEARCHED`].
pub(super) fn searched_columns(table: Table) -> impl Iterator<Item = &'static Column> {
    table.columns().iter().filter(|column| {
        matches!(column.kind, ColumnType::Text | ColumnType::Json) && !NOT_SEARCHED.contains(&column.name)
    })
}

/// Redacts the identifiers in the name or category of an event; returns `None` if there is none.
fn redact_name(name: &str, matcher: &IdentifierMatcher) -> Option<String> {
    let is_standard = STANDARD.contains(&name) || standard_category(name).is_some();
    if is_standard { None } else { matcher.redact(name) }
}

/// The new values of a string column by row; `None` is null.
pub(super) type Edits = HashMap<usize, Option<String>>;

/// Returns the edits that redact the identifiers in a frame of events, by column. Rows marked in
/// `erased` are skipped.
pub(super) fn event_edits(
    frame: &Frame,
    matcher: &IdentifierMatcher,
    erased: &[bool],
) -> Result<HashMap<&'static str, Edits>> {
    let mut edits: HashMap<&'static str, Edits> = HashMap::new();
    for column in searched_columns(Table::Events) {
        let name = column.name;
        let redact = |text: &str| match name {
            "event_name" | "event_category" => redact_name(text, matcher),
            _ if column.kind == ColumnType::Json => matcher.redact_json(text),
            _ => matcher.redact(text),
        };
        let texts = frame.texts(name)?;
        // Most values repeat in many rows.
        let mut redacted: HashMap<&str, Option<String>> = HashMap::new();
        for (row, erased) in erased.iter().enumerate() {
            let Some(text) = texts.get(row).filter(|_| !erased) else { continue };
            if let Some(redacted) = redacted.entry(text).or_insert_with(|| redact(text)) {
                // `redacted` is neither a valid IP address nor a valid event id, so these columns
                // become null.
                let value = Some(redacted.clone()).filter(|_| !matches!(name, "event_id" | "ip_address"));
                edits.entry(name).or_default().insert(row, value);
            }
        }
    }
    Ok(edits)
}

/// Applies edits to a column of a frame.
pub(super) fn apply_edits(frame: &mut Frame, name: &str, edits: &Edits) -> Result<()> {
    let old = frame.texts(name)?.clone();
    let new: Vec<Option<&str>> = (0..old.len())
        .map(|row| match edits.get(&row) {
            Some(new) => new.as_deref(),
            None => old.get(row),
        })
        .collect();
    frame.replace_texts(name, &new)
}

/// Returns which rows of a frame of sessions may contain an identifier, for [`redact_session`].
/// Rows marked in `erased` are skipped.
pub(super) fn sessions_to_redact(
    frame: &Frame,
    matcher: &IdentifierMatcher,
    erased: &[bool],
) -> Result<Vec<bool>> {
    let mut found = vec![false; erased.len()];
    for column in searched_columns(Table::Sessions) {
        let name = column.name;
        let column = frame.texts(name)?;
        for (row, found) in found.iter_mut().enumerate() {
            if *found || erased.get(row) != Some(&false) {
                continue;
            }
            let Some(text) = column.get(row) else { continue };
            *found = matcher.matches(text.as_bytes())
                || (name == "user_metadata" && matcher.redact_json(text).is_some());
        }
    }
    Ok(found)
}

/// Redacts the identifiers in a session. Returns whether anything changed.
pub(super) fn redact_session(session: &mut SessionSummary<'_>, matcher: &IdentifierMatcher) -> bool {
    let mut changed = false;
    let mut redact = |text: &mut CowStr<'_>| {
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
        fields.into_iter().flatten().for_each(&mut redact);
    }
    for first in [&mut session.landing_page, &mut session.landing_path, &mut session.triggered_by] {
        if let Some((_, value)) = &mut first.0 {
            redact(value);
        }
    }
    if let Some((_, location)) = &mut session.location.0 {
        location.country_code.iter_mut().chain(&mut location.city).for_each(&mut redact);
    }
    if let Some((_, agent)) = &mut session.agent.0
        && let Some(redacted) = redact_agent(agent, matcher)
    {
        *agent = Arc::new(redacted);
        changed = true;
    }
    changed |= session.counts.rename(|name| redact_name(name, matcher));
    if let Some((_, location)) = &mut session.location.0
        && location.ip_address.as_ref().is_some_and(|ip| matcher.matches(ip.as_bytes()))
    {
        location.ip_address = None;
        changed = true;
    }
    for last in session.profiles.values_mut() {
        if let Some((_, profile)) = &mut last.0 {
            changed |= redact_profile(profile, matcher);
        }
    }
    changed
}

/// Redacts the identifiers in a user agent and its derived values; returns `None` if there is none.
fn redact_agent(agent: &UserAgent, matcher: &IdentifierMatcher) -> Option<UserAgent> {
    let mut redacted = agent.clone();
    let derived = [
        &mut redacted.browser_name,
        &mut redacted.browser_version,
        &mut redacted.os_name,
        &mut redacted.os_version,
    ];
    let mut changed = false;
    for text in derived.into_iter().flatten().chain([&mut redacted.user_agent]) {
        if let Some(new) = matcher.redact(text) {
            *text = new;
            changed = true;
        }
    }
    changed.then_some(redacted)
}

/// Redacts the identifiers in the name and metadata of a profile. Returns whether anything changed.
fn redact_profile(profile: &mut UserProfile<'_>, matcher: &IdentifierMatcher) -> bool {
    let name = profile.user_name.as_deref().and_then(|name| matcher.redact(name));
    let metadata = profile.user_metadata.as_deref().and_then(|text| matcher.redact_json(text));
    let changed = name.is_some() || metadata.is_some();
    profile.user_name = name.map(CowStr::from).or(profile.user_name.take());
    profile.user_metadata = metadata.map(CowStr::from).or(profile.user_metadata.take());
    changed
}
