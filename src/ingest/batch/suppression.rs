//! Suppression: events of forgotten people are not stored again when their log is ingested again.
//!
//! The ledger contains only keyed hashes. Each task therefore hashes every distinct identifier of
//! its events once, and looks up the hash. A store without forgotten people has no [`Suppression`]
//! and no such cost.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::event::{Block, Event, KeyKind, TextField};
use crate::identity::identifier::{erased_hashes, for_each_reading};
use crate::ingest::parse::rejected::{RejectedLine, hex_line_hash, line_hash};
use crate::session::SessionSummary;
use crate::store::key::SecretKey;
use crate::store::ledger::Ledger;
use crate::store::rejects::RejectRecord;
use crate::time::Micros;

/// Number of events that share one cache of identifiers.
const EVENTS_PER_TASK: usize = 1 << 14;

/// Closed time ranges whose events are suppressed.
type TimeRanges = Vec<(Micros, Micros)>;
/// The time ranges of identifiers, by the hash of the identifier.
type Cache<'a> = HashMap<u128, Vec<&'a TimeRanges>, BuildHasherDefault<Xxh3Default>>;

/// The forgotten identifiers, sessions and lines.
#[derive(Clone, Debug)]
pub struct Suppression {
    key: SecretKey,
    forgotten: HashMap<String, TimeRanges>,
    /// Whether a forgotten email address lacks an `@`. If so, every value is compared as an email
    /// address.
    bare_emails: bool,
}

/// Returns the keyed hash of a session key.
pub fn session_hash(key: &SecretKey, chatbot_id: &str, kind: KeyKind, value: &str) -> String {
    let kind: &[u8] = match kind {
        KeyKind::Session => b"session",
        KeyKind::Anonymous => b"anonymous",
        KeyKind::User => b"user",
    };
    key.hash(&[b"forgotten session", chatbot_id.as_bytes(), kind, value.as_bytes()])
}

impl Suppression {
    /// Creates the suppression of a ledger; `None` if it has no forgotten people.
    pub fn new(ledger: &Ledger, key: &SecretKey) -> Option<Suppression> {
        if ledger.forgotten.is_empty() {
            return None;
        }
        let mut forgotten: HashMap<String, TimeRanges> = HashMap::new();
        for entry in &ledger.forgotten {
            let range = (entry.from.unwrap_or(Micros::MIN), entry.until);
            forgotten.entry(entry.hash.clone()).or_default().push(range);
        }
        Some(Suppression { key: key.clone(), forgotten, bare_emails: ledger.bare_emails })
    }

    /// Returns whether each event is suppressed.
    pub fn suppressed(&self, events: &[Event<'_>]) -> Vec<bool> {
        events
            .par_chunks(EVENTS_PER_TASK)
            .flat_map_iter(|events| {
                let mut cache = Cache::default();
                let suppressed: Vec<bool> =
                    events.iter().map(|event| self.suppresses(event, &mut cache)).collect();
                suppressed
            })
            .collect()
    }

    fn suppresses<'a>(&'a self, event: &Event<'_>, cache: &mut Cache<'a>) -> bool {
        let time = event.row.time;
        let fields = [TextField::SessionId, TextField::AnonymousId, TextField::UserId, TextField::UserEmail];
        fields.into_iter().filter_map(|field| event.text(field)).any(|value| {
            let found =
                cache.entry(xxh3_128(value.as_bytes())).or_insert_with(|| self.suppressed_ranges(value));
            covers(found, time)
        }) || {
            // The cache holds session keys under their inverted hash. A collision with the hash of
            // a value has a probability of about 2^-128.
            let found = cache.entry(!event.row.key).or_insert_with(|| {
                let row = event.row;
                let hash = session_hash(&self.key, event.chatbot_id(), row.key_kind, event.key_value());
                self.forgotten.get(&hash).into_iter().collect()
            });
            covers(found, time)
        }
    }

    /// Returns the time ranges of the forgotten identifiers that a value matches. Interprets the
    /// value in the same ways as an erasure does.
    fn suppressed_ranges(&self, value: &str) -> Vec<&TimeRanges> {
        let mut found = Vec::new();
        for_each_reading(value, |text| {
            // A full-width `＠` counts as an `@` too.
            let is_email = self.bare_emails || text.contains('@') || !text.is_ascii();
            let hashes = erased_hashes(&self.key, text, is_email);
            found.extend(hashes.iter().filter_map(|hash| self.forgotten.get(hash)));
        });
        found
    }

    /// Returns whether a session may contain events of a forgotten person, by the ids in its
    /// summary.
    pub fn suppresses_session(&self, session: &SessionSummary<'_>) -> bool {
        let in_session = |found: &[&TimeRanges]| {
            let mut ranges = found.iter().copied().flatten();
            ranges.any(|&(from, to)| from <= session.ended_at && session.first.time <= to)
        };
        let key = &session.key;
        let hash = session_hash(&self.key, &key.chatbot_id, key.kind, &key.value);
        let profiles = session.profiles.iter().flat_map(|(user, profile)| {
            [user.as_deref(), profile.value().and_then(|profile| profile.user_email.as_deref())]
        });
        let anonymous_id = session.anonymous_id.value().map(|id| &**id);
        let user_id = session.user_id.value().map(|id| &**id);
        in_session(&self.forgotten.get(&hash).into_iter().collect::<Vec<_>>())
            || [Some(&*key.value), anonymous_id, user_id]
                .into_iter()
                .chain(profiles)
                .flatten()
                .any(|value| in_session(&self.suppressed_ranges(value)))
    }

    /// Returns whether an event with this id at this time is suppressed.
    pub fn suppresses_id(&self, id: &str, time: Micros) -> bool {
        covers(&self.suppressed_ranges(id), time)
    }

    /// Returns whether a stored rejected line was erased, by its hashes.
    pub fn suppresses_record(&self, reject: &RejectRecord) -> bool {
        self.suppresses_line(reject.keyed_hash.as_deref(), &hex_line_hash(&self.key, &reject.sha256))
    }

    fn suppresses_line(&self, keyed_hash: Option<&str>, line_hash: &str) -> bool {
        // Lines without IP addresses, and lines that an older version stored, have no keyed hash.
        // They are recognized by the hash of the stored line.
        keyed_hash.is_some_and(|hash| self.forgotten.contains_key(hash))
            || self.forgotten.contains_key(line_hash)
    }

    /// Returns whether a rejected line is suppressed: it was erased before, or it names a forgotten
    /// person and its time is unknown or not after the erasure.
    pub fn suppresses_rejected(&self, rejected: &RejectedLine, block: &Block) -> bool {
        if self.suppresses_line(rejected.keyed_hash.as_deref(), &line_hash(&self.key, &rejected.sha256)) {
            return true;
        }
        let Some(identity) = &rejected.identity else { return false };
        let time = identity.time.unwrap_or(Micros::MIN);
        let fields = [identity.session_id, identity.anonymous_id, identity.user_id, identity.user_email];
        fields
            .into_iter()
            .filter_map(|span| block.text(span))
            .any(|value| covers(&self.suppressed_ranges(value), time))
    }
}

fn covers(found: &[&TimeRanges], time: Micros) -> bool {
    found.iter().copied().flatten().any(|&(from, to)| from <= time && time <= to)
}
