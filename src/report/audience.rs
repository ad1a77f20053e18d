//! The different visitors of a window, and which of them are new.
//!
//! A visitor is a session's anonymous id, else its user id, else its session id, within one
//! chatbot. Visitors are told apart by 128 bits of hash, spread over shards so that each is
//! counted without waiting for the others: it costs in proportion to the sessions.

use hashbrown::HashMap;
use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::keys::{Ids, Spread};
use super::query::Query;
use super::tables::{Tables, map_frames};
use crate::error::Result;
use crate::event::KeyKind;
use crate::store::columns::Table;
use crate::store::frame::{ints, texts};

/// The shards that visitors are dealt out to, by their hash: so many that each fits into a
/// processor's cache.
const SHARDS: usize = 64;

/// A visitor's sessions, and in the highest bit whether it was first seen in the window.
type Visitors = HashMap<u128, u32, Spread>;
const FIRST_SEEN: u32 = 1 << 31;

/// From how many sessions on a visitor is counted with those who came most often.
pub const OFTEN: usize = 11;

/// The different visitors of a window; those of two shards merge by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Different visitors.
    pub unique: u64,
    /// Those that were first seen in the window, or are known only by a session.
    pub new: u64,
    /// How many visitors had one session, two sessions and so on; the last is [`OFTEN`] or more.
    pub by_sessions: [u64; OFTEN],
}

/// Visitors by shard: as one vector, and where each shard begins in it.
struct Dealt {
    hashes: Vec<u128>,
    starts: Vec<u32>,
}

