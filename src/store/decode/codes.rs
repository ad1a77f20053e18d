//! Dictionary codes of a page, decoded all at once or a few at a time.

use super::rle_hybrid::{Run, for_each_run, next_run, packed_number, unpack};
use super::selected_rows::SelectedRows;

/// Appends `count` values of a dictionary by their codes, or only the selected ones; `None` if the
/// bytes are damaged, or a code of an appended value is not in the dictionary.
pub fn extend_from_codes<T: Copy + Default>(
    values: &mut Vec<T>,
    dictionary: &[T],
    bytes: &[u8],
    count: usize,
    selected: Option<SelectedRows>,
) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let (bits, bytes) = bytes.split_first()?;
    let bits = u32::from(*bits);
    match selected {
        None => extend_from_all_codes(values, dictionary, bytes, bits, count),
        Some(selected) => extend_from_selected_codes(values, dictionary, bytes, bits, (count, selected)),
    }
}

fn extend_from_all_codes<T: Copy + Default>(
    values: &mut Vec<T>,
    dictionary: &[T],
    bytes: &[u8],
    bits: u32,
    count: usize,
) -> Option<()> {
    let (mut are_valid, entries) = (true, dictionary.len() as u64);
    for_each_run(bytes, bits, count, |run| {
        match run {
            Run::Repeated(code, count) => {
                values.extend(std::iter::repeat_n(*dictionary.get(code as usize)?, count));
            }
            Run::Packed(packed, count) => {
                values.reserve(count);
                unpack(packed, bits, count, |codes, valid| {
                    // Codes after `count` are padding, and need not be in the dictionary.
                    are_valid &= codes.iter().take(valid).all(|code| *code < entries);
                    let eight = codes.map(|code| dictionary.get(code as usize).copied().unwrap_or_default());
                    values.extend_from_slice(eight.get(..valid).unwrap_or_default());
                });
            }
        }
        Some(())
    })?;
    are_valid.then_some(())
}

fn extend_from_selected_codes<T: Copy + Default>(
    values: &mut Vec<T>,
    dictionary: &[T],
    bytes: &[u8],
    bits: u32,
    (count, selected): (usize, SelectedRows),
) -> Option<()> {
    let total = values.len() + selected.len();
    let mut remaining = selected;
    let mut are_valid = true;
    for_each_run(bytes, bits, count, |run| {
        match run {
            Run::Repeated(code, count) => {
                let of_run = remaining.split_off(count);
                values.extend(std::iter::repeat_n(*dictionary.get(code as usize)?, of_run.len()));
            }
            Run::Packed(packed, count) => {
                values.extend(remaining.split_off(count).iter().map(|at| {
                    let value = dictionary.get(packed_number(packed, bits, at) as usize);
                    are_valid &= value.is_some();
                    value.copied().unwrap_or_default()
                }));
            }
        }
        Some(())
    })?;
    (are_valid && values.len() == total).then_some(())
}

/// The codes of a page, and the position of the next one.
pub struct Codes {
    /// The runs of codes.
    bytes: Vec<u8>,
    /// Bits per code.
    bits: u32,
    /// Offset of the next run.
    next: usize,
    run: CurrentRun,
    /// Number of codes left in the current run.
    remaining: usize,
}

#[derive(Clone, Copy)]
enum CurrentRun {
    Repeated(u32),
    /// Offset of the packed codes, and the number of those that were decoded.
    Packed(usize, usize),
}

impl Codes {
    /// Starts at the first code of a page. `start` is the offset of the codes in the page.
    pub fn new(page: Vec<u8>, start: usize) -> Option<Codes> {
        let bits = u32::from(*page.get(start)?);
        Some(Codes { bytes: page, bits, next: start + 1, run: CurrentRun::Repeated(0), remaining: 0 })
    }

    /// Returns the codes of a column without values.
    pub fn none() -> Codes {
        Codes { bytes: Vec::new(), bits: 0, next: 0, run: CurrentRun::Repeated(0), remaining: 0 }
    }

    /// Appends the values of the next `count` codes; `None` if the bytes are damaged, or a code is
    /// not in the dictionary.
    pub fn decode<T: Copy>(&mut self, count: usize, dictionary: &[T], values: &mut Vec<T>) -> Option<()> {
        let mut missing = count;
        while missing > 0 {
            if self.remaining == 0 {
                self.begin_run()?;
            }
            let count = self.remaining.min(missing);
            match &mut self.run {
                CurrentRun::Repeated(code) => {
                    if count > 0 {
                        let value = dictionary.get(*code as usize)?;
                        values.extend(std::iter::repeat_n(*value, count));
                    }
                }
                CurrentRun::Packed(start, done) => {
                    // Codes are packed in groups of eight, and each group begins at a byte
                    // boundary.
                    let mut skipped = *done % 8;
                    let packed = self.bytes.get(*start + *done / 8 * self.bits as usize..)?;
                    let mut are_valid = true;
                    unpack(packed, self.bits, skipped + count, |codes, valid| {
                        for code in codes.iter().take(valid).skip(std::mem::take(&mut skipped)) {
                            match dictionary.get(*code as usize) {
                                Some(value) => values.push(*value),
                                None => are_valid = false,
                            }
                        }
                    });
                    if !are_valid {
                        return None;
                    }
                    *done += count;
                }
            }
            self.remaining -= count;
            missing -= count;
        }
        Some(())
    }

    fn begin_run(&mut self) -> Option<()> {
        let (run, rest) = next_run(self.bytes.get(self.next..)?, self.bits)?;
        self.next = self.bytes.len() - rest.len();
        (self.run, self.remaining) = match run {
            Run::Repeated(code, count) => (CurrentRun::Repeated(code), count),
            Run::Packed(packed, count) => (CurrentRun::Packed(self.next - packed.len(), 0), count),
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::encode::tests::encode_codes;

    proptest! {
        #[test]
        fn codes_in_parts_match_the_encoded_codes(
            bits in 0u32..20,
            runs in prop::collection::vec((any::<u32>(), 1usize..40), 0..60),
            parts in prop::collection::vec(0usize..50, 1..9),
        ) {
            let runs: Vec<(u32, usize)> =
                runs.into_iter().map(|(code, count)| (code & ((1 << bits) - 1), count)).collect();
            let expected: Vec<u32> =
                runs.iter().flat_map(|(code, count)| std::iter::repeat_n(*code, *count)).collect();
            let dictionary: Vec<u32> = (0..1 << bits).collect();
            // Two bytes of definition levels come before the codes.
            let mut page = vec![0, 0, bits as u8];
            encode_codes(&mut page, bits, &runs);
            let mut codes = Codes::new(page, 2).unwrap();
            let (mut values, mut parts) = (Vec::new(), parts.into_iter().cycle());
            while values.len() < expected.len() {
                let part = (parts.next().unwrap() + 1).min(expected.len() - values.len());
                prop_assert!(codes.decode(part, &dictionary, &mut values).is_some());
            }
            prop_assert_eq!(values, expected);
        }
    }

    #[test]
    fn missing_codes_and_missing_values_are_damage() {
        let mut page = vec![3];
        encode_codes(&mut page, 3, &[(5, 10), (6, 1)]);
        let decode = |dictionary: &[u32], count: usize| {
            Codes::new(page.clone(), 0).unwrap().decode(count, dictionary, &mut Vec::new())
        };
        assert!(decode(&[0; 7], 11).is_some());
        assert!(decode(&[0; 6], 10).is_some() && decode(&[0; 6], 11).is_none());
        assert!(decode(&[0; 7], 100).is_none());
        assert!(Codes::new(vec![1], 1).is_none());
    }
}
