//! Finds the bytes of a class, such as those at which the scan of a JSON string stops: quotes,
//! backslashes and control characters.
//!
//! One bit stands for each byte of the text. Classifying 64 bytes at a time costs less than
//! searching string by string. A line feed is a control character, so an unclosed string ends with
//! its line.

use std::marker::PhantomData;

use wide::u8x16;

/// Bytes per word of bits.
const WORD: usize = 64;
/// Bytes that are classified at a time; they are still in the L1 cache when they are scanned.
const STRETCH: usize = 16 << 10;

/// A class of bytes.
pub trait ByteClass {
    /// Sets all bits of the bytes that are in the class, and clears those of the others.
    fn select(bytes: u8x16) -> u8x16;
}

/// The bytes at which the scan of a JSON string stops.
#[derive(Debug)]
pub struct JsonBytes;

impl ByteClass for JsonBytes {
    #[inline(always)]
    fn select(bytes: u8x16) -> u8x16 {
        let control = bytes.min(u8x16::splat(0x1f)).cmp_eq(bytes);
        control | bytes.cmp_eq(u8x16::splat(b'"')) | bytes.cmp_eq(u8x16::splat(b'\\'))
    }
}

/// The bits of a text, computed on demand.
#[derive(Debug)]
pub struct StructuralBits<'a, C = JsonBytes> {
    text: &'a [u8],
    words: Vec<u64>,
    class: PhantomData<C>,
}

impl<'a, C: ByteClass> StructuralBits<'a, C> {
    /// Creates the bits of a text; none is computed yet.
    pub fn new(text: &'a [u8]) -> Self {
        let words = Vec::with_capacity(text.len().div_ceil(WORD) + STRETCH / WORD);
        StructuralBits { text, words, class: PhantomData }
    }

    /// Returns the first position at or after `from` whose bit is set. Every position at or after
    /// the end of the text counts as set.
    #[inline]
    pub fn next(&mut self, from: usize) -> usize {
        let index = from / WORD;
        match (self.words.get(index).map(|word| word >> (from % WORD)), self.words.get(index + 1)) {
            (Some(bits), _) if bits != 0 => from + bits.trailing_zeros() as usize,
            (Some(_), Some(word)) if *word != 0 => (index + 1) * WORD + word.trailing_zeros() as usize,
            _ => self.next_far(from),
        }
    }

    fn next_far(&mut self, from: usize) -> usize {
        let (mut index, mut mask) = (from / WORD, u64::MAX << (from % WORD));
        loop {
            match self.words.get(index) {
                Some(word) if word & mask != 0 => {
                    return index * WORD + (word & mask).trailing_zeros() as usize;
                }
                Some(_) => (index, mask) = (index + 1, u64::MAX),
                None if self.words.len() * WORD >= self.text.len() => return from.max(self.text.len()),
                None => self.classify_stretch(),
            }
        }
    }

    fn classify_stretch(&mut self) {
        let rest = self.text.get(self.words.len() * WORD..).unwrap_or(&[]);
        let stretch = rest.get(..STRETCH).unwrap_or(rest);
        let (words, tail) = stretch.as_chunks::<WORD>();
        self.words.extend(words.iter().map(classify_word::<C>));
        if !tail.is_empty() {
            // The word is padded with zeros. They can be in the class, so the bits after the text
            // can be set.
            let mut word = [0; WORD];
            word.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            self.words.push(classify_word::<C>(&word));
        }
    }
}

#[inline]
fn classify_word<C: ByteClass>(bytes: &[u8; WORD]) -> u64 {
    let (lanes, _) = bytes.as_chunks::<16>();
    let mask = |lane: [u8; 16]| C::select(u8x16::new(lane)).move_mask() as u16;
    lanes.iter().rev().fold(0, |bits, lane| bits << 16 | u64::from(mask(*lane)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(text: &[u8], from: usize) -> usize {
        let structural = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
        text.get(from..)
            .and_then(|t| t.iter().position(structural))
            .map_or(text.len().max(from), |at| at + from)
    }

    #[test]
    fn search_without_a_match_ends_at_the_end_of_the_text() {
        let text = vec![b'a'; 3 * STRETCH + 5];
        let mut bits = StructuralBits::<JsonBytes>::new(&text);
        assert_eq!(bits.next(7), text.len());
        assert_eq!(bits.next(text.len() - 1), text.len());
        assert_eq!(bits.next(text.len() + 9), text.len() + 9);
    }

    proptest! {
        #[test]
        fn next_agrees_with_a_byte_loop(
            text in proptest::collection::vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>()], 0..400),
            mut from in proptest::collection::vec(0usize..420, 1..20),
        ) {
            let mut bits = StructuralBits::<JsonBytes>::new(&text);
            from.push(0);
            for from in from {
                assert_eq!(bits.next(from), naive(&text, from));
            }
        }
    }
}
