//! Suppression: events of forgotten persons are not stored again when their log is ingested again.
//!
//! The ledger holds keyed hashes only. Every distinct identifier of a part of a batch is hashed and
//! looked up once. A store without forgotten persons has no [`Suppression`] and no such cost.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::event::{Block, Event, KeyKind, TextField};
use crate::identity::identifier::{email_hash, for_each_reading, value_hash};
use crate::ingest::parse::rejected::{RejectedLine, line_hash};
use crate::store::key::SecretKey;
use crate::store::ledger::Ledger;
use crate::time::Micros;

/// Number of events that share one cache of identifiers.
const EVENTS_PER_TASK: usize = 1 << 14;

/// Closed time ranges whose events are suppressed.
type TimeRanges = Vec<(Micros, Micros)>;
/// The time ranges of identifiers, by the hash of the identifier.
type Cache<'a> = HashMap<u128, Vec<&'a TimeRanges>, BuildHasherDefault<Xxh3Default>>;

/// The forgotten identifiers and lines, by keyed hash.
#[derive(Clone, Debug)]
pub struct Suppression {
    key: SecretKey,
    forgotten: HashMap<String, TimeRanges>,
    /// A forgotten email address may have no `@`, so that any value is compared as an email
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
    /// Creates the suppression of a ledger; `None` if it has no forgotten persons.
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

    /// Returns the time ranges of the identifiers that a value may stand for, in the readings that
    /// an erasure uses.
    fn suppressed_ranges(&self, value: &str) -> Vec<&TimeRanges> {
        let mut found = Vec::new();
        for_each_reading(value, |text| {
            found.extend(self.forgotten.get(&value_hash(&self.key, text)));
            if self.bare_emails || text.contains('@') {
                found.extend(self.forgotten.get(&email_hash(&self.key, text)));
            }
        });
        found
    }

    /// Returns whether a rejected line is suppressed: it was erased before, or it names a forgotten
    /// person and is not known to be of a later time.
    pub fn suppresses_rejected(&self, rejected: &RejectedLine, block: &Block) -> bool {
        // Lines that an older version stored have no keyed hash; they are recognized by the hash of
        // the masked line.
        if self.forgotten.contains_key(&rejected.keyed_hash)
            || self.forgotten.contains_key(&line_hash(&self.key, &rejected.sha256))
        {
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
