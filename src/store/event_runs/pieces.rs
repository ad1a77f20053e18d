//! Divides the events of all runs into pieces: time ranges that fit into memory.

use super::segment::SegmentInfo;
use crate::time::{DAY, Day, Micros};

/// Returns the end of the piece that begins at `start` and takes about `memory` bytes; `None` if
/// there are no segments. The segments are sorted by their first time, and each ends at `start` or
/// later.
///
/// A piece ends at the end of a UTC date, so that the files of a date are written once. Only a date
/// that is larger than a piece is divided.
pub(super) fn end_of_piece<'a>(
    mut segments: impl Iterator<Item = &'a SegmentInfo>,
    start: Micros,
    memory: usize,
) -> Option<Micros> {
    let mut next = segments.next();
    let first = next?.times.0.max(start);
    let mut size = 0;
    while let Some(segment) = next {
        let (from, to) = segment.times;
        if size >= memory && from > first {
            let date = Micros::from(Day::utc(from).0) * DAY;
            return Some(if date > first { date } else { from });
        }
        // Estimate the part of the segment from `start` on, assuming evenly distributed times.
        let (left, all) = (to.abs_diff(from.max(start)) + 1, to.abs_diff(from) + 1);
        size += (segment.memory as u128 * u128::from(left) / u128::from(all)) as usize;
        next = segments.next();
    }
    Some(Micros::MAX)
}
