//! Runs of small numbers, and packed bits: the other way round of `encode::hybrid`.

/// Some of the numbers.
#[derive(Clone, Copy, Debug)]
pub enum Run<'a> {
    /// A number so many times.
    Repeated(u32, usize),
    /// So many numbers in packed bits.
    Packed(&'a [u8], usize),
}

/// Calls `each` for the runs of so many numbers of so many bits, 32 at the most. Returns what stands
/// behind them; `None` where the bytes make no sense.
pub fn each_run<'a>(
    mut bytes: &'a [u8],
    bits: u32,
    mut count: usize,
    mut each: impl FnMut(Run<'a>) -> Option<()>,
) -> Option<&'a [u8]> {
    if bits > u32::BITS {
        return None;
    }
    while count > 0 {
        let (head, rest) = super::varint(bytes)?;
        let length = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 {
            let (number, rest) = rest.split_at_checked(bits.div_ceil(8) as usize)?;
            let number = number.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            let times = length.min(count);
            each(Run::Repeated(number, times))?;
            (bytes, count) = (rest, count - times);
        } else {
            let (packed, rest) = rest.split_at_checked(length.checked_mul(bits as usize)?)?;
            let times = length.checked_mul(8)?.min(count);
            each(Run::Packed(packed, times))?;
            (bytes, count) = (rest, count - times);
        }
    }
    Some(bytes)
}

/// Calls `each` for numbers of so many bits, 64 at the most, the lowest bit first, eight at a time; of the last
/// eight, as many as there are. What stands behind the bytes is taken for zeros.
#[inline]
pub fn unpack(bytes: &[u8], bits: u32, count: usize, mut each: impl FnMut(&[u64; 8], usize)) {
    let bits = bits.min(u64::BITS) as usize;
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    for first in (0..count).step_by(8) {
        let at = first / 8 * bits;
        // Eight numbers of a few bits lie in a word or two.
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
                // The last bits of a wide number lie in a ninth byte.
                let high = if shift + bits > 64 { word(bytes, at + 8) << (64 - shift) } else { 0 };
                (low | high) & mask
            }),
        };
        each(&eight, (count - first).min(8));
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    }
}
