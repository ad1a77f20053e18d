//! Decoding of run lengths and packed bits: the inverse of `encode::rle_hybrid`.

/// A run of numbers.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// A number, and how many times it occurs.
    Repeated(u32, usize),
    /// Bit-packed numbers, and their count.
    Packed(&'a [u8], usize),
}

/// Splits the next run of numbers of `bits` bits, at most 32, off the bytes. Returns the run and
/// the bytes after it; `None` if the bytes are damaged.
pub fn next_run(bytes: &[u8], bits: u32) -> Option<(Run<'_>, &[u8])> {
    if bits > u32::BITS {
        return None;
    }
    let (header, rest) = super::varint(bytes)?;
    let length = usize::try_from(header >> 1).ok()?;
    if header & 1 == 0 {
        let (number, rest) = rest.split_at_checked(bits.div_ceil(8) as usize)?;
        let number = number.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        Some((Run::Repeated(number, length), rest))
    } else {
        let (packed, rest) = rest.split_at_checked(length.checked_mul(bits as usize)?)?;
        Some((Run::Packed(packed, length.checked_mul(8)?), rest))
    }
}

/// Calls `each` for the runs of `count` numbers of `bits` bits, at most 32. Returns the bytes after
/// them; `None` if the bytes are damaged.
pub fn for_each_run<'a>(
    mut bytes: &'a [u8],
    bits: u32,
    mut count: usize,
    mut each: impl FnMut(Run<'a>) -> Option<()>,
) -> Option<&'a [u8]> {
    while count > 0 {
        let (run, rest) = next_run(bytes, bits)?;
        bytes = rest;
        count -= match run {
            Run::Repeated(number, repeats) => {
                let repeats = repeats.min(count);
                each(Run::Repeated(number, repeats))?;
                repeats
            }
            Run::Packed(packed, numbers) => {
                let numbers = numbers.min(count);
                each(Run::Packed(packed, numbers))?;
                numbers
            }
        };
    }
    Some(bytes)
}

/// Unpacks `count` numbers of `bits` bits, at most 64, lowest bit first. Calls `each` with eight
/// numbers at a time and the count of valid ones, which is less than eight only in the last call.
/// Missing bytes are read as zeros.
#[inline]
pub fn unpack(bytes: &[u8], bits: u32, count: usize, mut each: impl FnMut(&[u64; 8], usize)) {
    let bits = bits.min(u64::BITS) as usize;
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    for first in (0..count).step_by(8) {
        let at = first / 8 * bits;
        // Eight narrow numbers fit into one or two words.
        let eight: [u64; 8] = match bits {
            0..=8 => {
                let all = word(bytes, at);
                std::array::from_fn(|n| all >> ((n * bits) & 63) & mask)
            }
            9..=16 => {
                let all = u128::from(word(bytes, at + 8)) << 64 | u128::from(word(bytes, at));
                std::array::from_fn(|n| (all >> ((n * bits) & 127)) as u64 & mask)
            }
            _ => std::array::from_fn(|n| {
                let (at, shift) = (at + n * bits / 8, n * bits % 8);
                let low = word(bytes, at) >> shift;
                // The highest bits of a wide number can be in a ninth byte.
                let high = if shift + bits > 64 { word(bytes, at + 8) << (64 - shift) } else { 0 };
                (low | high) & mask
            }),
        };
        each(&eight, (count - first).min(8));
    }
}

/// Returns one of the packed numbers of `bits` bits, at most 32, by its index. Missing bytes are
/// read as zeros.
#[inline]
pub fn packed_number(bytes: &[u8], bits: u32, index: usize) -> u64 {
    let bits = bits.min(u32::BITS) as usize;
    let at = index * bits;
    word(bytes, at / 8) >> (at % 8) & ((1 << bits) - 1)
}

/// Returns the eight bytes at an offset as a number; missing bytes are zeros.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    }
}
