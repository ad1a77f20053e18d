//! What is made of a chatbot, once for all of a block's events that name it.

use std::collections::HashMap;

use crate::event::{Event, TextField};
use crate::prehashed::PreHashed;

/// Values by chatbot, for events that go to and fro between a few: which it is, is told by the number of its
/// text, and the text, which lies anywhere in memory, is not looked at again.
///
/// The blocks of the events are to stay where they are for as long as it is used.
#[derive(Debug)]
pub struct PerChatbot<V>(HashMap<u128, V, PreHashed>);

impl<V> Default for PerChatbot<V> {
    fn default() -> Self {
        PerChatbot(HashMap::with_hasher(PreHashed))
    }
}

impl<V> PerChatbot<V> {
    /// Returns the value of an event's chatbot; makes it where it is not known.
    #[inline]
    pub fn get<'a>(&mut self, event: &Event<'a>, make: impl FnOnce(&'a str) -> V) -> &V {
        let block = std::ptr::from_ref(event.block) as usize as u128;
        let key = block << 64 | u128::from(event.row.get(TextField::ChatbotId).0);
        self.0.entry(key).or_insert_with(|| make(event.chatbot_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Block, EventRow};

    #[test]
    fn a_chatbot_is_asked_about_once_a_block() {
        let mut blocks = [Block::default(), Block::default()];
        for (block, chatbots) in blocks.iter_mut().zip([["a", "b"], ["b", "a"]]) {
            for chatbot in chatbots {
                let mut row = EventRow::EMPTY;
                row.set(TextField::ChatbotId, block.texts.push(chatbot).unwrap());
                block.rows.push(row);
            }
        }
        let (mut asked, mut known) = (Vec::new(), PerChatbot::default());
        for block in blocks.iter().chain(&blocks) {
            for row in &block.rows {
                let event = block.event(row);
                let value = known.get(&event, |chatbot| {
                    asked.push(chatbot);
                    format!("of {chatbot}")
                });
                assert_eq!(*value, format!("of {}", event.chatbot_id()));
            }
        }
        assert_eq!(asked, ["a", "b", "b", "a"]);
    }
}
