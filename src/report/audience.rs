//! The different visitors of a window, and which of them are new.
//!
//! A visitor is a session's anonymous id, else its user id, else its session id, within one
//! chatbot. Visitors are told apart by 128 bits of hash, spread over shards so that each is
//! counted without waiting for the others: it costs in proportion to the sessions.

use hashbrown::{HashMap, HashSet};
use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::query::Query;
use super::tables::Tables;
use crate::error::Result;
use crate::event::{KeyKind, key_hash};
use crate::store::columns::Table;
use crate::store::frame::{ints, texts};

/// The shards that visitors are dealt out to, by their hash.
const SHARDS: usize = 8;

/// The different visitors of a window, each with how many sessions it had.
pub struct Audience {
    shards: Vec<HashMap<u128, u32, Spread>>,
    /// Different visitors.
    pub unique: u64,
    /// Those that were first seen in the window, or are known only by a session.
    pub new: u64,
}

/// Keys are hashes already: their lower half is as good as any other.
#[derive(Clone, Copy, Default)]
struct Spread;

struct Lower(u64);

impl std::hash::BuildHasher for Spread {
    type Hasher = Lower;
    fn build_hasher(&self) -> Lower {
        Lower(0)
    }
}

impl std::hash::Hasher for Lower {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }
    fn write_u128(&mut self, hash: u128) {
        self.0 = (hash >> 64) as u64;
    }
}

/// The columns of sessions that say who the visitor is, and of which chatbot.
const WHO: [&str; 4] = ["chatbot_id", "anonymous_id", "user_id", "session_id"];

/// What one frame of sessions adds: its visitors by shard; those known by a session id alone are
/// marked in the lowest bit of the hash.
type Dealt = Vec<Vec<u128>>;

/// Returns the hash of a visitor: even, but odd where it is known by a session id alone.
fn visitor(chatbot: &str, kind: KeyKind, value: &str) -> u128 {
    key_hash(chatbot, kind, value) & !1 | u128::from(kind == KeyKind::Session)
}

fn shard(hash: u128) -> usize {
    // The map below uses the upper half, so the lower one is free to choose the shard.
    (hash >> 1) as usize % SHARDS
}

impl Audience {
    /// Counts the visitors of a window.
    pub fn of(tables: &dyn Tables, query: &Query) -> Result<Audience> {
        // Session ids are long and all different: they are read only where a session has no other.
        let days = Some(query.window.range());
        let [chatbot, anonymous, user, _] = WHO;
        let frames = tables.read(Table::Sessions, days, &query.columns(&[chatbot, anonymous, user]))?;
        let dealt: Option<Vec<Dealt>> =
            frames.par_iter().map(|frame| deal(frame, query, false)).collect::<Result<_>>()?;
        let dealt = match dealt {
            Some(dealt) => dealt,
            None => {
                let frames = tables.read(Table::Sessions, days, &query.columns(&WHO))?;
                let all: Vec<Option<Dealt>> =
                    frames.par_iter().map(|frame| deal(frame, query, true)).collect::<Result<_>>()?;
                all.into_iter().flatten().collect()
            }
        };
        let shards: Vec<HashMap<u128, u32, Spread>> = (0..SHARDS)
            .into_par_iter()
            .map(|shard| {
                let all = || dealt.iter().filter_map(|dealt| dealt.get(shard)).flatten();
                let mut visitors = HashMap::with_capacity_and_hasher(all().count() / 2, Spread);
                for hash in all() {
                    let sessions: &mut u32 = visitors.entry(*hash).or_default();
                    *sessions = sessions.saturating_add(1);
                }
                visitors
            })
            .collect();
        let mut audience = Audience { unique: 0, new: 0, shards };
        audience.unique = audience.shards.iter().map(|shard| shard.len() as u64).sum();
        audience.new = audience.count_new(tables, query)?;
        Ok(audience)
    }

    /// Returns the number of visitors that were seen before the window.
    pub fn returning(&self) -> u64 {
        self.unique.saturating_sub(self.new)
    }

    /// Returns how many sessions each visitor had, in no order.
    pub fn sessions(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().flat_map(|shard| shard.values().copied())
    }

    fn count_new(&self, tables: &dyn Tables, query: &Query) -> Result<u64> {
        let by_session_alone: u64 =
            self.shards.iter().flat_map(|shard| shard.keys()).filter(|hash| *hash & 1 == 1).count() as u64;
        if self.unique == 0 {
            return Ok(0);
        }
        let (start, end) = query.window.times(tables.zone());
        let columns = ["chatbot_id", "id_kind", "visitor_id", "first_seen_at"];
        let frames = tables.read(Table::Visitors, Some(query.window.range()), &columns)?;
        let found = frames
            .par_iter()
            .map(|frame| {
                let mut asked = query.asked(frame)?;
                let (chatbots, kinds) = (texts(frame, "chatbot_id")?, texts(frame, "id_kind")?);
                let (ids, seen) = (texts(frame, "visitor_id")?, ints(frame, "first_seen_at")?);
                let mut found = Vec::new();
                for row in 0..frame.height() {
                    if !seen.get(row).is_some_and(|time| start <= time && time < end) || !asked.contains(row)
                    {
                        continue;
                    }
                    let kind = match kinds.get(row) {
                        Some("anonymous") => KeyKind::Anonymous,
                        Some("user") => KeyKind::User,
                        _ => continue,
                    };
                    let hash = visitor(chatbots.get(row).unwrap_or(""), kind, ids.get(row).unwrap_or(""));
                    if self.shards.get(shard(hash)).is_some_and(|visitors| visitors.contains_key(&hash)) {
                        found.push(hash);
                    }
                }
                Ok(found)
            })
            .collect::<Result<Vec<Vec<u128>>>>()?;
        // Within one state a visitor is in one row; a second one would only repeat it.
        let one_file = found.iter().filter(|found| !found.is_empty()).count() <= 1;
        let by_id = match one_file {
            true => found.iter().map(Vec::len).sum(),
            false => found.into_iter().flatten().collect::<HashSet<u128, Spread>>().len(),
        };
        Ok(by_session_alone + by_id as u64)
    }
}

/// Deals the visitors of a frame out to the shards; `None` where one is known by its session id
/// alone and that is not at hand.
fn deal(frame: &DataFrame, query: &Query, with_sessions: bool) -> Result<Option<Dealt>> {
    let selected = query.select(frame)?;
    let [chatbot, anonymous, user, session] = WHO;
    let chatbots = texts(frame, chatbot)?;
    let (anonymous, users) = (texts(frame, anonymous)?, texts(frame, user)?);
    let sessions = if with_sessions { Some(texts(frame, session)?) } else { None };
    let hash = |row, kind, id| visitor(chatbots.get(row).unwrap_or(""), kind, id);
    let mut dealt = vec![Vec::with_capacity(selected.rows.len() / SHARDS * 5 / 4); SHARDS];
    for &row in &selected.rows {
        let row = row as usize;
        let hash = match (anonymous.get(row), users.get(row), &sessions) {
            (Some(id), ..) => hash(row, KeyKind::Anonymous, id),
            (None, Some(id), _) => hash(row, KeyKind::User, id),
            (None, None, Some(sessions)) => hash(row, KeyKind::Session, sessions.get(row).unwrap_or("")),
            (None, None, None) => return Ok(None),
        };
        if let Some(shard) = dealt.get_mut(shard(hash)) {
            shard.push(hash);
        }
    }
    Ok(Some(dealt))
}
