//! The first-seen index to the `visitors` table, and back.

use polars::prelude::DataFrame;

use super::build::{self, Reader};
use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::VISITORS;
use crate::time::{Day, Micros};

/// The columns by which an entry is found.
pub const HASH_COLUMNS: [&str; 2] = ["hash_high", "hash_low"];
/// The columns by which it is found whether an entry is known, and since when.
pub const FIND_COLUMNS: [&str; 3] = ["hash_high", "hash_low", "first_seen_at"];

/// One entry of the first-seen index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visitor {
    /// The chatbot.
    pub chatbot_id: String,
    /// [`KeyKind::Anonymous`] or [`KeyKind::User`].
    pub kind: KeyKind,
    /// The anonymous id or user id.
    pub id: String,
    /// Time of the earliest event.
    pub first_seen_at: Micros,
    /// The day that counts it as new by sessions that were pruned.
    pub counted_new_on: Option<Day>,
}

impl Visitor {
    /// Returns the hash by which the entry is found.
    pub fn hash(&self) -> u128 {
        session_key_hash(&self.chatbot_id, self.kind, &self.id)
    }
}

/// Makes a frame of entries, in the order given.
pub fn frame(visitors: &[Visitor]) -> Result<DataFrame> {
    let rows = visitors.len();
    let hashes: Vec<u128> = visitors.iter().map(Visitor::hash).collect();
    let columns = VISITORS
        .iter()
        .map(|column| match column.name {
            name @ "chatbot_id" => {
                build::text(name, rows, visitors.iter().map(|v| Some(v.chatbot_id.as_str())))
            }
            name @ "id_kind" => build::text(
                name,
                rows,
                visitors.iter().map(|v| Some(if v.kind == KeyKind::User { "user" } else { "anonymous" })),
            ),
            name @ "visitor_id" => build::text(name, rows, visitors.iter().map(|v| Some(v.id.as_str()))),
            name @ "first_seen_at" => build::timestamp(name, visitors.iter().map(|v| v.first_seen_at)),
            name @ "hash_high" => build::int64(name, hashes.iter().map(|h| (h >> 64) as i64)),
            name @ "hash_low" => build::int64(name, hashes.iter().map(|&h| h as i64)),
            // "counted_new_on": the definition has no other column.
            name => build::date_option(name, visitors.iter().map(|v| v.counted_new_on.map(|day| day.0))),
        })
        .collect();
    build::frame(rows, VISITORS, columns)
}

/// Returns the hash and first-seen time of each row; the frame needs the [`FIND_COLUMNS`].
pub fn hashes(frame: &DataFrame) -> Result<impl Iterator<Item = (u128, Micros)>> {
    let times = Reader(frame).int64("first_seen_at")?;
    Ok(hashes_alone(frame)?.zip(times.iter()).map(|(hash, time)| (hash, time.unwrap_or(0))))
}

/// Returns the hash of each row; the frame needs the [`HASH_COLUMNS`].
pub fn hashes_alone(frame: &DataFrame) -> Result<impl Iterator<Item = u128>> {
    let reader = Reader(frame);
    let (high, low) = (reader.int64("hash_high")?, reader.int64("hash_low")?);
    let number = |n: Option<i64>| u128::from(n.unwrap_or(0) as u64);
    Ok(high.iter().zip(low.iter()).map(move |(high, low)| (number(high) << 64) | number(low)))
}

/// The columns by which it is found who is counted as new by sessions that were pruned.
pub const COUNTED_COLUMNS: [&str; 4] = ["chatbot_id", "hash_high", "hash_low", "counted_new_on"];

/// Returns the chatbot, hash and day of each entry that sessions count as new that were pruned; the
/// frame needs the [`COUNTED_COLUMNS`].
pub fn counted(frame: &DataFrame) -> Result<impl Iterator<Item = (&str, u128, Day)>> {
    let (chatbots, days) = (Reader(frame).text("chatbot_id")?, Reader(frame).int32("counted_new_on")?);
    let rows = chatbots.iter().zip(hashes_alone(frame)?).zip(days.iter());
    Ok(rows.filter_map(|((chatbot, hash), day)| Some((chatbot?, hash, Day(day?)))))
}

/// Reads a frame of whole rows back into entries.
pub fn read(frame: &DataFrame) -> Result<Vec<Visitor>> {
    let reader = Reader(frame);
    let (chatbots, kinds, ids) =
        (reader.text("chatbot_id")?, reader.text("id_kind")?, reader.text("visitor_id")?);
    let (times, counted) = (reader.int64("first_seen_at")?, reader.int32("counted_new_on")?);
    Ok((0..frame.height())
        .map(|i| Visitor {
            chatbot_id: chatbots.get(i).unwrap_or("").to_owned(),
            kind: if kinds.get(i) == Some("user") { KeyKind::User } else { KeyKind::Anonymous },
            id: ids.get(i).unwrap_or("").to_owned(),
            first_seen_at: times.get(i).unwrap_or(0),
            counted_new_on: counted.get(i).map(Day),
        })
        .collect())
}
