//! The distinct visitors of each chatbot, counted for all chatbots together.
//!
//! With very many chatbots, a separate count for each would spend most of its time on reading files
//! and on allocating tables. As in [`visitor_shards`](super::visitor_shards), the visitors are
//! divided into shards, and each shard is counted separately.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::unique_visitors::{BITS, MAX_SESSIONS, UniqueVisitors, partition_first_seen};
use super::visitor_shards::{SHARDS, ShardEntry, shard_entry};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::chatbots::ChatbotIndex;
use crate::report::query::session_keys::VisitorKeys;
use crate::report::query::tables::Tables;
use crate::store::columns::Table;

/// The visitor of a session, as in a shard, and the number of its chatbot.
type Visit = (ShardEntry, u32);

/// The counts of one chatbot: unique visitors, new ones, and visitors by their number of sessions.
type Counts = [AtomicU64; 2 + MAX_SESSIONS];

/// Counts the visitors of a window for each chatbot of an index.
pub(crate) fn count(tables: &dyn Tables, query: &Query, index: &ChatbotIndex) -> Result<Vec<UniqueVisitors>> {
    let (visits, first_seen) =
        rayon::join(|| partition_visits(tables, query, index), || partition_first_seen(tables, query));
    let (visits, first_seen) = (visits?, first_seen?.into_shards());
    let counts: Vec<Counts> = (0..index.len()).map(|_| Default::default()).collect();
    visits.into_par_iter().zip(first_seen).for_each(|(mut visits, mut first_seen)| {
        first_seen.sort_unstable();
        visits.sort_unstable();
        // A visitor belongs to one chatbot.
        for sessions in visits.chunk_by(|a, b| a.0 == b.0) {
            let Some((entry, chatbot)) = sessions.first().copied() else { continue };
            let is_session = entry & 1 == 1;
            if let Some([unique, new, by_sessions @ ..]) = counts.get(chatbot as usize) {
                unique.fetch_add(1, Relaxed);
                new.fetch_add(u64::from(is_session || first_seen.binary_search(&entry).is_ok()), Relaxed);
                let class = by_sessions.get(sessions.len().min(MAX_SESSIONS) - 1);
                class.into_iter().for_each(|visitors| _ = visitors.fetch_add(1, Relaxed));
            }
        }
    });
    let count = |[unique, new, by_sessions @ ..]: Counts| UniqueVisitors {
        unique: unique.into_inner(),
        new: new.into_inner(),
        by_sessions: by_sessions.map(AtomicU64::into_inner),
    };
    Ok(counts.into_iter().map(count).collect())
}

/// Returns the visits of each shard.
fn partition_visits(tables: &dyn Tables, query: &Query, index: &ChatbotIndex) -> Result<Vec<Vec<Visit>>> {
    let shards: Vec<Mutex<Vec<Visit>>> = (0..SHARDS).map(|_| Mutex::default()).collect();
    let columns = query.columns(&["chatbot_id", "anonymous_id", "user_id", "session_id"]);
    tables.read_each(Table::Sessions, Some(query.window.range()), &columns, &|_, frame| {
        let chatbots = frame.texts("chatbot_id")?;
        let (anonymous_ids, user_ids) = (frame.texts("anonymous_id")?, frame.texts("user_id")?);
        let mut visitors = VisitorKeys::new(frame)?;
        let mut of_file: Vec<(usize, Visit)> = Vec::with_capacity(frame.height());
        // A file is ordered by chatbot.
        let mut last = None;
        for row in query.select(frame)?.rows {
            let row = row as usize;
            let number = match last {
                Some((token, number)) if token == chatbots.token(row) => number,
                _ => chatbots.get(row).and_then(|chatbot| index.get(chatbot)),
            };
            last = Some((chatbots.token(row), number));
            let (Some(number), Some(hash)) = (number, visitors.hash(row)) else { continue };
            // The lowest bit marks a visitor that is known only by a session key.
            let is_session = anonymous_ids.get(row).is_none() && user_ids.get(row).is_none();
            let (shard, entry) = shard_entry(hash, BITS, u64::from(is_session));
            of_file.push((shard, (entry, number)));
        }
        of_file.sort_unstable_by_key(|(shard, _)| *shard);
        for visits in of_file.chunk_by(|a, b| a.0 == b.0) {
            let shard = visits.first().and_then(|(shard, _)| shards.get(*shard));
            if let Some(shard) = shard {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.extend(visits.iter().map(|(_, visit)| *visit));
            }
        }
        Ok(())
    })?;
    Ok(shards.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}
