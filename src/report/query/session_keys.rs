//! Hashes of session keys and visitor ids, which link rows of different tables.

use rayon::prelude::*;

use super::Query;
use super::view_cache::mix;
use crate::error::Result;
use crate::event::{KeyKind, chatbot_seed, id_hash};
use crate::store::frame::{Frame, Texts};
use crate::time::Micros;

/// The number of chatbots whose seeds are cached.
const CACHED_CHATBOTS: usize = 16;

/// Hashes ids within their chatbot.
///
/// The seed of a chatbot is cached, since many rows share it.
pub(crate) struct IdHasher<'a> {
    chatbots: &'a Texts,
    /// The tokens of chatbots with the seeds for their ids.
    cache: [(u128, u64); CACHED_CHATBOTS],
}

impl<'a> IdHasher<'a> {
    /// Returns a hasher for the rows of a frame with the column `chatbot_id`.
    pub fn new(frame: &'a Frame) -> Result<IdHasher<'a>> {
        Ok(IdHasher { chatbots: frame.texts("chatbot_id")?, cache: [(0, 0); CACHED_CHATBOTS] })
    }

    /// Returns the 128-bit hash of an id within a row's chatbot. It equals that of
    /// [`session_key_hash`](crate::event::session_key_hash).
    pub fn hash(&mut self, row: usize, kind: KeyKind, value: &str) -> u128 {
        let token = self.chatbots.token(row).unwrap_or(0);
        let seed = match self.cache.get_mut((mix(token) >> 60) as usize) {
            Some((cached, seed)) if *cached == token && token != 0 => *seed,
            slot => {
                let seed = chatbot_seed(self.chatbots.get(row).unwrap_or(""));
                if let Some(slot) = slot {
                    *slot = (token, seed);
                }
                seed
            }
        };
        id_hash(seed, kind, value)
    }
}

/// The columns of a frame of sessions or events that make up session keys.
pub(crate) struct SessionKeys<'a> {
    hasher: IdHasher<'a>,
    session_ids: &'a Texts,
    /// The anonymous ids and the user ids.
    visitor_ids: Option<(&'a Texts, &'a Texts)>,
}

impl<'a> SessionKeys<'a> {
    /// Returns the session keys of a frame. With `visitor_ids`, rows without a session id have the
    /// key of their anonymous or user id.
    pub fn new(frame: &'a Frame, visitor_ids: bool) -> Result<SessionKeys<'a>> {
        let columns = || Ok((frame.texts("anonymous_id")?, frame.texts("user_id")?));
        Ok(SessionKeys {
            hasher: IdHasher::new(frame)?,
            session_ids: frame.texts("session_id")?,
            visitor_ids: if visitor_ids { Some(columns()?) } else { None },
        })
    }

    /// Returns the tokens of a row's chatbot and session id, which are equal only for equal keys;
    /// `None` without a session id.
    #[inline]
    pub fn tokens(&self, row: usize) -> Option<(u128, u128)> {
        Some((self.hasher.chatbots.token(row)?, self.session_ids.token(row)?))
    }

    /// Returns the hash of a row's session key; `None` if its id is not among the columns.
    pub fn hash(&mut self, row: usize) -> Option<u128> {
        if let Some(id) = self.session_ids.get(row) {
            return Some(self.hasher.hash(row, KeyKind::Session, id));
        }
        let (anonymous_ids, user_ids) = self.visitor_ids?;
        match (anonymous_ids.get(row), user_ids.get(row)) {
            (Some(id), _) => Some(self.hasher.hash(row, KeyKind::Anonymous, id)),
            (None, Some(id)) => Some(self.hasher.hash(row, KeyKind::User, id)),
            (None, None) => None,
        }
    }
}

/// The visitors of a frame of sessions: anonymous id, else user id, else session key.
pub(crate) struct VisitorKeys<'a> {
    hasher: IdHasher<'a>,
    ids: [(KeyKind, &'a Texts); 3],
}

impl<'a> VisitorKeys<'a> {
    /// Returns the visitors of a frame with the columns of all ids.
    pub fn new(frame: &'a Frame) -> Result<VisitorKeys<'a>> {
        let ids = [
            (KeyKind::Anonymous, frame.texts("anonymous_id")?),
            (KeyKind::User, frame.texts("user_id")?),
            (KeyKind::Session, frame.texts("session_id")?),
        ];
        Ok(VisitorKeys { hasher: IdHasher::new(frame)?, ids })
    }

    /// Returns the hash of a row's visitor; `None` without any id.
    pub fn hash(&mut self, row: usize) -> Option<u128> {
        let (kind, id) = self.ids.iter().find_map(|(kind, ids)| Some((*kind, ids.get(row)?)))?;
        Some(self.hasher.hash(row, kind, id))
    }
}

/// A value of each session that a report needs in addition to key and times.
pub(crate) trait SessionValues: Sync {
    /// The type of the value.
    type Value: Send + 'static;

    /// Returns the columns that the value is computed from.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns a function from the rows of a frame to values. `number` is the number of the frame.
    /// Sessions without a value are left out.
    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, Self::Value>>;
}

/// A function from the rows of a frame to values.
pub(crate) type BoundValues<'f, T> = Box<dyn FnMut(usize) -> Option<T> + 'f>;

/// No values.
pub(crate) struct NoValues;

impl SessionValues for NoValues {
    type Value = ();

    fn columns(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn bind<'f>(&self, _: usize, _: &'f Frame) -> Result<BoundValues<'f, ()>> {
        Ok(Box::new(|_| Some(())))
    }
}

/// A value for each session of a read, by session number. The values of each frame stay where they
/// are: copying those of a month takes as long as reading them, and is not parallel.
pub(crate) struct PerSession<T> {
    /// The values of each frame.
    frames: Vec<Vec<T>>,
    /// The number after the last session of each frame.
    ends: Vec<usize>,
}

impl<T> PerSession<T> {
    /// Returns the values of frames, in the order of the session numbers.
    pub fn new(frames: Vec<Vec<T>>) -> PerSession<T> {
        let ends = frames.iter().scan(0, |end, frame| {
            *end += frame.len();
            Some(*end)
        });
        PerSession { ends: ends.collect(), frames }
    }

    /// Returns the number of sessions.
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Returns the value of a session; `None` for a number that no session has.
    #[inline]
    pub fn get(&self, number: usize) -> Option<&T> {
        let frame = self.ends.partition_point(|end| *end <= number);
        let start = frame.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(0));
        self.frames.get(frame)?.get(number - start)
    }

    /// Iterates over the values in the order of the session numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.frames.iter().flatten()
    }
}

