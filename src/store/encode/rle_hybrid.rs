//! Runs of small numbers: Parquet's hybrid of run lengths and packed bits.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>: definition levels and codes of
//! a dictionary are written so. Rows of one session stand beside each other and mostly say the same,
//! so that the runs are known already and no number is looked at row by row.

use super::varint;

/// Runs shorter than this are packed, in groups of as many.
const GROUP: usize = 8;

/// Encodes runs of codes, of so many bits each: by length all of them, or short ones packed.
///
/// Packed codes lie across bytes, in which Zstandard finds little; of lengths and codes in whole bytes it leaves a
/// third. So these are fewer in the end where they are up to seven quarters as many (`docs/benchmarks.md`), as
/// where sessions are some events long.
pub fn encode(out: &mut Vec<u8>, bits: u32, runs: impl Iterator<Item = (u32, usize)> + Clone) {
    let bytes = bits.div_ceil(8) as usize;
    let by_length = |times: usize| 1 + bytes + usize::from(times >= 64);
    let (mut all, mut packed) = (0, 0);
    for (_, times) in runs.clone() {
        all += 8 * by_length(times);
        packed += if times < GROUP { times * bits as usize } else { 8 * by_length(times) };
    }
    if all * 4 <= packed * 7 {
        runs.for_each(|(code, times)| by_its_length(out, bits, code, times));
        return;
    }
    let mut hybrid = Hybrid::new(out, bits);
    runs.for_each(|(code, times)| hybrid.run(code, times));
    hybrid.finish();
}

/// Writes a run as its length and its number.
fn by_its_length(out: &mut Vec<u8>, bits: u32, number: u32, times: usize) {
    varint(out, (times as u64) << 1);
    out.extend(number.to_le_bytes().into_iter().take(bits.div_ceil(8) as usize));
}

/// Encodes runs.
pub struct Hybrid<'o> {
    out: &'o mut Vec<u8>,
    bits: u32,
    /// What is to be packed: whole groups, but for the last one.
    packed: Vec<u32>,
}

impl<'o> Hybrid<'o> {
    /// Encodes numbers of so many bits, 32 at the most, behind what stands there.
    pub fn new(out: &'o mut Vec<u8>, bits: u32) -> Self {
        Hybrid { out, bits: bits.min(u32::BITS), packed: Vec::new() }
    }

    /// Adds a number so many times.
    pub fn run(&mut self, number: u32, times: usize) {
        if times == 1 {
            // Most runs are.
            self.packed.push(number);
            return;
        }
        if times < GROUP {
            self.packed.extend(std::iter::repeat_n(number, times));
            return;
        }
        // A run begins where a group does.
        let open = self.packed.len() % GROUP;
        let to_fill = if open == 0 { 0 } else { times.min(GROUP - open) };
        let rest = times - to_fill;
        self.packed.extend(std::iter::repeat_n(number, to_fill));
        if rest < GROUP {
            self.packed.extend(std::iter::repeat_n(number, rest));
            return;
        }
        self.pack();
        by_its_length(self.out, self.bits, number, rest);
    }

    /// Ends: the last group is filled with zeros, which readers do not read.
    pub fn finish(mut self) {
        self.packed.resize(self.packed.len().next_multiple_of(GROUP), 0);
        self.pack();
    }

    fn pack(&mut self) {
        if self.packed.is_empty() {
            return;
        }
        varint(self.out, (self.packed.len() / GROUP) as u64 * 2 + 1);
        pack(self.out, self.packed.iter().map(|number| u64::from(*number)), self.bits);
        self.packed.clear();
    }
}

