//! Columns of numbers, stored as the width of a difference in bytes (one byte), the minimum, and
//! the differences from the minimum.

/// Appends a column. If all numbers are equal, only the minimum is stored.
pub(super) fn put(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    let numbers: Vec<u64> = numbers.collect();
    let min = numbers.iter().copied().min().unwrap_or(0);
    let span = numbers.iter().copied().max().unwrap_or(0) - min;
    let width: u8 = match span {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    out.push(width);
    out.extend_from_slice(&min.to_le_bytes());
    match width {
        0 => {}
        1 => put_bytes(out, &numbers, |number| [(number - min) as u8]),
        2 => put_bytes(out, &numbers, |number| ((number - min) as u16).to_le_bytes()),
        4 => put_bytes(out, &numbers, |number| ((number - min) as u32).to_le_bytes()),
        _ => put_bytes(out, &numbers, |number| (number - min).to_le_bytes()),
    }
}

/// Appends `N` bytes for each number.
fn put_bytes<const N: usize>(out: &mut Vec<u8>, numbers: &[u64], bytes: impl Fn(u64) -> [u8; N]) {
    let start = out.len();
    out.resize(start + N * numbers.len(), 0);
    let (chunks, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut();
    chunks.iter_mut().zip(numbers).for_each(|(chunk, number)| *chunk = bytes(*number));
}

/// Removes a column of `count` numbers from the front of `bytes`; `None` if it is incomplete.
pub(super) fn take(bytes: &mut &[u8], count: usize) -> Option<Vec<u64>> {
    let (&width, rest) = bytes.split_first()?;
    let (min, rest) = rest.split_first_chunk()?;
    let min = u64::from_le_bytes(*min);
    let (column, rest) = rest.split_at_checked(count.checked_mul(usize::from(width))?)?;
    *bytes = rest;
    let number = |difference: u64| min.wrapping_add(difference);
    Some(match width {
        0 => vec![min; count],
        1 => column.iter().map(|byte| number(u64::from(*byte))).collect(),
        2 => chunks(column).map(|bytes| number(u64::from(u16::from_le_bytes(bytes)))).collect(),
        4 => chunks(column).map(|bytes| number(u64::from(u32::from_le_bytes(bytes)))).collect(),
        8 => chunks(column).map(|bytes| number(u64::from_le_bytes(bytes))).collect(),
        _ => return None,
    })
}

/// Splits bytes into chunks of `N` bytes.
fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}

/// Encodes a number with zigzag encoding, which maps signed numbers of small magnitude to small
/// unsigned numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Returns the number that [`zigzag`] maps to `number`.
pub(super) fn from_zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn column_is_read_as_written(
            numbers in prop::collection::vec(any::<u64>(), 0..20), bits in 0..=64u32, base: u64
        ) {
            let mask = 1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1);
            let numbers: Vec<u64> =
                numbers.into_iter().map(|number| base.saturating_add(number & mask)).collect();
            let mut bytes = Vec::new();
            put(&mut bytes, numbers.iter().copied());
            let most = 9 + numbers.len() * (bits as usize).div_ceil(8).next_power_of_two();
            prop_assert!(bytes.len() <= most, "{} bytes", bytes.len());
            for short in 0..bytes.len() {
                prop_assert_eq!(take(&mut &bytes[..short], numbers.len()), None);
            }
            bytes.push(7);
            let mut rest = &bytes[..];
            prop_assert_eq!(take(&mut rest, numbers.len()), Some(numbers));
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn zigzag_is_reversible(number: i64) {
            prop_assert_eq!(from_zigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn zigzag_maps_small_numbers_to_small_ones() {
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert_eq!(zigzag(i64::MIN), u64::MAX);
    }
}
