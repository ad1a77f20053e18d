//! Differences of neighbours: Parquet's `DELTA_BINARY_PACKED`.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>: times and lengths are written
//! so. The smaller the pieces that share a width, the fewer of them have to bear with a wide gap.

use super::hybrid::pack;
use super::varint;

/// Numbers of a block, which share their least difference.
const BLOCK: usize = 128;
/// Numbers of a piece of a block, which share the width of their differences.
const PIECE: usize = 32;

/// Encodes numbers behind what stands there.
pub fn encode(out: &mut Vec<u8>, numbers: &[i64]) {
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
        let least = differences[..count].iter().copied().min().unwrap_or(0);
        // What fills the last piece is not read, and is to take no room.
        differences[count..].fill(least);
        zigzag(out, least);
        let above = |difference: &i64| difference.wrapping_sub(least) as u64;
        let mut widths = [0u8; BLOCK / PIECE];
        for (width, piece) in widths.iter_mut().zip(differences.chunks(PIECE)) {
            let all = piece.iter().fold(0, |all, difference| all | above(difference));
            *width = (u64::BITS - all.leading_zeros()) as u8;
        }
        out.extend_from_slice(&widths);
        for (width, piece) in widths.iter().zip(differences.chunks(PIECE)) {
            pack(out, piece.iter().map(above), u32::from(*width));
        }
    }
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
        encode(&mut out, &[7, 5, 3, 1, 2, 3, 4, 5]);
        let header = [128, 1, 4, 8, 14];
        let block = [3, 2, 0, 0, 0];
        // 0, 0, 0, 3, 3, 3, 3 in two bits each, and zeros to the end of the piece.
        let piece = [0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0];
        assert_eq!(out, [&header[..], &block, &piece].concat());
    }
}
