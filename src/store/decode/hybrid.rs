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

/// Returns numbers of so many bits, 64 at the most, the lowest bit first. What stands behind the bytes is
/// taken for zeros.
pub fn unpack(bytes: &[u8], bits: u32, count: usize) -> impl ExactSizeIterator<Item = u64> {
    let bits = bits.min(u64::BITS) as usize;
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    (0..count).map(move |number| {
        let (at, shift) = (number * bits / 8, number * bits % 8);
        let low = word(bytes, at) >> shift;
        // The last bits of a wide number lie in a ninth byte.
        let high = if shift + bits > 64 { word(bytes, at + 8) << (64 - shift) } else { 0 };
        (low | high) & mask
    })
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    }
}
