//! Keeps what was forgotten out, when its log is taken in again.
//!
//! The ledger holds keyed hashes only, so every distinct identifier of a piece of a batch is hashed
//! once and looked up. A store that has forgotten nobody has no gate, and pays nothing.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use rayon::prelude::*;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use crate::event::{Block, Event, KeyKind, TextField};
use crate::identity::identifier::{email_hash, for_each_reading, value_hash};
use crate::ingest::RejectedLine;
use crate::prehashed::hex;
use crate::store::key::SecretKey;
use crate::store::ledger::Ledger;
use crate::time::Micros;

/// Events that are looked at with one memory of what is known of their identifiers.
const PIECE: usize = 1 << 14;

/// Stretches of time, both ends included, whose events stay out.
type Stretches = Vec<(Micros, Micros)>;
type Memo<'a> = HashMap<u128, Vec<&'a Stretches>, BuildHasherDefault<Xxh3Default>>;

/// What was forgotten, by its keyed hash.
#[derive(Clone, Debug)]
pub struct Suppression {
    key: SecretKey,
    forgotten: HashMap<String, Stretches>,
    /// Any text can be a forgotten e-mail address.
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

/// Returns the keyed hash of a refused line, given its SHA-256.
pub fn line_hash(key: &SecretKey, sha256: &[u8; 32]) -> String {
    hex_line_hash(key, &hex(sha256))
}

/// Returns the keyed hash of a refused line, given its SHA-256 in hexadecimal.
pub fn hex_line_hash(key: &SecretKey, sha256: &str) -> String {
    key.hash(&[b"forgotten line", sha256.as_bytes()])
}

impl Suppression {
    /// Makes the gate of a ledger; `None` where nobody was forgotten.
    pub fn new(ledger: &Ledger, key: &SecretKey) -> Option<Suppression> {
        if ledger.forgotten.is_empty() {
            return None;
        }
        let mut forgotten: HashMap<String, Stretches> = HashMap::new();
        for entry in &ledger.forgotten {
            let stretch = (entry.from.unwrap_or(Micros::MIN), entry.until);
            forgotten.entry(entry.hash.clone()).or_default().push(stretch);
        }
        Some(Suppression { key: key.clone(), forgotten, bare_emails: ledger.bare_emails })
    }

    /// Tells of each event whether it is to stay out.
    pub fn suppressed(&self, events: &[Event<'_>]) -> Vec<bool> {
        events
            .par_chunks(PIECE)
            .flat_map_iter(|events| {
                let mut memo = Memo::default();
                let shut: Vec<bool> = events.iter().map(|event| self.shuts(event, &mut memo)).collect();
                shut
            })
            .collect()
    }

    fn shuts<'a>(&'a self, event: &Event<'_>, memo: &mut Memo<'a>) -> bool {
        let time = event.row.time;
        let fields = [TextField::SessionId, TextField::AnonymousId, TextField::UserId, TextField::UserEmail];
        fields.into_iter().filter_map(|field| event.text(field)).any(|value| {
            let found = memo.entry(xxh3_128(value.as_bytes())).or_insert_with(|| self.of_value(value));
            covers(found, time)
        }) || {
            // No value has the hash of a session key but by chance of one in 2^128.
            let found = memo.entry(!event.row.key).or_insert_with(|| {
                let row = event.row;
                let hash = session_hash(&self.key, event.chatbot_id(), row.key_kind, event.key_value());
                self.forgotten.get(&hash).into_iter().collect()
            });
            covers(found, time)
        }
    }

    /// Finds what a value of a field of identity is known as, read as an erasure reads it.
    fn of_value(&self, value: &str) -> Vec<&Stretches> {
        let mut found = Vec::new();
        for_each_reading(value, |text| {
            found.extend(self.forgotten.get(&value_hash(&self.key, text)));
            if self.bare_emails || text.contains('@') {
                found.extend(self.forgotten.get(&email_hash(&self.key, text)));
            }
        });
        found
    }

    /// Tells whether a refused line is to stay out: it was erased before, or names a forgotten person
    /// and is not known to be of a later time.
    pub fn suppresses_rejected(&self, rejected: &RejectedLine, block: &Block) -> bool {
        // As it came; and as it is kept, by which alone lines are known that were kept without a keyed
        // hash.
        if self.forgotten.contains_key(&rejected.keyed_hash)
            || self.forgotten.contains_key(&line_hash(&self.key, &rejected.sha256))
        {
            return true;
        }
        let Some(person) = &rejected.person else { return false };
        let time = person.time.unwrap_or(Micros::MIN);
        let fields = [person.session_id, person.anonymous_id, person.user_id, person.user_email];
        fields
            .into_iter()
            .filter_map(|span| block.text(span))
            .any(|value| covers(&self.of_value(value), time))
    }
}

fn covers(found: &[&Stretches], time: Micros) -> bool {
    found.iter().copied().flatten().any(|&(from, to)| from <= time && time <= to)
}