/// Writes numbers of so many bits one after the other, the lowest bit first. The bits of all are to be
/// whole bytes.
pub fn pack(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>, bits: u32) {
    // With what is held of the numbers before, 32 bits fit into a word; longer numbers come in two.
    let (mut held, mut count) = (0u64, 0);
    let mut put = |number: u64, bits: u32| {
        held |= number << count;
        count += bits;
        if count >= 32 {
            out.extend_from_slice(&(held as u32).to_le_bytes());
            held >>= 32;
            count -= 32;
        }
    };
    if bits <= 32 {
        numbers.for_each(|number| put(number, bits));
    } else {
        numbers.for_each(|number| {
            put(number & u64::from(u32::MAX), 32);
            put(number >> 32, bits - 32);
        });
    }
    while count > 0 {
        out.push(held as u8);
        held >>= 8;
        count = count.saturating_sub(8);
    }
}

/// Returns how many bits the numbers up to the greatest take.
pub fn bits_of(greatest: u32) -> u32 {
    u32::BITS - greatest.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(runs: &[(u32, usize)], bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut hybrid = Hybrid::new(&mut out, bits);
        runs.iter().for_each(|&(number, times)| hybrid.run(number, times));
        hybrid.finish();
        out
    }

    fn encoded(runs: &[(u32, usize)], bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, bits, runs.iter().copied());
        out
    }

    /// Reads as the format's description says.
    fn decode(bytes: &[u8], bits: u32, count: usize) -> Vec<u32> {
        let (mut numbers, mut at) = (Vec::new(), 0);
        let width = bits.div_ceil(8) as usize;
        while numbers.len() < count {
            let (mut header, mut shift) = (0usize, 0);
            loop {
                let byte = bytes[at];
                at += 1;
                header |= usize::from(byte & 127) << shift;
                shift += 7;
                if byte < 128 {
                    break;
                }
            }
            if header & 1 == 0 {
                let number = (0..width).fold(0u32, |sum, n| sum | u32::from(bytes[at + n]) << (8 * n));
                at += width;
                numbers.extend(std::iter::repeat_n(number, header >> 1));
            } else {
                for n in 0..(header >> 1) * 8 {
                    let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
                    let first = at * 8 + n * bits as usize;
                    numbers.push((0..bits as usize).fold(0, |sum, b| sum | bit(first + b) << b));
                }
                at += (header >> 1) * bits as usize;
            }
        }
        assert_eq!(at, bytes.len(), "nothing is left over");
        numbers.truncate(count);
        numbers
    }

    #[test]
    fn examples_of_the_description() {
        // The numbers 0 to 7 in three bits.
        let numbers: Vec<(u32, usize)> = (0..8).map(|n| (n, 1)).collect();
        assert_eq!(packed(&numbers, 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        // A hundred times 4 in three bits: a header of 200, in two bytes, and the number.
        assert_eq!(packed(&[(4, 100)], 3), [0b1100_1000, 0b1, 4]);
        assert!(packed(&[], 3).is_empty());
    }

    #[test]
    fn short_runs_of_wide_codes_are_written_by_their_lengths() {
        // Seven times 300 in nine bits, and seven times 301: three bytes each, where packed they take sixteen.
        let runs = [(300, 7), (301, 7)];
        assert_eq!(encoded(&runs, 9), [14, 44, 1, 14, 45, 1]);
        // In two bits, twelve are three bytes.
        let runs = [(2, 4), (3, 4), (2, 4)];
        assert_eq!(encoded(&runs, 2), packed(&runs, 2));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            bits in 0u32..=32,
            runs in prop::collection::vec((any::<u32>(), prop_oneof![1usize..4, 1usize..30, 200usize..300]), 0..40),
        ) {
            let mask = if bits == 32 { u32::MAX } else { (1 << bits) - 1 };
            let runs: Vec<(u32, usize)> = runs.into_iter().map(|(n, times)| (n & mask, times)).collect();
            let numbers: Vec<u32> = runs.iter().flat_map(|&(n, times)| std::iter::repeat_n(n, times)).collect();
            for bytes in [packed(&runs, bits), encoded(&runs, bits)] {
                prop_assert_eq!(decode(&bytes, bits, numbers.len()), &numbers[..]);
            }
        }
    }
}
