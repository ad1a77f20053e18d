//! A cache of classified user agents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::UserAgent;

const SHARDS: usize = 16;

/// Size in bytes at which a shard is emptied: 32 MiB in total, about 100,000 user agents of typical
/// length.
const SHARD_LIMIT: usize = 2 << 20;

/// Estimated bytes per entry in addition to the user agent itself.
const OVERHEAD: usize = 192;

/// A concurrent map from user agents to their classification, bounded in memory.
///
/// A full shard is emptied. Logs with that many user agents repeat few of them, so an eviction
/// policy would cost more than classifying them again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// Entries by the hash of the user agent. A hash collision replaces the earlier entry.
    user_agents: HashMap<u64, Arc<UserAgent>>,
    bytes: usize,
}

impl Cache {
    /// Returns the cached entry of a user agent, or calls `classify` and caches its result.
    pub fn get(&self, user_agent: &str, classify: impl FnOnce() -> UserAgent) -> Arc<UserAgent> {
        let hash = xxh3_64(user_agent.as_bytes());
        let Some(shard) = self.shards.get(hash as usize % SHARDS) else { return Arc::new(classify()) };
        if let Some(found) = lock(shard).user_agents.get(&hash)
            && found.user_agent == user_agent
        {
            return Arc::clone(found);
        }
        // Classify without the lock. Two threads may classify the same user agent; both get equal
        // results.
        let classified = Arc::new(classify());
        let size = user_agent.len() + OVERHEAD;
        if size <= SHARD_LIMIT / 16 {
            let mut shard = lock(shard);
            if shard.bytes + size > SHARD_LIMIT {
                *shard = Shard::default();
            }
            shard.bytes += size;
            shard.user_agents.insert(hash, Arc::clone(&classified));
        }
        classified
    }
}

/// Locks a shard. A shard is consistent even if a thread panicked while it held the lock.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DeviceType;

    fn unknown(text: &str) -> UserAgent {
        UserAgent {
            user_agent: text.to_owned(),
            browser_name: None,
            browser_version: None,
            os_name: None,
            os_version: None,
            device_type: DeviceType::Unknown,
            is_bot: false,
        }
    }

    #[test]
    fn repeated_user_agent_is_classified_once() {
        let cache = Cache::default();
        let first = cache.get("a", || unknown("a"));
        let again = cache.get("a", || unreachable!("cached"));
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn cache_stays_within_its_memory_limit() {
        let cache = Cache::default();
        for number in 0..200_000 {
            let text = format!("agent {number} {}", "x".repeat(200));
            cache.get(&text, || unknown(&text));
        }
        let bytes: usize = cache.shards.iter().map(|shard| lock(shard).bytes).sum();
        assert!(bytes <= SHARDS * SHARD_LIMIT, "{bytes}");
        let huge = "x".repeat(1 << 20);
        cache.get(&huge, || unknown(&huge));
        assert!(
            cache
                .shards
                .iter()
                .all(|shard| lock(shard).user_agents.values().all(|a| a.user_agent.len() < 1 << 18))
        );
    }
}
