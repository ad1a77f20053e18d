//! Where strings can end: one bit for every quote, backslash and control character of a text.
//!
//! A string of JSON ends at a quote, is interrupted by a backslash and must not hold a control
//! character. Marking all three for a stretch of text at once costs less than looking for them
//! string by string, and the end of the line, being a control character, needs no check of its own.

use wide::u8x16;

/// Bytes that one word of marks stands for.
const WORD: usize = 64;
/// Bytes that are marked at a time: few enough to be in the nearest cache when they are scanned.
const STRETCH: usize = 16 << 10;

/// The marks of a text, made as they are asked for.
#[derive(Debug)]
pub struct Marks<'a> {
    text: &'a [u8],
    words: Vec<u64>,
}

impl<'a> Marks<'a> {
    /// Makes the marks of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Marks { text, words: Vec::with_capacity(text.len().div_ceil(WORD) + STRETCH / WORD) }
    }

    /// Returns the first marked position that is not before `from`; past the text's end every
    /// position counts as marked.
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
                None => self.mark_more(),
            }
        }
    }

    fn mark_more(&mut self) {
        let rest = self.text.get(self.words.len() * WORD..).unwrap_or(&[]);
        let stretch = rest.get(..STRETCH).unwrap_or(rest);
        let (words, tail) = stretch.as_chunks::<WORD>();
        self.words.extend(words.iter().map(mark));
        if !tail.is_empty() {
            // Zeros are control characters: marked.
            let mut word = [0; WORD];
            word.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            self.words.push(mark(&word));
        }
    }
}

#[inline]
fn mark(bytes: &[u8; WORD]) -> u64 {
    let (lanes, _) = bytes.as_chunks::<16>();
    lanes.iter().rev().fold(0, |bits, lane| bits << 16 | u64::from(mark_lane(*lane)))
}

#[inline]
fn mark_lane(lane: [u8; 16]) -> u16 {
    let bytes = u8x16::new(lane);
    let control = bytes.min(u8x16::splat(0x1f)).cmp_eq(bytes);
    let marked = control | bytes.cmp_eq(u8x16::splat(b'"')) | bytes.cmp_eq(u8x16::splat(b'\\'));
    marked.move_mask() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(text: &[u8], from: usize) -> usize {
        let marked = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
        text.get(from..).and_then(|t| t.iter().position(marked)).map_or(text.len().max(from), |at| at + from)
    }

    #[test]
    fn a_long_text_without_a_mark_ends_at_its_end() {
        let text = vec![b'a'; 3 * STRETCH + 5];
        let mut marks = Marks::new(&text);
        assert_eq!(marks.next(7), text.len());
        assert_eq!(marks.next(text.len() - 1), text.len());
        assert_eq!(marks.next(text.len() + 9), text.len() + 9);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_loop_over_the_bytes_finds(
            text in proptest::collection::vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>()], 0..400),
            mut from in proptest::collection::vec(0usize..420, 1..20),
        ) {
            let mut marks = Marks::new(&text);
            from.push(0);
            for from in from {
                assert_eq!(marks.next(from), naive(&text, from));
            }
        }
    }
}
