//! Decoding of delta-encoded integers: the inverse of `encode::delta`.

use super::rle_hybrid::unpack;

/// Appends exactly `count` numbers to `out`. Returns the bytes after them; `None` if the bytes are
/// damaged.
pub fn decode<'a>(bytes: &'a [u8], count: usize, out: &mut Vec<i64>) -> Option<&'a [u8]> {
    let (block, rest) = super::varint(bytes)?;
    let (miniblocks, rest) = super::varint(rest)?;
    let (stated_count, rest) = super::varint(rest)?;
    let (first, mut rest) = super::varint(rest)?;
    let (block, miniblocks) = (usize::try_from(block).ok()?, usize::try_from(miniblocks).ok()?);
    let miniblock = block.checked_div(miniblocks)?;
    if stated_count != count as u64 || miniblock == 0 || miniblock % 8 != 0 || miniblock * miniblocks != block
    {
        return None;
    }
    let mut remaining = count;
    if remaining == 0 {
        return Some(rest);
    }
    let mut last = super::zigzag(first);
    out.push(last);
    remaining -= 1;
    while remaining > 0 {
        let (min, after) = super::varint(rest)?;
        let min = super::zigzag(min);
        let (widths, after) = after.split_at_checked(miniblocks)?;
        rest = after;
        for &width in widths {
            // Miniblocks after the last number have a bit width but no data.
            if remaining == 0 {
                break;
            }
            let bits = u32::from(width);
            if bits > u64::BITS {
                return None;
            }
            let (packed, after) = rest.split_at_checked((miniblock / 8).checked_mul(bits as usize)?)?;
            rest = after;
            let in_miniblock = miniblock.min(remaining);
            if bits == 0 && min == 0 {
                // Equal numbers, such as the lengths of ids.
                out.extend(std::iter::repeat_n(last, in_miniblock));
                remaining -= in_miniblock;
                continue;
            }
            unpack(packed, bits, in_miniblock, |deltas, count| {
                let numbers = deltas.map(|above_min| {
                    last = last.wrapping_add(min).wrapping_add(above_min as i64);
                    last
                });
                // Deltas after `count` are padding. They change `last`, but no number follows.
                out.extend_from_slice(&numbers[..count]);
            });
            remaining -= in_miniblock;
        }
    }
    Some(rest)
}
