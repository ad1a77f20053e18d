//! Numbers out of the differences of neighbours: the other way round of `encode::delta`.

use super::rle_hybrid::unpack;

/// Adds exactly so many numbers to `out`. Returns what stands behind them; `None` where the bytes make no
/// sense.
pub fn decode<'a>(bytes: &'a [u8], count: usize, out: &mut Vec<i64>) -> Option<&'a [u8]> {
    let (block, rest) = super::varint(bytes)?;
    let (pieces, rest) = super::varint(rest)?;
    let (claimed, rest) = super::varint(rest)?;
    let (first, mut rest) = super::varint(rest)?;
    let (block, pieces) = (usize::try_from(block).ok()?, usize::try_from(pieces).ok()?);
    let piece = block.checked_div(pieces)?;
    if claimed != count as u64 || piece == 0 || piece % 8 != 0 || piece * pieces != block {
        return None;
    }
    let mut left = count;
    if left == 0 {
        return Some(rest);
    }
    let mut last = super::zigzag(first);
    out.push(last);
    left -= 1;
    while left > 0 {
        let (least, after) = super::varint(rest)?;
        let least = super::zigzag(least);
        let (widths, after) = after.split_at_checked(pieces)?;
        rest = after;
        for &width in widths {
            // The pieces behind the last number have a width and no numbers.
            if left == 0 {
                break;
            }
            let bits = u32::from(width);
            if bits > u64::BITS {
                return None;
            }
            let (packed, after) = rest.split_at_checked((piece / 8).checked_mul(bits as usize)?)?;
            rest = after;
            let times = piece.min(left);
            unpack(packed, bits, times, |eight, there| {
                let numbers = eight.map(|above| {
                    last = last.wrapping_add(least).wrapping_add(above as i64);
                    last
                });
                // What fills up the last eight is of no number, and nothing comes after it.
                out.extend_from_slice(&numbers[..there]);
            });
            left -= times;
        }
    }
    Some(rest)
}
