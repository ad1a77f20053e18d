//! Conversion of visitors to and from rows of the `visitors` table, which records when each visitor
//! was first seen.

use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Micros};

/// The columns of a visitor's hash.
pub const HASH_COLUMNS: [&str; 2] = ["hash_high", "hash_low"];
/// The columns of a visitor's hash and first-seen time.
pub const LOOKUP_COLUMNS: [&str; 3] = ["hash_high", "hash_low", "first_seen_at"];

/// A visitor: an id within one chatbot, and the time at which it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visitor {
    /// The chatbot.
    pub chatbot_id: String,
    /// [`KeyKind::Anonymous`] or [`KeyKind::User`].
    pub kind: KeyKind,
    /// The anonymous id or user id.
    pub id: String,
    /// Time of the earliest event with the id.
    pub first_seen_at: Micros,
    /// The day whose statistics count the visitor as new because of pruned sessions.
    pub counted_new_on: Option<Day>,
}

impl Visitor {
    /// Returns the hash of the visitor.
    pub fn hash(&self) -> u128 {
        session_key_hash(&self.chatbot_id, self.kind, &self.id)
    }
}

/// Returns a frame of visitors, in this order.
pub fn frame(visitors: &[Visitor]) -> Result<Frame> {
    let hashes: Vec<u128> = visitors.iter().map(Visitor::hash).collect();
    Frame::from_columns(Table::Visitors, visitors.len(), |name, column| match name {
        "chatbot_id" => visitors.iter().for_each(|v| column.text(Some(&v.chatbot_id))),
        "id_kind" => visitors.iter().for_each(|v| column.text(Some(kind_name(v.kind)))),
        "visitor_id" => visitors.iter().for_each(|v| column.text(Some(&v.id))),
        "first_seen_at" => visitors.iter().for_each(|v| column.int(Some(v.first_seen_at))),
        "hash_high" => hashes.iter().for_each(|hash| column.int(Some((hash >> 64) as i64))),
        "hash_low" => hashes.iter().for_each(|hash| column.int(Some(*hash as i64))),
        // "counted_new_on": the table has no other column.
        _ => visitors.iter().for_each(|v| column.int(v.counted_new_on.map(|day| i64::from(day.0)))),
    })
}

fn kind_name(kind: KeyKind) -> &'static str {
    if kind == KeyKind::User { "user" } else { "anonymous" }
}

/// Returns the hash of each visitor, and when it was first seen. The frame must have the
/// [`LOOKUP_COLUMNS`].
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn hashes_and_times(frame: &Frame) -> Result<impl Iterator<Item = (u128, Micros)>> {
    let times = frame.ints("first_seen_at")?;
    Ok(hashes(frame)?.zip(times.iter()).map(|(hash, time)| (hash, time.unwrap_or(0))))
}

/// Returns the hash of each visitor. The frame must have the [`HASH_COLUMNS`].
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn hashes(frame: &Frame) -> Result<impl Iterator<Item = u128>> {
    let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
    let number = |n: Option<i64>| u128::from(n.unwrap_or(0) as u64);
    Ok(high.iter().zip(low.iter()).map(move |(high, low)| (number(high) << 64) | number(low)))
}

/// The columns that [`counted_as_new`] needs.
pub const COUNTED_COLUMNS: [&str; 4] = ["chatbot_id", "hash_high", "hash_low", "counted_new_on"];

/// Returns the chatbot, hash and day of each visitor whom the statistics of a day count as new
/// because of pruned sessions. The frame must have the [`COUNTED_COLUMNS`].
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn counted_as_new(frame: &Frame) -> Result<impl Iterator<Item = (&str, u128, Day)>> {
    let (chatbots, days) = (frame.texts("chatbot_id")?, frame.ints("counted_new_on")?);
    let rows = chatbots.iter().zip(hashes(frame)?).enumerate();
    Ok(rows.filter_map(|(row, (chatbot, hash))| Some((chatbot?, hash, Day(days.get_i32(row)?)))))
}

/// Reads the visitors of a frame with all columns.
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn read(frame: &Frame) -> Result<Vec<Visitor>> {
    let (chatbots, kinds, ids) =
        (frame.texts("chatbot_id")?, frame.texts("id_kind")?, frame.texts("visitor_id")?);
    let (times, counted) = (frame.ints("first_seen_at")?, frame.ints("counted_new_on")?);
    Ok((0..frame.height())
        .map(|i| Visitor {
            chatbot_id: chatbots.get(i).unwrap_or("").to_owned(),
            kind: if kinds.get(i) == Some("user") { KeyKind::User } else { KeyKind::Anonymous },
            id: ids.get(i).unwrap_or("").to_owned(),
            first_seen_at: times.get(i).unwrap_or(0),
            counted_new_on: counted.get_i32(i).map(Day),
        })
        .collect())
}
