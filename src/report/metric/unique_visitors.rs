//! The different visitors of a window, and which of them are new.
//!
//! A visitor is a session's anonymous id, else its user id, else its session id, within one
//! chatbot. They are told apart by 69 bits of hash: 63 are kept, and six choose one of the shards that the visitors
//! are spread over, so that each is counted without waiting for the others. That two of ten million visitors
//! are taken for one happens in one of ten million reports. It costs in proportion to the sessions, and most of
//! it is memory that the kernel has to clear: 128 bits would be twice as much.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::event::KeyKind;
use crate::report::query::Query;
use crate::report::query::keys::Ids;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// The shards that visitors are dealt out to, by their hash: so many that each fits into a
/// processor's cache.
const SHARDS: usize = 64;

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

/// What is kept of a visitor's hash: its upper half, but for the lowest bit, which tells that the visitor is known
/// by a session id alone.
type Kept = u64;

/// Hashes by shard, of all files.
struct Dealt(Vec<Mutex<Vec<Kept>>>);

impl Dealt {
    /// Makes room for so many hashes. What is not used of it is never touched, and costs nothing.
    fn with_capacity(hashes: usize) -> Dealt {
        let each = hashes / SHARDS + hashes / SHARDS / 4 + 8;
        Dealt((0..SHARDS).map(|_| Mutex::new(Vec::with_capacity(each))).collect())
    }

    /// Begins to deal the hashes of a file.
    fn dealer(&self) -> Dealer<'_> {
        Dealer { dealt: self, hands: vec![[0; HAND]; SHARDS], held: [0; SHARDS] }
    }

    fn into_shards(self) -> Vec<Vec<Kept>> {
        self.0.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// Hashes that a dealer holds of each shard: so many that threads seldom want the same shard, so few that those
/// of all shards fit into a processor's cache.
const HAND: usize = 64;

/// Deals hashes out to their shards, a handful at a time.
struct Dealer<'d> {
    dealt: &'d Dealt,
    hands: Vec<[Kept; HAND]>,
    held: [usize; SHARDS],
}

impl Dealer<'_> {
    /// Deals the hash of a visitor, who is known by a session id alone or is not.
    #[inline]
    fn push(&mut self, hash: u128, by_session: bool) {
        // The table below uses the upper half, so the lower one is free to choose the shard.
        let shard = hash as usize % SHARDS;
        let kept = (hash >> 64) as Kept & !1 | Kept::from(by_session);
        let (Some(hand), Some(held)) = (self.hands.get_mut(shard), self.held.get_mut(shard)) else { return };
        if let Some(place) = hand.get_mut(*held) {
            *place = kept;
            *held += 1;
        }
        if *held == HAND {
            self.give(shard);
        }
    }

    fn give(&mut self, shard: usize) {
        let Some(held) = self.held.get_mut(shard).map(std::mem::take) else { return };
        if let (Some(hand), Some(shard)) = (self.hands.get(shard), self.dealt.0.get(shard)) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.extend_from_slice(hand.get(..held).unwrap_or_default());
        }
    }

    /// Gives away what is held.
    fn finish(mut self) {
        (0..SHARDS).for_each(|shard| self.give(shard));
    }
}

