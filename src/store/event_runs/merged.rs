//! A block merged from the segments of several runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::shared::Shared;
use super::texts::{DistinctTexts, TextHasher};
use crate::error::Result;
use crate::event::{
    Block, DeviceType, EventRow, KeyKind, NO_AGENT, TextField, TextId, UserAgent, chatbot_seed, id_hash,
};
use crate::prehashed::PreHashed;
use crate::time::{Day, Micros};

/// Events of several runs, merged into one block.
#[derive(Debug)]
pub struct MergedEvents {
    /// The events; each distinct string is stored once.
    pub block: Block,
    /// Index of each event's input file.
    pub files: Vec<u32>,
    /// Number of distinct session keys.
    pub session_keys: usize,
    /// Whether the first event is the earliest of its UTC date.
    pub begins_date: bool,
}

impl MergedEvents {
    /// Returns the memory of the block, in bytes.
    pub fn memory(&self) -> usize {
        self.block.rows.capacity() * size_of::<EventRow>() + self.block.texts.capacity()
    }
}

/// A block to which segments are added.
#[derive(Debug)]
pub(super) struct MergedBlock<'s> {
    hasher: TextHasher,
    shared: &'s Shared,
    /// The ids in the block of shared strings; `None` for strings that it does not contain yet.
    shared_texts: Vec<Option<TextId>>,
    shared_agents: Vec<Option<u32>>,
    texts: DistinctTexts,
    rows: Vec<EventRow>,
    files: Vec<u32>,
    agents: Vec<Arc<UserAgent>>,
    /// Indexes of the user agents, by the ids of their strings and whether they are bots.
    agent_indexes: HashMap<([TextId; 6], bool), u32>,
    session_keys: HashSet<u128, PreHashed>,
    /// The chatbot of the latest event, and the seed of its keys.
    chatbot: (TextId, u64),
    /// Times of the earliest and the latest event.
    times: Option<(Micros, Micros)>,
}

impl<'s> MergedBlock<'s> {
    /// Creates an empty block for segments that refer to shared strings.
    pub fn new(hasher: TextHasher, shared: &'s Shared) -> MergedBlock<'s> {
        MergedBlock {
            hasher,
            shared,
            shared_texts: vec![None; shared.texts.count()],
            shared_agents: vec![None; shared.agents.len()],
            texts: DistinctTexts::default(),
            rows: Vec::new(),
            files: Vec::new(),
            agents: Vec::new(),
            agent_indexes: HashMap::new(),
            session_keys: HashSet::with_hasher(PreHashed),
            chatbot: (TextId::NONE, 0),
            times: None,
        }
    }

    /// Returns the UTC dates of the earliest and the latest event; `None` without events.
    pub fn dates(&self) -> Option<(Day, Day)> {
        self.times.map(|(earliest, latest)| (Day::utc(earliest), Day::utc(latest)))
    }

    /// Returns the memory of the block, in bytes.
    pub fn memory(&self) -> usize {
        self.rows.len() * size_of::<EventRow>() + self.texts.pool().size()
    }

    /// Returns the id of a string.
    ///
    /// # Errors
    /// Fails if the block is full.
    pub fn text_id(&mut self, text: &str) -> Result<TextId> {
        self.texts.id(self.hasher.hash(text), || Some(text))
    }

    /// Returns the id of a shared string.
    ///
    /// # Errors
    /// Fails if the block is full.
    #[inline]
    pub fn shared_text(&mut self, number: usize) -> Result<TextId> {
        if let Some(Some(id)) = self.shared_texts.get(number) {
            return Ok(*id);
        }
        let Some(text) = self.shared.texts.get(TextId(number as u32)) else { return Ok(TextId::NONE) };
        let id = self.text_id(text)?;
        self.shared_texts.get_mut(number).into_iter().for_each(|known| *known = Some(id));
        Ok(id)
    }

    /// Returns the index of a shared user agent.
    pub fn shared_agent(&mut self, number: usize) -> u32 {
        let (Some(known), Some(agent)) = (self.shared_agents.get_mut(number), self.shared.agents.get(number))
        else {
            return NO_AGENT;
        };
        *known.get_or_insert_with(|| {
            self.agents.push(agent.clone());
            self.agents.len() as u32 - 1
        })
    }

    /// Returns the index of a user agent, whose strings have the given ids.
    pub fn agent(&mut self, fields: [TextId; 6], is_bot: bool) -> u32 {
        let (texts, agents) = (&self.texts, &mut self.agents);
        *self.agent_indexes.entry((fields, is_bot)).or_insert_with(|| {
            let text = |id: TextId| texts.pool().get(id).map(str::to_owned);
            let [user_agent, browser_name, browser_version, os_name, os_version, device_type] =
                fields.map(text);
            agents.push(Arc::new(UserAgent {
                user_agent: user_agent.unwrap_or_default(),
                browser_name,
                browser_version,
                os_name,
                os_version,
                device_type: DeviceType::from_name(&device_type.unwrap_or_default()),
                is_bot,
            }));
            agents.len() as u32 - 1
        })
    }

    /// Adds an event. Its strings must be in the block.
    pub fn push(&mut self, mut row: EventRow, file: u32) {
        let texts = self.texts.pool();
        let text = |field: TextField| texts.get(row.get(field)).unwrap_or_default();
        let chatbot = row.get(TextField::ChatbotId);
        if self.chatbot.0 != chatbot || chatbot.is_none() {
            self.chatbot = (chatbot, chatbot_seed(text(TextField::ChatbotId)));
        }
        let kind: KeyKind = row.key_kind;
        row.key = id_hash(self.chatbot.1, kind, text(kind.field()));
        self.session_keys.insert(row.key);
        let (earliest, latest) = self.times.unwrap_or((row.time, row.time));
        self.times = Some((earliest.min(row.time), latest.max(row.time)));
        self.rows.push(row);
        self.files.push(file);
    }

    /// Returns the events.
    pub fn finish(self, begins_date: bool) -> MergedEvents {
        let block = Block { texts: self.texts.into_pool(), rows: self.rows, agents: self.agents };
        MergedEvents { block, files: self.files, session_keys: self.session_keys.len(), begins_date }
    }
}
