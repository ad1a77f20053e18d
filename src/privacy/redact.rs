//! Redacts identifiers in rows of other people.
//!
//! An event and its session are redacted in the same way, so that a rebuild from the events gives
//! the stored sessions.

use std::collections::HashMap;
use std::sync::Arc;

use super::matcher::IdentifierMatcher;
use crate::error::Result;
use crate::session::{CowStr, SessionSummary, UserProfile};
use crate::store::columns::{ColumnType, EVENTS};
use crate::store::frame::Frame;

/// The columns of `events` that are searched for identifiers.
///
/// Identity columns are not among them: a row whose identity matches is erased, and an id that
/// only contains the identifier is another id. Nor are columns that name no person: chatbot,
/// event, category, and those derived from the user agent.
pub(super) const EVENT_TEXTS: [&str; 16] = [
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

/// The columns of `sessions` that are searched for identifiers.
pub(super) const SESSION_TEXTS: [&str; 13] = [
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

/// The new values of a text column by row; `None` is null.
pub(super) type Edits = HashMap<usize, Option<String>>;

/// Returns the edits that redact the identifiers in a frame of events, by column. Rows marked in
/// `erased` are skipped.
pub(super) fn event_edits(
    frame: &Frame,
    matcher: &IdentifierMatcher,
    erased: &[bool],
) -> Result<HashMap<&'static str, Edits>> {
    let mut edits: HashMap<&'static str, Edits> = HashMap::new();
    for name in EVENT_TEXTS {
        let is_json = EVENTS.iter().any(|column| column.name == name && column.kind == ColumnType::Json);
        let column = frame.texts(name)?;
        for (row, erased) in erased.iter().enumerate() {
            let Some(text) = column.get(row).filter(|_| !erased) else { continue };
            let redacted = if is_json { matcher.redact_json(text) } else { matcher.redact(text) };
            if let Some(redacted) = redacted {
                // `redacted` is neither an IP address nor an event id.
                let value = Some(redacted).filter(|_| !matches!(name, "event_id" | "ip_address"));
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

/// Returns which rows of a frame of sessions may contain an identifier; [`redact_session`] decides.
/// Rows marked in `erased` are skipped.
pub(super) fn sessions_to_redact(
    frame: &Frame,
    matcher: &IdentifierMatcher,
    erased: &[bool],
) -> Result<Vec<bool>> {
    let mut found = vec![false; erased.len()];
    for name in SESSION_TEXTS {
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
        location.city.iter_mut().for_each(&mut redact);
    }
    if let Some((_, agent)) = &mut session.agent.0
        && let Some(redacted) = matcher.redact(&agent.user_agent)
    {
        Arc::make_mut(agent).user_agent = redacted;
        changed = true;
    }
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

/// Redacts the identifiers in the name and metadata of a profile. Returns whether anything changed.
fn redact_profile(profile: &mut UserProfile<'_>, matcher: &IdentifierMatcher) -> bool {
    let name = profile.user_name.as_deref().and_then(|name| matcher.redact(name));
    let metadata = profile.user_metadata.as_deref().and_then(|text| matcher.redact_json(text));
    let changed = name.is_some() || metadata.is_some();
    profile.user_name = name.map(CowStr::from).or(profile.user_name.take());
    profile.user_metadata = metadata.map(CowStr::from).or(profile.user_metadata.take());
    changed
}
