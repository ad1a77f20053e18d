//! Which of many hashes may be among a few.

/// Bits for each of the few: of sixteen others, one is let through by chance.
const BITS_EACH: usize = 16;

/// A bit for each of the few hashes, at a place that the hash gives. It fits into a cache where the
/// hashes and what hangs on them do not, and most of the many are told apart by it alone.
#[derive(Debug)]
pub struct Sieve {
    bits: Vec<u64>,
}

impl Sieve {
    /// Makes one of the few.
    pub fn of<'a>(few: impl ExactSizeIterator<Item = &'a u128>) -> Sieve {
        let words = (few.len() * BITS_EACH / u64::BITS as usize).next_power_of_two();
        let mut sieve = Sieve { bits: vec![0; words] };
        for hash in few {
            let (word, bit) = sieve.place(*hash);
            if let Some(word) = sieve.bits.get_mut(word) {
                *word |= bit;
            }
        }
        sieve
    }

    /// Tells whether a hash may be among the few; where it is not, surely.
    #[inline]
    pub fn lets_through(&self, hash: u128) -> bool {
        let (word, bit) = self.place(hash);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    fn place(&self, hash: u128) -> (usize, u64) {
        let hash = hash as u64;
        // The number of words is a power of two.
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_few_are_let_through_and_hardly_any_other() {
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        for few in [0, 1, 1000, 5000] {
            let hashes: Vec<u128> = (0..few).map(hash).collect();
            let sieve = Sieve::of(hashes.iter());
            assert!(hashes.iter().all(|hash| sieve.lets_through(*hash)));
            let others = (few..few + 10_000).filter(|n| sieve.lets_through(hash(*n))).count();
            assert!(others <= 10_000 / 10, "{others} of 10,000 others");
        }
    }
}
