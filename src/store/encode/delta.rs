//! Delta encoding of integers: Parquet's `DELTA_BINARY_PACKED`.
//!
//! Times and the lengths of strings are encoded like this. A block of deltas shares a minimum, and
//! each of its miniblocks has a bit width:
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

use super::rle_hybrid::pack;
use super::varint;
use crate::store::columns::Table;

/// Number of deltas in a block.
const BLOCK: usize = 128;
/// Number of deltas in a miniblock. The smaller a miniblock, the fewer deltas have the width of a
/// large one.
const MINIBLOCK: usize = 32;

/// Maximum bit width of uniform deltas: times of one day fit.
const MAX_UNIFORM_BITS: u32 = 40;

/// The bit widths of deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeltaWidth {
    /// Each miniblock has the width of its largest delta. For numbers with long stretches of small
    /// or of large deltas.
    PerMiniblock,
    /// All deltas have the same whole number of bytes. For times of events, which are ordered by
    /// session: nearly every miniblock has a large delta between two sessions. Zstandard compresses
    /// whole bytes better: the column is a tenth smaller than with a width per miniblock.
    Uniform,
}

impl DeltaWidth {
    /// Returns the widths of deltas for the times of a table.
    pub fn for_times(table: Table) -> DeltaWidth {
        match table {
            Table::Events => DeltaWidth::Uniform,
            Table::Sessions | Table::DailyStats | Table::Visitors => DeltaWidth::PerMiniblock,
        }
    }
}

/// Appends encoded numbers.
pub fn encode(out: &mut Vec<u8>, numbers: &[i64], width: DeltaWidth) {
    let uniform = if width == DeltaWidth::Uniform { uniform_width(numbers) } else { None };
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / MINIBLOCK) as u64);
    varint(out, numbers.len() as u64);
    zigzag(out, numbers.first().copied().unwrap_or(0));
    let mut deltas = [0i64; BLOCK];
    for from in (1..numbers.len()).step_by(BLOCK) {
        let block = &numbers[from - 1..numbers.len().min(from + BLOCK)];
        let count = block.len() - 1;
        for (delta, pair) in deltas.iter_mut().zip(block.windows(2)) {
            *delta = pair[1].wrapping_sub(pair[0]);
        }
        let deltas = &mut deltas[..count.next_multiple_of(MINIBLOCK)];
        let min = match uniform {
            Some((min, _)) => min,
            None => deltas[..count].iter().copied().min().unwrap_or(0),
        };
        // Readers ignore the padding of the last miniblock. It must not increase the width.
        deltas[count..].fill(min);
        zigzag(out, min);
        let above_min = |delta: &i64| delta.wrapping_sub(min) as u64;
        let mut widths = [0u8; BLOCK / MINIBLOCK];
        for (width, miniblock) in widths.iter_mut().zip(deltas.chunks(MINIBLOCK)) {
            let all = miniblock.iter().fold(0, |all, delta| all | above_min(delta));
            *width = uniform.map_or((u64::BITS - all.leading_zeros()) as u8, |(_, width)| width);
        }
        out.extend_from_slice(&widths);
        for (width, miniblock) in widths.iter().zip(deltas.chunks(MINIBLOCK)) {
            pack(out, miniblock.iter().map(above_min), u32::from(*width));
        }
    }
}

/// Returns the minimum delta, and the bit width of the differences from it, rounded up to whole
/// bytes. Returns `None` if all deltas are equal, or the width exceeds [`MAX_UNIFORM_BITS`].
fn uniform_width(numbers: &[i64]) -> Option<(i64, u8)> {
    let deltas = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (min, max) = (deltas.clone().min()?, deltas.max()?);
    let bits = u64::BITS - (max.wrapping_sub(min) as u64).leading_zeros();
    (1..=MAX_UNIFORM_BITS).contains(&bits).then_some((min, bits.next_multiple_of(8) as u8))
}

/// Appends a signed number as a zigzag variable-length integer.
pub(super) fn zigzag(out: &mut Vec<u8>, number: i64) {
    varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_specification_is_encoded() {
        // 7, 5, 3, 1, 2, 3, 4, 5: deltas from -2 to 1, minus the minimum -2.
        let mut out = Vec::new();
        encode(&mut out, &[7, 5, 3, 1, 2, 3, 4, 5], DeltaWidth::PerMiniblock);
        let header = [128, 1, 4, 8, 14];
        let block = [3, 2, 0, 0, 0];
        // 0, 0, 0, 3, 3, 3, 3 in two bits each, and zeros to the end of the miniblock.
        let miniblock = [0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, [&header[..], &block, &miniblock].concat());
    }

    #[test]
    fn uniform_deltas_have_the_same_whole_bytes() {
        // 10, 11, 311, 12: deltas 1, 300 and -299, above the minimum 300, 599 and 0: two bytes
        // each.
        let mut out = Vec::new();
        encode(&mut out, &[10, 11, 311, 12], DeltaWidth::Uniform);
        let header = [128, 1, 4, 4, 20];
        let min_and_widths = [0xd5, 4, 16, 0, 0, 0];
        let mut miniblock = vec![44, 1, 87, 2, 0, 0];
        miniblock.resize(64, 0);
        assert_eq!(out, [&header[..], &min_and_widths, &miniblock].concat());
    }

    #[test]
    fn wide_or_equal_deltas_have_a_width_per_miniblock() {
        for numbers in [&[0, 1 << 41, 0][..], &[5, 5, 5], &[i64::MIN, i64::MAX, 0], &[1], &[]] {
            let (mut uniform, mut per_miniblock) = (Vec::new(), Vec::new());
            encode(&mut uniform, numbers, DeltaWidth::Uniform);
            encode(&mut per_miniblock, numbers, DeltaWidth::PerMiniblock);
            assert_eq!(uniform, per_miniblock, "{numbers:?}");
        }
    }
}
