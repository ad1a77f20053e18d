//! Session keys as hashes: which session an event belongs to.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::Query;
use super::view_cache::mix;
use crate::error::Result;
use crate::event::KeyKind;
use crate::store::frame::{Frame, Texts};
use crate::time::Micros;

/// Chatbots that are remembered with their hash.
const CHATBOTS: usize = 16;

/// Hashes ids within their chatbot; a chatbot's part is worked out once for many rows.
pub(crate) struct Ids {
    chatbots: Texts,
    recent: [(u128, u64); CHATBOTS],
}

impl Ids {
    /// Finds the chatbots of a frame.
    pub fn of(frame: &Frame) -> Result<Ids> {
        Ok(Ids { chatbots: frame.texts("chatbot_id")?.clone(), recent: [(0, 0); CHATBOTS] })
    }

    /// Returns the hash of an id, the same as [`session_key_hash`](crate::event::session_key_hash) makes: no two of
    /// different chatbots, kinds or values have the same, by all likelihood.
    pub fn hash(&mut self, row: usize, kind: KeyKind, value: &str) -> u128 {
        let token = self.chatbots.token(row).unwrap_or(0);
        let seed = match self.recent.get_mut((mix(token) >> 60) as usize) {
            Some((seen, seed)) if *seen == token && token != 0 => *seed,
            place => {
                let seed = xxh3_64(self.chatbots.get(row).unwrap_or("").as_bytes());
                if let Some(place) = place {
                    *place = (token, seed);
                }
                seed
            }
        };
        xxh3_128_with_seed(value.as_bytes(), seed ^ ((kind as u64) << 1))
    }
}

/// The columns of a frame of sessions or events that its session keys are made of.
pub(crate) struct Keys {
    ids: Ids,
    sessions: Texts,
    others: Option<(Texts, Texts)>,
}

impl Keys {
    /// Finds the columns; with `others`, anonymous and user ids too.
    pub fn of(frame: &Frame, others: bool) -> Result<Keys> {
        let pair = || Ok((frame.texts("anonymous_id")?.clone(), frame.texts("user_id")?.clone()));
        Ok(Keys {
            ids: Ids::of(frame)?,
            sessions: frame.texts("session_id")?.clone(),
            others: if others { Some(pair()?) } else { None },
        })
    }

    /// Returns the tokens of a row's chatbot and session id: rows with the same ones have the same
    /// key. `None` where there is no session id.
    pub fn tokens(&self, row: usize) -> Option<(u128, u128)> {
        Some((self.ids.chatbots.token(row)?, self.sessions.token(row)?))
    }

    /// Returns the hash of a row's session key; `None` where its id is not at hand.
    pub fn hash(&mut self, row: usize) -> Option<u128> {
        if let Some(id) = self.sessions.get(row) {
            return Some(self.ids.hash(row, KeyKind::Session, id));
        }
        let (anonymous, users) = self.others.as_ref()?;
        match (anonymous.get(row), users.get(row)) {
            (Some(id), _) => Some(self.ids.hash(row, KeyKind::Anonymous, id)),
            (None, Some(id)) => Some(self.ids.hash(row, KeyKind::User, id)),
            (None, None) => None,
        }
    }
}

/// The sessions of a frame that a question is about.
pub(crate) struct Intervals {
    /// Key, first and last time.
    pub sessions: Vec<(u128, Micros, Micros)>,
    /// Some have no session id, and their other ids are not at hand.
    pub lacks_ids: bool,
    /// Robots' sessions, left out or not.
    pub bots: u64,
}

/// Returns the sessions of a frame that a question is about.
pub(crate) fn intervals(frame: &Frame, query: &Query, others: bool) -> Result<Intervals> {
    let mut keys = Keys::of(frame, others)?;
    let (started, ended) = (frame.ints("started_at")?, frame.ints("ended_at")?);
    let selected = query.select(frame)?;
    let mut all = Intervals {
        sessions: Vec::with_capacity(selected.rows.len()),
        lacks_ids: false,
        bots: selected.bots,
    };
    for &row in &selected.rows {
        let row = row as usize;
        match (keys.hash(row), started.get(row), ended.get(row)) {
            (Some(key), Some(start), Some(end)) => all.sessions.push((key, start, end)),
            _ => all.lacks_ids |= !others,
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::session_key_hash;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};

    #[test]
    fn ids_have_the_hashes_of_the_first_seen_index() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        let chatbots = ["shop", "docs", "a chatbot with a long name", "shop", ""];
        chatbots.iter().for_each(|chatbot| builder.row(&[("chatbot_id", Cell::Text(chatbot))]));
        let mut ids = Ids::of(&builder.finish().unwrap()).unwrap();
        for (row, chatbot) in chatbots.iter().enumerate() {
            for kind in [KeyKind::Session, KeyKind::Anonymous, KeyKind::User] {
                for value in ["", "v", "a value of more than sixteen bytes"] {
                    assert_eq!(ids.hash(row, kind, value), session_key_hash(chatbot, kind, value));
                }
            }
        }
    }
}
