//! Parquet's hybrid of run-length encoding and bit packing.
//!
//! Definition levels and dictionary codes are encoded like this:
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>. The input consists of runs,
//! since columns record where their values change.

use super::varint;

/// Number of values of a bit-packed group. Runs shorter than this are packed.
const GROUP: usize = 8;

/// Appends runs of codes of `bits` bits: all run-length encoded, or short ones bit-packed.
///
/// Bit-packed codes cross byte boundaries and compress badly, while Zstandard compresses run
/// lengths and whole codes to a third. All runs are therefore run-length encoded, unless that takes
/// more than seven quarters of the bytes of bit-packing. Run lengths take fewer bytes than that if
/// most sessions have several events (`docs/benchmark-decisions.md`).
pub fn encode(out: &mut Vec<u8>, bits: u32, runs: impl Iterator<Item = (u32, usize)> + Clone) {
    let bytes = bits.div_ceil(8) as usize;
    let run_bytes = |count: usize| 1 + bytes + usize::from(count >= 64);
    let (mut rle_bits, mut packed_bits) = (0, 0);
    for (_, count) in runs.clone() {
        rle_bits += 8 * run_bytes(count);
        packed_bits += if count < GROUP { count * bits as usize } else { 8 * run_bytes(count) };
    }
    if rle_bits * 4 <= packed_bits * 7 {
        runs.for_each(|(code, count)| write_rle_run(out, bits, code, count));
        return;
    }
    let mut hybrid = HybridEncoder::new(out, bits);
    runs.for_each(|(code, count)| hybrid.run(code, count));
    hybrid.finish();
}

/// Appends a run-length encoded run.
fn write_rle_run(out: &mut Vec<u8>, bits: u32, number: u32, count: usize) {
    varint(out, (count as u64) << 1);
    out.extend(number.to_le_bytes().into_iter().take(bits.div_ceil(8) as usize));
}

/// Encodes runs; short ones are bit-packed.
pub struct HybridEncoder<'o> {
    out: &'o mut Vec<u8>,
    bits: u32,
    /// Numbers to pack: complete groups, and an incomplete last one.
    packed: Vec<u32>,
}

impl<'o> HybridEncoder<'o> {
    /// Returns an encoder that appends numbers of `bits` bits, at most 32.
    pub fn new(out: &'o mut Vec<u8>, bits: u32) -> Self {
        HybridEncoder { out, bits: bits.min(u32::BITS), packed: Vec::new() }
    }

    /// Appends a run of a number.
    pub fn run(&mut self, number: u32, count: usize) {
        if count == 1 {
            // Most runs have one row.
            self.packed.push(number);
            return;
        }
        if count < GROUP {
            self.packed.extend(std::iter::repeat_n(number, count));
            return;
        }
        // A run-length encoded run follows complete groups only.
        let open = self.packed.len() % GROUP;
        let to_fill = if open == 0 { 0 } else { count.min(GROUP - open) };
        let rest = count - to_fill;
        self.packed.extend(std::iter::repeat_n(number, to_fill));
        if rest < GROUP {
            self.packed.extend(std::iter::repeat_n(number, rest));
            return;
        }
        self.pack();
        write_rle_run(self.out, self.bits, number, rest);
    }

    /// Finishes the encoding. The last group is padded with zeros, which readers ignore.
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

/// Appends bit-packed numbers, lowest bit first. The total must be whole bytes.
pub fn pack(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>, bits: u32) {
    // Up to 31 pending bits and 32 new ones fit into a word. Wider numbers are written in two
    // parts.
    let (mut pending, mut count) = (0u64, 0);
    let mut put = |number: u64, bits: u32| {
        pending |= number << count;
        count += bits;
        if count >= 32 {
            out.extend_from_slice(&(pending as u32).to_le_bytes());
            pending >>= 32;
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
        out.push(pending as u8);
        pending >>= 8;
        count = count.saturating_sub(8);
    }
}

/// Returns the bit width of numbers up to `max`.
pub fn bit_width(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(runs: &[(u32, usize)], bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut hybrid = HybridEncoder::new(&mut out, bits);
        runs.iter().for_each(|&(number, times)| hybrid.run(number, times));
        hybrid.finish();
        out
    }

    fn encoded(runs: &[(u32, usize)], bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, bits, runs.iter().copied());
        out
    }

    /// Decodes as the specification describes.
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
        assert_eq!(at, bytes.len(), "all bytes are read");
        numbers.truncate(count);
        numbers
    }

    #[test]
    fn examples_of_the_specification_are_encoded() {
        // The numbers 0 to 7 in three bits.
        let numbers: Vec<(u32, usize)> = (0..8).map(|n| (n, 1)).collect();
        assert_eq!(packed(&numbers, 3), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        // 100 times the number 4 in three bits: the header 200 in two bytes, and the number.
        assert_eq!(packed(&[(4, 100)], 3), [0b1100_1000, 0b1, 4]);
        assert!(packed(&[], 3).is_empty());
    }

    #[test]
    fn short_runs_of_wide_codes_are_run_length_encoded() {
        // 7 times 300 and 7 times 301 in nine bits: three bytes each; packed they take 16 together.
        let runs = [(300, 7), (301, 7)];
        assert_eq!(encoded(&runs, 9), [14, 44, 1, 14, 45, 1]);
        // 12 codes of two bits are packed into three bytes.
        let runs = [(2, 4), (3, 4), (2, 4)];
        assert_eq!(encoded(&runs, 2), packed(&runs, 2));
    }

    proptest! {
        #[test]
        fn runs_round_trip(
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
