//! A cache of values per chatbot.

use std::collections::HashMap;

use crate::event::{Event, TextField};
use crate::prehashed::PreHashed;

/// Values by chatbot, for events that alternate between a few chatbots.
///
/// A chatbot is identified by the address of its block and its text id, so that its name is not
/// read again. The blocks of the events must therefore not move while the cache is in use.
#[derive(Debug)]
pub struct PerChatbot<V>(HashMap<u128, V, PreHashed>);

impl<V> Default for PerChatbot<V> {
    fn default() -> Self {
        PerChatbot(HashMap::with_hasher(PreHashed))
    }
}

impl<V> PerChatbot<V> {
    /// Returns the value of the event's chatbot; computes it if it is missing.
    #[inline]
    pub fn get_or_insert<'a>(&mut self, event: &Event<'a>, compute: impl FnOnce(&'a str) -> V) -> &V {
        let block = std::ptr::from_ref(event.block) as usize as u128;
        let key = block << 64 | u128::from(event.row.get(TextField::ChatbotId).0);
        self.0.entry(key).or_insert_with(|| compute(event.chatbot_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Block, EventRow};

    #[test]
    fn value_is_computed_once_per_block() {
        let mut blocks = [Block::default(), Block::default()];
        for (block, chatbots) in blocks.iter_mut().zip([["a", "b"], ["b", "a"]]) {
            for chatbot in chatbots {
                let mut row = EventRow::EMPTY;
                row.set(TextField::ChatbotId, block.texts.push(chatbot).unwrap());
                block.rows.push(row);
            }
        }
        let (mut computed, mut cache) = (Vec::new(), PerChatbot::default());
        for block in blocks.iter().chain(&blocks) {
            for row in &block.rows {
                let event = block.event(row);
                let value = cache.get_or_insert(&event, |chatbot| {
                    computed.push(chatbot);
                    format!("of {chatbot}")
                });
                assert_eq!(*value, format!("of {}", event.chatbot_id()));
            }
        }
        assert_eq!(computed, ["a", "b", "b", "a"]);
    }
}
