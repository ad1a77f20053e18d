//! Finds rejected lines, and rejected events of an envelope, that are equal.
//!
//! One line of 1 MiB can be an envelope of half a million elements `1`. Hashing and retaining each
//! of them would take a hundred times as long as reading them, and the store keeps the first only.

use hashbrown::HashMap;

use super::RejectReason;

/// The longest line that is looked up. Hashing and retaining longer lines costs little per byte.
const MAX_LENGTH: usize = 128;

/// Number of rejected lines of a chunk that are retained even if they are equal, so that the first
/// lines of an ingest can be listed one by one.
const MIN_RETAINED: usize = 16;

/// The rejected lines of a chunk by their text.
#[derive(Debug, Default)]
pub(in crate::ingest::parse) struct RepeatedRejects {
    /// The position of the first line of each key, which consists of envelope, reason and text.
    first: HashMap<Box<[u8]>, usize>,
    /// The key that is looked up.
    key: Vec<u8>,
}

impl RepeatedRejects {
    /// Returns the position of the first line that equals this one. If there is none, returns
    /// `None` and records that this line is retained at `position`. `envelope` identifies the
    /// envelope of an event: its line, the offset of its record if several records share the line,
    /// and its position in the block, since a record can contain several envelopes.
    pub(in crate::ingest::parse) fn first(
        &mut self,
        envelope: Option<(u64, Option<u64>, u32)>,
        reason: RejectReason,
        bytes: &[u8],
        position: usize,
    ) -> Option<usize> {
        if bytes.len() > MAX_LENGTH || position < MIN_RETAINED {
            return None;
        }
        // Events inherit the ids of their envelope, so only events of the same envelope can be
        // equal. The line number 0 stands for no envelope.
        self.key.clear();
        self.key.push(reason as u8);
        let (line, offset, start) = envelope.unwrap_or_default();
        self.key.extend_from_slice(&line.to_le_bytes());
        self.key.extend_from_slice(&offset.unwrap_or(0).to_le_bytes());
        self.key.extend_from_slice(&start.to_le_bytes());
        self.key.extend_from_slice(bytes);
        if let Some(first) = self.first.get(self.key.as_slice()) {
            return Some(*first);
        }
        self.first.insert(self.key.as_slice().into(), position);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_lines_of_one_envelope_and_reason_repeat() {
        let mut repeats = RepeatedRejects::default();
        let (object, json) = (RejectReason::NotAnObject, RejectReason::NotJson);
        let first = Some((1, None, 0));
        assert_eq!(repeats.first(first, object, b"1", 3), None, "the first lines are retained");
        assert_eq!(repeats.first(first, object, b"1", 20), None);
        assert_eq!(repeats.first(first, object, b"1", 21), Some(20));
        for (envelope, reason, bytes) in [
            (Some((2, None, 0)), object, &b"1"[..]),
            (Some((1, Some(30), 0)), object, b"1"),
            (Some((1, None, 7)), object, b"1"),
            (None, object, b"1"),
            (first, json, b"1"),
            (first, object, b"11"),
            (first, object, b""),
        ] {
            assert_eq!(repeats.first(envelope, reason, bytes, 30), None, "{envelope:?} {reason} {bytes:?}");
            assert_eq!(repeats.first(envelope, reason, bytes, 31), Some(30));
        }
        let long = [b'1'; MAX_LENGTH + 1];
        assert_eq!(repeats.first(None, object, &long, 40), None);
        assert_eq!(repeats.first(None, object, &long, 41), None);
    }
}