impl Audience {
    /// Counts the visitors of a window.
    pub fn of(tables: &dyn Tables, query: &Query) -> Result<Audience> {
        let (dealt, seen) = rayon::join(|| deal_all(tables, query), || first_seen(tables, query));
        let (dealt, seen) = (dealt?.into_shards(), seen?.into_shards());
        let shards = dealt.into_par_iter().zip(seen).with_max_len(4);
        Ok(shards.map(|(sessions, seen)| count(&sessions, &seen)).reduce(Audience::default, Audience::add))
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

/// The places of visitors' first sessions, each and one, in a table by hash: 0 where there is none. It is a
/// fraction of a map of the hashes themselves, and stays in the processor's cache.
struct Places {
    table: Vec<u32>,
    /// By how much a hash is shifted to become a place in the table.
    shift: u32,
}

impl Places {
    /// Makes a table for so many sessions, at most half of it used.
    fn for_sessions(sessions: usize) -> Places {
        let size = (sessions * 2).next_power_of_two().max(2);
        Places { table: vec![0; size], shift: u64::BITS - size.trailing_zeros() }
    }

    /// Returns the place of the first session of a visitor's, which is `none` where there is no other: no less
    /// than that of any in the table. `there` makes it known.
    ///
    /// Whether a visitor came before cannot be foreseen, and to guess wrong takes a processor longer than all
    /// the rest: so that is no branch.
    #[inline]
    fn first(&mut self, hash: Kept, sessions: &[Kept], none: usize, there: bool) -> usize {
        let mut slot = (hash >> self.shift) as usize;
        while let Some(place) = self.table.get_mut(slot) {
            let first = (place.wrapping_sub(1) as usize).min(none);
            if first == none && !there {
                break;
            }
            if sessions.get(first) == Some(&hash) {
                *place = first as u32 + 1;
                return first;
            }
            // Of another one: further on, and behind the end from the beginning again.
            slot = (slot + 1) & (self.table.len() - 1);
        }
        none
    }
}

/// Counts the visitors of a shard: of its sessions, and of those that were first seen in the window.
fn count(sessions: &[Kept], seen: &[Kept]) -> Audience {
    let mut audience = Audience::default();
    let mut places = Places::for_sessions(sessions.len());
    // By the place of a visitor's first session, how many there are.
    let mut counts = vec![0u32; sessions.len()];
    for (place, hash) in sessions.iter().enumerate() {
        let first = places.first(*hash, sessions, place, true);
        let is_first = u64::from(first == place);
        audience.unique += is_first;
        // Known by a session alone, and so new.
        audience.new += is_first & *hash;
        if let Some(count) = counts.get_mut(first) {
            *count += 1;
        }
    }
    let mut by_sessions = [0; OFTEN + 1];
    for count in &counts {
        if let Some(sum) = by_sessions.get_mut((*count as usize).min(OFTEN)) {
            *sum += 1;
        }
    }
    // Further sessions of a visitor have none to count.
    let [_, by_sessions @ ..] = by_sessions;
    audience.by_sessions = by_sessions;
    for hash in seen {
        // Each counts once, also where the index names it twice.
        let first = places.first(*hash, sessions, sessions.len(), false);
        if counts.get_mut(first).is_some_and(|count| std::mem::take(count) > 0) {
            audience.new += 1;
        }
    }
    audience
}

/// Returns the visitors that were first seen in the window, with sessions in it or without.
fn first_seen(tables: &dyn Tables, query: &Query) -> Result<Dealt> {
    let times = query.window.times(tables.zone());
    // The index holds the hashes of all chatbots' visitors; those that are not asked about meet
    // no session.
    let days = query.window.range();
    let dealt = Dealt::with_capacity(tables.rows(Table::Visitors, Some(days)));
    tables.read_first_seen(days, times.within, &|frame, all_in_time| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let seen = if all_in_time { None } else { Some(frame.ints("first_seen_at")?) };
        let mut dealer = dealt.dealer();
        for row in 0..frame.height() {
            if seen.as_ref().is_none_or(|seen| seen.get(row).is_some_and(|time| times.contain(time))) {
                let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
                dealer.push(u128::from(high) << 64 | u128::from(low), false);
            }
        }
        dealer.finish();
        Ok(())
    })?;
    Ok(dealt)
}

/// Deals the visitors of all sessions of the window out to the shards.
fn deal_all(tables: &dyn Tables, query: &Query) -> Result<Dealt> {
    let days = Some(query.window.range());
    let columns = query.columns(&["chatbot_id", "anonymous_id"]);
    let dealt = Dealt::with_capacity(tables.rows(Table::Sessions, days));
    let nameless = map_frames(tables, Table::Sessions, days, &columns, |_, frame| {
        anonymous(frame, query, dealt.dealer())
    })?;
    // Most sessions have an anonymous id. The other ids are long columns, and read only for those
    // that have none.
    if nameless.iter().any(|rows| !rows.is_empty()) {
        let columns = ["chatbot_id", "user_id", "session_id"];
        tables.read_each(Table::Sessions, days, &columns, &|place, frame| {
            others(frame, nameless.get(place).map_or(&[], Vec::as_slice), dealt.dealer())
        })?;
    }
    Ok(dealt)
}

/// Deals the visitors of a frame that have an anonymous id; returns the rows of those that have none.
fn anonymous(frame: &Frame, query: &Query, mut dealer: Dealer) -> Result<Vec<u32>> {
    let selected = query.select(frame)?;
    let anonymous = frame.texts("anonymous_id")?;
    let mut ids = Ids::of(frame)?;
    let mut nameless = Vec::new();
    for &row in &selected.rows {
        match anonymous.get(row as usize) {
            Some(id) => dealer.push(ids.hash(row as usize, KeyKind::Anonymous, id), false),
            None => nameless.push(row),
        }
    }
    dealer.finish();
    Ok(nameless)
}

/// Deals the visitors of some rows of a frame that have no anonymous id.
fn others(frame: &Frame, rows: &[u32], mut dealer: Dealer) -> Result<()> {
    let (users, sessions) = (frame.texts("user_id")?, frame.texts("session_id")?);
    let mut ids = Ids::of(frame)?;
    for &row in rows {
        let row = row as usize;
        match users.get(row) {
            Some(id) => dealer.push(ids.hash(row, KeyKind::User, id), false),
            None => dealer.push(ids.hash(row, KeyKind::Session, sessions.get(row).unwrap_or("")), true),
        }
    }
    dealer.finish();
    Ok(())
}