impl Dealt {
    fn of(hashes: &[u128]) -> Dealt {
        let mut starts = vec![0u32; SHARDS + 1];
        for hash in hashes {
            if let Some(count) = starts.get_mut(shard(*hash) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut dealt = vec![0; hashes.len()];
        for hash in hashes {
            if let Some(at) = next.get_mut(shard(*hash)) {
                if let Some(place) = dealt.get_mut(*at as usize) {
                    *place = *hash;
                }
                *at += 1;
            }
        }
        Dealt { hashes: dealt, starts }
    }

    fn shard(&self, shard: usize) -> &[u128] {
        let start = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        self.hashes.get(start(shard)..start(shard + 1)).unwrap_or_default()
    }
}

/// Returns the hash of a visitor: even, but odd where it is known by a session id alone.
fn visitor(ids: &mut Ids, row: usize, kind: KeyKind, value: &str) -> u128 {
    ids.hash(row, kind, value) & !1 | u128::from(kind == KeyKind::Session)
}

fn shard(hash: u128) -> usize {
    // The map below uses the upper half, so the lower one is free to choose the shard.
    (hash >> 1) as usize % SHARDS
}

impl Audience {
    /// Counts the visitors of a window.
    pub fn of(tables: &dyn Tables, query: &Query) -> Result<Audience> {
        let (dealt, seen) = rayon::join(|| deal_all(tables, query), || first_seen(tables, query));
        let (dealt, seen) = (dealt?, seen?);
        Ok((0..SHARDS)
            .into_par_iter()
            .map(|number| count(number, &dealt, &seen))
            .reduce(Audience::default, Audience::add))
    }

    fn add(mut self, other: Audience) -> Audience {
        self.unique += other.unique;
        self.new += other.new;
        for (sum, visitors) in self.by_sessions.iter_mut().zip(other.by_sessions) {
            *sum += visitors;
        }
        self
    }

    /// Returns the number of visitors that were seen before the window.
    pub fn returning(&self) -> u64 {
        self.unique.saturating_sub(self.new)
    }
}

/// Counts the visitors of a shard.
fn count(shard: usize, sessions: &[Dealt], seen: &[Dealt]) -> Audience {
    let all: usize = sessions.iter().map(|part| part.shard(shard).len()).sum();
    let mut visitors = Visitors::with_capacity_and_hasher(all, Spread);
    let mut audience = Audience::default();
    for hash in sessions.iter().flat_map(|part| part.shard(shard)) {
        let sessions = visitors.entry(*hash).or_insert_with(|| {
            // Known by a session alone, and so new.
            audience.new += (*hash & 1) as u64;
            0
        });
        *sessions = (*sessions + 1).min(FIRST_SEEN - 1);
    }
    for hash in seen.iter().flat_map(|part| part.shard(shard)) {
        if let Some(sessions) = visitors.get_mut(hash)
            && *sessions & FIRST_SEEN == 0
        {
            *sessions |= FIRST_SEEN;
            audience.new += 1;
        }
    }
    audience.unique = visitors.len() as u64;
    for sessions in visitors.values() {
        let sessions = (sessions & !FIRST_SEEN) as usize;
        if let Some(sum) = audience.by_sessions.get_mut(sessions.clamp(1, OFTEN) - 1) {
            *sum += 1;
        }
    }
    audience
}

/// Returns the visitors that were first seen in the window, with sessions in it or without.
fn first_seen(tables: &dyn Tables, query: &Query) -> Result<Vec<Dealt>> {
    let (start, end) = query.window.times(tables.zone());
    // The index holds the hashes of all chatbots' visitors; those that are not asked about meet
    // no session.
    let columns = ["hash_high", "hash_low", "first_seen_at"];
    map_frames(tables, Table::Visitors, Some(query.window.range()), &columns, |_, frame| {
        let (high, low) = (ints(frame, "hash_high")?, ints(frame, "hash_low")?);
        let seen = ints(frame, "first_seen_at")?;
        let mut hashes = Vec::with_capacity(frame.height());
        for row in 0..frame.height() {
            if seen.get(row).is_some_and(|time| start <= time && time < end) {
                let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
                hashes.push((u128::from(high) << 64 | u128::from(low)) & !1);
            }
        }
        Ok(Dealt::of(&hashes))
    })
}

/// Deals the visitors of all sessions of the window out to the shards.
fn deal_all(tables: &dyn Tables, query: &Query) -> Result<Vec<Dealt>> {
    let days = Some(query.window.range());
    let columns = query.columns(&["chatbot_id", "anonymous_id"]);
    let parts = map_frames(tables, Table::Sessions, days, &columns, |_, frame| anonymous(frame, query))?;
    let (mut dealt, nameless): (Vec<Dealt>, Vec<Vec<u32>>) = parts.into_iter().unzip();
    // Most sessions have an anonymous id. The other ids are long columns, and read only for those
    // that have none.
    if nameless.iter().any(|rows| !rows.is_empty()) {
        let columns = ["chatbot_id", "user_id", "session_id"];
        dealt.extend(map_frames(tables, Table::Sessions, days, &columns, |place, frame| {
            others(frame, nameless.get(place).map_or(&[], Vec::as_slice))
        })?);
    }
    Ok(dealt)
}

/// Deals the visitors of a frame that have an anonymous id; returns the rows of those that have none.
fn anonymous(frame: &DataFrame, query: &Query) -> Result<(Dealt, Vec<u32>)> {
    let selected = query.select(frame)?;
    let anonymous = texts(frame, "anonymous_id")?;
    let mut ids = Ids::of(frame)?;
    let mut hashes = Vec::with_capacity(selected.rows.len());
    let mut nameless = Vec::new();
    for &row in &selected.rows {
        match anonymous.get(row as usize) {
            Some(id) => hashes.push(visitor(&mut ids, row as usize, KeyKind::Anonymous, id)),
            None => nameless.push(row),
        }
    }
    Ok((Dealt::of(&hashes), nameless))
}

/// Deals the visitors of some rows of a frame that have no anonymous id.
fn others(frame: &DataFrame, rows: &[u32]) -> Result<Dealt> {
    let (users, sessions) = (texts(frame, "user_id")?, texts(frame, "session_id")?);
    let mut ids = Ids::of(frame)?;
    let mut hash = |row: usize| match users.get(row) {
        Some(id) => visitor(&mut ids, row, KeyKind::User, id),
        None => visitor(&mut ids, row, KeyKind::Session, sessions.get(row).unwrap_or("")),
    };
    let hashes: Vec<u128> = rows.iter().map(|row| hash(*row as usize)).collect();
    Ok(Dealt::of(&hashes))
}
