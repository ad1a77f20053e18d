//! The visitors of a window, and the goals that each of them reached.
//!
//! Visitors are distinguished by the 128-bit hash of their id. A visitor takes about 40 bytes. The
//! shards are resized one at a time, so peak memory stays near the final size.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use crate::error::Result;
use crate::report::query::session_keys::{BoundValues, SessionValues, VisitorKeys};
use crate::store::frame::Frame;

/// The number of shards of most reports.
pub(super) const SHARDS: usize = 64;

/// The goals of each visitor, as bits.
type Goals = HashMap<u128, u32>;

/// The visitors of a window with the goals that they reached.
pub(super) struct Converters(Vec<Mutex<Goals>>);

impl Converters {
    /// Returns no visitors. With many groups, each group has one shard, because empty shards take
    /// memory.
    pub fn with_shards(shards: usize) -> Converters {
        Converters((0..shards.max(1)).map(|_| Mutex::default()).collect())
    }

    /// Adds goals to those of a visitor.
    pub fn add(&self, visitor: u128, goals: u32) {
        // The lower bits select the shard; the map hashes the whole value.
        if let Some(shard) = self.0.get(visitor as usize % self.0.len()) {
            *shard.lock().unwrap_or_else(PoisonError::into_inner).entry(visitor).or_default() |= goals;
        }
    }

    /// Returns the number of visitors, and the number of visitors that reached each of `goals`
    /// goals.
    pub fn count(&self, goals: usize) -> (u64, Vec<u64>) {
        let (mut visitors, mut converters) = (0, vec![0; goals]);
        for shard in &self.0 {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            visitors += shard.len() as u64;
            for bits in shard.values() {
                for (number, count) in converters.iter_mut().enumerate() {
                    *count += u64::from(bits >> number & 1);
                }
            }
        }
        (visitors, converters)
    }
}

/// Identifies the visitor of each session.
pub(super) struct SessionVisitors;

impl SessionValues for SessionVisitors {
    type Value = u128;

    fn columns(&self) -> Vec<&'static str> {
        vec!["anonymous_id", "user_id"]
    }

    fn bind<'f>(&self, _: usize, frame: &'f Frame) -> Result<BoundValues<'f, u128>> {
        let mut keys = VisitorKeys::new(frame)?;
        Ok(Box::new(move |row| keys.hash(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_that_differ_in_one_bit_count_separately() {
        let converters = Converters::with_shards(SHARDS);
        for bit in 0..128 {
            converters.add(1 << bit, 0);
            converters.add(1 << bit, u32::from(bit % 2 == 0) | 2);
        }
        assert_eq!(converters.count(3), (128, vec![64, 128, 0]));
    }
}
