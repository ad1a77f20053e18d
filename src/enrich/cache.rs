//! User agents that were read already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::agent::Agent;

const SHARDS: usize = 16;

/// The memory that a shard may hold before it starts anew, in bytes: 32 MiB for all of them, room for
/// some 100,000 user agents of usual length.
const SHARD_LIMIT: usize = 2 << 20;

/// What an agent takes beside its user agent, in bytes, roughly.
const OVERHEAD: usize = 192;

/// A map from user agents to what they say, for many threads, bounded in memory.
///
/// When a shard is full it is emptied: logs with so many user agents repeat few of them, and a rule
/// for which to keep would cost more than reading one again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// By the hash of the user agent; of two with one hash, the later one stays.
    agents: HashMap<u64, Arc<Agent>>,
    held: usize,
}

impl Cache {
    /// Returns the agent, reading it by `read` where it is not known yet.
    pub fn get(&self, user_agent: &str, read: impl FnOnce() -> Agent) -> Arc<Agent> {
        let hash = xxh3_64(user_agent.as_bytes());
        let Some(shard) = self.shards.get(hash as usize % SHARDS) else { return Arc::new(read()) };
        if let Some(agent) = lock(shard).agents.get(&hash)
            && agent.user_agent == user_agent
        {
            return Arc::clone(agent);
        }
        // Read without the lock: two threads may do so at once, and both get the same.
        let agent = Arc::new(read());
        let size = user_agent.len() + OVERHEAD;
        if size <= SHARD_LIMIT / 16 {
            let mut shard = lock(shard);
            if shard.held + size > SHARD_LIMIT {
                *shard = Shard::default();
            }
            shard.held += size;
            shard.agents.insert(hash, Arc::clone(&agent));
        }
        agent
    }
}

/// Locks a shard; one whose holder panicked is as good as any.
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
    fn a_user_agent_is_read_once() {
        let cache = Cache::default();
        let first = cache.get("a", || agent("a"));
        let again = cache.get("a", || unreachable!("it is known"));
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn the_cache_is_bounded_in_memory() {
        let cache = Cache::default();
        for number in 0..200_000 {
            let text = format!("agent {number} {}", "x".repeat(200));
            cache.get(&text, || agent(&text));
        }
        let held: usize = cache.shards.iter().map(|shard| lock(shard).held).sum();
        assert!(held <= SHARDS * SHARD_LIMIT, "{held}");
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
