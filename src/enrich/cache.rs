//! A cache of parsed user agents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::agent::Agent;

const SHARDS: usize = 16;

/// Bytes at which a shard is emptied: 32 MiB in all, about 100,000 user agents of usual length.
const SHARD_LIMIT: usize = 2 << 20;

/// Estimated bytes per entry in addition to the text of the user agent.
const OVERHEAD: usize = 192;

/// A concurrent map from user agents to their parsed form, bounded in memory.
///
/// A full shard is emptied. Logs with that many user agents repeat few of them, so an eviction policy
/// would cost more than parsing again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// Entries by the hash of the user agent. A hash collision replaces the earlier entry.
    agents: HashMap<u64, Arc<Agent>>,
    bytes: usize,
}

impl Cache {
    /// Returns the cached entry of a user agent, or calls `parse` and caches its result.
    pub fn get(&self, user_agent: &str, parse: impl FnOnce() -> Agent) -> Arc<Agent> {
        let hash = xxh3_64(user_agent.as_bytes());
        let Some(shard) = self.shards.get(hash as usize % SHARDS) else { return Arc::new(parse()) };
        if let Some(agent) = lock(shard).agents.get(&hash)
            && agent.user_agent == user_agent
        {
            return Arc::clone(agent);
        }
        // Parse without the lock. Two threads may parse the same text; both get equal results.
        let agent = Arc::new(parse());
        let size = user_agent.len() + OVERHEAD;
        if size <= SHARD_LIMIT / 16 {
            let mut shard = lock(shard);
            if shard.bytes + size > SHARD_LIMIT {
                *shard = Shard::default();
            }
            shard.bytes += size;
            shard.agents.insert(hash, Arc::clone(&agent));
        }
        agent
    }
}

/// Locks a shard. A shard is consistent even if a thread panicked while it held the lock.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::DeviceType;

    fn agent(text: &str) -> Agent {
        Agent {
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
    fn repeated_user_agent_is_parsed_once() {
        let cache = Cache::default();
        let first = cache.get("a", || agent("a"));
        let again = cache.get("a", || unreachable!("cached"));
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn cache_stays_within_its_memory_limit() {
        let cache = Cache::default();
        for number in 0..200_000 {
            let text = format!("agent {number} {}", "x".repeat(200));
            cache.get(&text, || agent(&text));
        }
        let bytes: usize = cache.shards.iter().map(|shard| lock(shard).bytes).sum();
        assert!(bytes <= SHARDS * SHARD_LIMIT, "{bytes}");
        let huge = "x".repeat(1 << 20);
        cache.get(&huge, || agent(&huge));
        assert!(
            cache
                .shards
                .iter()
                .all(|shard| lock(shard).agents.values().all(|a| a.user_agent.len() < 1 << 18))
        );
    }
}
