//! Strings and user agents that many events share. All runs refer to a single copy in memory.
//!
//! A string that occurs several times in a block probably occurs in other blocks too. Both
//! collections have a maximum size; strings and user agents that do not fit are stored in the
//! segments.

use std::collections::HashMap;
use std::sync::Arc;

use super::texts::TextHasher;
use crate::event::{Block, TextId, TextPool, UserAgent};
use crate::prehashed::PreHashed;

/// Minimum number of occurrences of a shared string in a block.
const MIN_TIMES: u8 = 4;
/// Maximum number of shared strings, and their total size in bytes.
const MAX_TEXTS: (usize, usize) = (1 << 14, 2 << 20);
/// Maximum number of shared user agents, and the total size of their strings in bytes.
const MAX_AGENTS: (usize, usize) = (1 << 12, 1 << 20);

/// The shared strings and user agents.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub texts: TextPool,
    text_ids: HashMap<u128, u32, PreHashed>,
    pub agents: Vec<Arc<UserAgent>>,
    agent_ids: HashMap<u128, u32, PreHashed>,
    agent_bytes: usize,
}

/// The shared strings and user agents of a block, by their ids in the block; `None` for those that
/// are not shared.
pub(super) struct SharedIds {
    pub texts: Vec<Option<u32>>,
    pub agents: Vec<Option<u32>>,
}

/// Returns the strings of a block that occur often enough to be shared, with their hashes.
pub(super) fn frequent_texts(block: &Block, hasher: TextHasher) -> Vec<(TextId, u128)> {
    let mut counts = vec![0u8; block.texts.count()];
    for id in block.rows.iter().flat_map(|row| row.text.iter().chain([&row.triggered_by])) {
        if let Some(count) = counts.get_mut(id.0 as usize) {
            *count = count.saturating_add(1);
        }
    }
    let ids = (0..).map(TextId).zip(counts).filter(|(_, count)| *count >= MIN_TIMES);
    ids.filter_map(|(id, _)| Some((id, hasher.hash(block.text(id)?)))).collect()
}

impl Shared {
    /// Shares the frequent strings and the user agents of a block, up to the maximum sizes.
    pub fn add(&mut self, block: &Block, frequent: &[(TextId, u128)], hasher: TextHasher) -> SharedIds {
        let mut ids = SharedIds {
            texts: vec![None; block.texts.count()],
            agents: block.agents.iter().map(|agent| self.add_agent(agent, hasher)).collect(),
        };
        for (id, hash) in frequent {
            if let Some(shared) = ids.texts.get_mut(id.0 as usize) {
                *shared = self.add_text(*hash, block.text(*id).unwrap_or_default());
            }
        }
        ids
    }

    fn add_text(&mut self, hash: u128, text: &str) -> Option<u32> {
        if let Some(id) = self.text_ids.get(&hash) {
            return Some(*id);
        }
        let fits = self.texts.count() < MAX_TEXTS.0 && self.texts.as_str().len() + text.len() <= MAX_TEXTS.1;
        let id = if fits { self.texts.push(text)?.0 } else { return None };
        self.text_ids.insert(hash, id);
        Some(id)
    }

    fn add_agent(&mut self, agent: &Arc<UserAgent>, hasher: TextHasher) -> Option<u32> {
        let hash = hasher.hash(&agent.user_agent);
        if let Some(id) = self.agent_ids.get(&hash) {
            // The hash covers only the user agent string, so the classification is compared too.
            return self.agents.get(*id as usize).filter(|known| *known == agent).map(|_| *id);
        }
        let bytes = self.agent_bytes + agent.user_agent.len();
        if self.agents.len() >= MAX_AGENTS.0 || bytes > MAX_AGENTS.1 {
            return None;
        }
        self.agent_bytes = bytes;
        let id = self.agents.len() as u32;
        self.agents.push(agent.clone());
        self.agent_ids.insert(hash, id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DeviceType, EventRow, TextField};

    fn agent(user_agent: String) -> Arc<UserAgent> {
        Arc::new(UserAgent {
            user_agent,
            browser_name: None,
            browser_version: None,
            os_name: None,
            os_version: None,
            device_type: DeviceType::Unknown,
            is_bot: false,
        })
    }

    #[test]
    fn frequent_strings_are_shared_between_blocks() {
        let hasher = TextHasher::default();
        let mut shared = Shared::default();
        let block = |texts: [&str; 3]| {
            let mut block = Block::default();
            for (text, times) in texts.into_iter().zip([4, 3, 5]) {
                let mut row = EventRow::EMPTY;
                row.set(TextField::EventName, block.texts.push(text).unwrap());
                block.rows.extend(std::iter::repeat_n(row, times));
            }
            block.agents.push(agent(texts[0].to_owned()));
            block
        };
        let mut add = |block: &Block| shared.add(block, &frequent_texts(block, hasher), hasher);
        let first = add(&block(["a", "b", "c"]));
        assert_eq!((first.texts, first.agents), (vec![Some(0), None, Some(1)], vec![Some(0)]));
        let second = add(&block(["c", "b", "d"]));
        assert_eq!((second.texts, second.agents), (vec![Some(1), None, Some(2)], vec![Some(1)]));
        assert_eq!(add(&block(["a", "c", "b"])).agents, [Some(0)]);
    }

    #[test]
    fn shared_strings_and_agents_have_a_maximum_size() {
        let hasher = TextHasher::default();
        let mut shared = Shared::default();
        let mut block = Block::default();
        for n in 0..20_000 {
            let mut row = EventRow::EMPTY;
            row.set(TextField::EventName, block.texts.push(&n.to_string()).unwrap());
            block.rows.extend([row; 4]);
            block.agents.push(agent(n.to_string()));
        }
        let frequent = frequent_texts(&block, hasher);
        assert_eq!(frequent.len(), 20_000);
        let ids = shared.add(&block, &frequent, hasher);
        let count = |ids: &[Option<u32>]| ids.iter().flatten().count();
        assert_eq!((count(&ids.texts), count(&ids.agents)), (MAX_TEXTS.0, MAX_AGENTS.0));
        let long = "x".repeat(MAX_TEXTS.1);
        assert_eq!(Shared::default().add_text(1, &format!("{long}y")), None);
        assert_eq!(Shared::default().add_agent(&agent(long), hasher), None);
    }
}