impl<T: Sync> PerSession<T> {
    /// Iterates over the values in parallel.
    pub fn par_iter(&self) -> impl ParallelIterator<Item = &T> {
        self.frames.par_iter().flat_map_iter(|frame| frame)
    }
}

/// The sessions of a frame that a query selects, as key hashes and intervals.
pub(crate) struct SessionIntervals<T> {
    /// The key hash, and the times of the first and the last event.
    pub sessions: Vec<(u128, Micros, Micros)>,
    /// The number of events of each session, including pruned ones.
    pub event_counts: Vec<u32>,
    /// The value of each session.
    pub values: Vec<T>,
    /// Whether sessions without a session id are missing because visitor ids were not read.
    pub needs_visitor_ids: bool,
    /// The number of bot sessions, whether included or not.
    pub bots: u64,
}

impl<T: Send + 'static> SessionIntervals<T> {
    /// Collects the sessions of a numbered frame. With `visitor_ids`, includes sessions without a
    /// session id.
    pub fn new(
        (number, frame): (usize, &Frame),
        query: &Query,
        visitor_ids: bool,
        values: &dyn SessionValues<Value = T>,
    ) -> Result<SessionIntervals<T>> {
        let mut keys = SessionKeys::new(frame, visitor_ids)?;
        let (started, ended) = (frame.ints("started_at")?, frame.ints("ended_at")?);
        let event_counts = frame.ints("event_count")?;
        let selected = query.select(frame)?;
        let mut value = values.bind(number, frame)?;
        let mut intervals = SessionIntervals {
            sessions: Vec::with_capacity(selected.rows.len()),
            event_counts: Vec::with_capacity(selected.rows.len()),
            values: Vec::with_capacity(selected.rows.len()),
            needs_visitor_ids: false,
            bots: selected.bots,
        };
        for &row in &selected.rows {
            let row = row as usize;
            match (keys.hash(row), started.get(row), ended.get(row)) {
                (Some(key), Some(start), Some(end)) => {
                    if let Some(value) = value(row) {
                        intervals.sessions.push((key, start, end));
                        let events = u32::try_from(event_counts.or_zero(row)).unwrap_or(u32::MAX);
                        intervals.event_counts.push(events);
                        intervals.values.push(value);
                    }
                }
                _ => intervals.needs_visitor_ids |= !visitor_ids,
            }
        }
        Ok(intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_a_session_is_found_by_its_number() {
        let values = PerSession::new(vec![vec![], vec![10, 11], vec![], vec![12], vec![]]);
        assert_eq!(values.len(), 3);
        let found: Vec<Option<i32>> = (0..5).map(|number| values.get(number).copied()).collect();
        assert_eq!(found, [Some(10), Some(11), Some(12), None, None]);
        assert!(values.iter().eq(&[10, 11, 12]));
        assert_eq!(PerSession::<i32>::new(Vec::new()).get(0), None);
    }

    use crate::event::session_key_hash;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};

    #[test]
    fn id_hash_equals_key_hash_of_the_event() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        let chatbots = ["shop", "docs", "a chatbot with a long name", "shop", ""];
        chatbots.iter().for_each(|chatbot| builder.row(&[("chatbot_id", Cell::Text(chatbot))]));
        let frame = builder.finish().unwrap();
        let mut hasher = IdHasher::new(&frame).unwrap();
        for (row, chatbot) in chatbots.iter().enumerate() {
            for kind in [KeyKind::Session, KeyKind::Anonymous, KeyKind::User] {
                for value in ["", "v", "a value of more than sixteen bytes"] {
                    assert_eq!(hasher.hash(row, kind, value), session_key_hash(chatbot, kind, value));
                }
            }
        }
    }
}
