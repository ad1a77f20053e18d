//! The columns that tie a row of `events` or `sessions` to a session and a person.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::event::{KeyKind, session_key_hash};
use crate::identity::Identifiers;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints, Texts};

/// The columns of `events` that [`IdentityColumns`] reads.
pub(super) const EVENT_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "user_email", "timestamp"];

/// The columns of `sessions` that [`IdentityColumns`] reads.
pub(super) const SESSION_COLUMNS: [&str; 8] = [
    "chatbot_id",
    "session_id",
    "anonymous_id",
    "user_id",
    "user_email",
    "started_at",
    "ended_at",
    "merge_state",
];

/// The identity columns of a file of events or sessions.
pub(super) struct IdentityColumns {
    chatbot: Texts,
    session: Texts,
    pub(super) anonymous: Texts,
    pub(super) user: Texts,
    email: Texts,
    /// The time of the event, or of the session's first event.
    pub(super) start: Ints,
    /// The time of the event, or of the session's last event.
    pub(super) end: Ints,
    merge_state: Option<Texts>,
}

impl IdentityColumns {
    /// Reads the columns of a frame, which must have [`EVENT_COLUMNS`] or [`SESSION_COLUMNS`].
    pub(super) fn new(frame: &Frame, table: Table) -> Result<IdentityColumns> {
        let has_merge_state = table == Table::Sessions;
        let [start, end] = table.times();
        Ok(IdentityColumns {
            chatbot: frame.texts("chatbot_id")?.clone(),
            session: frame.texts("session_id")?.clone(),
            anonymous: frame.texts("anonymous_id")?.clone(),
            user: frame.texts("user_id")?.clone(),
            email: frame.texts("user_email")?.clone(),
            start: frame.ints(start)?.clone(),
            end: frame.ints(end)?.clone(),
            merge_state: if has_merge_state { Some(frame.texts("merge_state")?.clone()) } else { None },
        })
    }

    /// Returns the session key of a row: chatbot, kind of id, id.
    pub(super) fn session_key(&self, row: usize) -> (&str, KeyKind, &str) {
        let (kind, value) = match (self.session.get(row), self.anonymous.get(row)) {
            (Some(id), _) => (KeyKind::Session, id),
            (None, Some(id)) => (KeyKind::Anonymous, id),
            (None, None) => (KeyKind::User, self.user.get(row).unwrap_or("")),
        };
        (self.chatbot.get(row).unwrap_or(""), kind, value)
    }

    /// Returns the hash of the session key of a row.
    pub(super) fn session_key_hash(&self, row: usize) -> u128 {
        let (chatbot, kind, value) = self.session_key(row);
        session_key_hash(chatbot, kind, value)
    }

    /// Returns the numbers of the identifiers that the ids or the email address of a row match,
    /// sorted.
    pub(super) fn matches(&self, row: usize, identifiers: &Identifiers) -> Vec<usize> {
        let columns = [&self.session, &self.anonymous, &self.user, &self.email];
        let mut numbers = Vec::new();
        for value in columns.iter().filter_map(|column| column.get(row)) {
            identifiers.for_each_match(value, |number| numbers.push(number));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Returns the profiles in the merge state of a session's row; none for an event.
    pub(super) fn profiles(&self, row: usize) -> Result<Vec<StoredProfile>> {
        let Some(text) = self.merge_state.as_ref().and_then(|column| column.get(row)) else {
            return Ok(Vec::new());
        };
        serde_json::from_str::<StoredProfiles>(text)
            .map(|state| state.profiles)
            .map_err(|e| Error::failed("cannot read the merge_state of a session").caused_by(e))
    }
}

/// The part of a session's `merge_state` that names people.
#[derive(Deserialize)]
struct StoredProfiles {
    #[serde(default)]
    profiles: Vec<StoredProfile>,
}

/// A user profile in a session's `merge_state`.
#[derive(Deserialize)]
pub(super) struct StoredProfile {
    pub(super) user_id: Option<String>,
    pub(super) user_email: Option<String>,
}
