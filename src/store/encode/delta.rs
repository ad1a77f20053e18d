//! Differences of neighbours: Parquet's `DELTA_BINARY_PACKED`.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>: times and lengths are written
//! so. The smaller the pieces that share a width, the fewer of them have to bear with a wide gap.

use super::rle_hybrid::pack;
use super::varint;
use crate::store::columns::Table;

/// Numbers of a block, which share their least difference.
const BLOCK: usize = 128;
/// Numbers of a piece of a block, which share the width of their differences.
const PIECE: usize = 32;

/// The widest differences that all get one width: of the times of a day.
const EVEN: u32 = 40;

/// How numbers follow each other, on which it depends what compresses well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Some are near each other and some are not, for a while each: a piece is as wide as it has to be.
    Alike,
    /// Small steps and large ones by turns, as of events, session after session: nearly every piece has a large one,
    /// and all are as wide as that. So all are of whole bytes, in which Zstandard finds what the small ones have in
    /// common: a tenth less than by pieces.
    Mixed,
}

impl Steps {
    /// Returns how the times in a table follow each other.
    pub fn of(table: Table) -> Steps {
        match table {
            Table::Events => Steps::Mixed,
            Table::Sessions | Table::DailyStats | Table::Visitors => Steps::Alike,
        }
    }
}

/// Encodes numbers behind what stands there.
pub fn encode(out: &mut Vec<u8>, numbers: &[i64], steps: Steps) {
    let even = if steps == Steps::Mixed { even(numbers) } else { None };
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / PIECE) as u64);
    varint(out, numbers.len() as u64);
    zigzag(out, numbers.first().copied().unwrap_or(0));
    let mut differences = [0i64; BLOCK];
    for from in (1..numbers.len()).step_by(BLOCK) {
        let block = &numbers[from - 1..numbers.len().min(from + BLOCK)];
        let count = block.len() - 1;
        for (difference, pair) in differences.iter_mut().zip(block.windows(2)) {
            *difference = pair[1].wrapping_sub(pair[0]);
        }
        let differences = &mut differences[..count.next_multiple_of(PIECE)];
        let least = match even {
            Some((least, _)) => least,
            None => differences[..count].iter().copied().min().unwrap_or(0),
        };
        // What fills the last piece is not read, and is to take no room.
        differences[count..].fill(least);
        zigzag(out, least);
        let above = |difference: &i64| difference.wrapping_sub(least) as u64;
        let mut widths = [0u8; BLOCK / PIECE];
        for (width, piece) in widths.iter_mut().zip(differences.chunks(PIECE)) {
            let all = piece.iter().fold(0, |all, difference| all | above(difference));
            *width = even.map_or((u64::BITS - all.leading_zeros()) as u8, |(_, width)| width);
        }
        out.extend_from_slice(&widths);
        for (width, piece) in widths.iter().zip(differences.chunks(PIECE)) {
            pack(out, piece.iter().map(above), u32::from(*width));
        }
    }
}

/// Returns the least difference of neighbours, and how wide all are above it, in whole bytes; `None` where that is
/// too wide, or no bit.
fn even(numbers: &[i64]) -> Option<(i64, u8)> {
    let differences = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (least, greatest) = (differences.clone().min()?, differences.max()?);
    let bits = u64::BITS - (greatest.wrapping_sub(least) as u64).leading_zeros();
    (1..=EVEN).contains(&bits).then_some((least, bits.next_multiple_of(8) as u8))
}

fn zigzag(out: &mut Vec<u8>, number: i64) {
    varint(out, ((number << 1) ^ (number >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_description() {
        // 7, 5, 3, 1, 2, 3, 4, 5: differences from -2 to 1, of which the least is taken off.
        let mut out = Vec::new();
        encode(&mut out, &[7, 5, 3, 1, 2, 3, 4, 5], Steps::Alike);
        let header = [128, 1, 4, 8, 14];
        let block = [3, 2, 0, 0, 0];
        // 0, 0, 0, 3, 3, 3, 3 in two bits each, and zeros to the end of the piece.
        let piece = [0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, [&header[..], &block, &piece].concat());
    }

    #[test]
    fn mixed_steps_are_all_of_the_same_whole_bytes() {
        // 10, 11, 311, 12: 1, 300 and -299, above the least of which are 300, 599 and 0: two bytes each.
        let mut out = Vec::new();
        encode(&mut out, &[10, 11, 311, 12], Steps::Mixed);
        let header = [128, 1, 4, 4, 20];
        let least_and_widths = [0xd5, 4, 16, 0, 0, 0];
        let mut piece = vec![44, 1, 87, 2, 0, 0];
        piece.resize(64, 0);
        assert_eq!(out, [&header[..], &least_and_widths, &piece].concat());
    }

    #[test]
    fn steps_too_wide_or_without_a_difference_are_by_pieces() {
        for numbers in [&[0, 1 << 41, 0][..], &[5, 5, 5], &[i64::MIN, i64::MAX, 0], &[1], &[]] {
            let (mut mixed, mut alike) = (Vec::new(), Vec::new());
            encode(&mut mixed, numbers, Steps::Mixed);
            encode(&mut alike, numbers, Steps::Alike);
            assert_eq!(mixed, alike, "{numbers:?}");
        }
    }
}
