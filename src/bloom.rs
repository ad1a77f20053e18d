//! A Bloom filter: which of many hashes may be among a few.

/// Bits for each of the few: it may contain one of sixteen others, by chance.
const BITS_EACH: usize = 16;

/// A Bloom filter of one hash function: a bit for each of the few hashes, at a place that the hash itself gives.
/// It fits into a cache where the hashes and what hangs on them do not, and most of the many are told apart by
/// it alone.
#[derive(Debug)]
pub struct BloomFilter {
    bits: Vec<u64>,
}

impl BloomFilter {
    /// Makes one of the few.
    pub fn of<'a>(few: impl ExactSizeIterator<Item = &'a u128>) -> BloomFilter {
        let words = (few.len() * BITS_EACH / u64::BITS as usize).next_power_of_two();
        let mut filter = BloomFilter { bits: vec![0; words] };
        for hash in few {
            let (word, bit) = filter.place(*hash);
            if let Some(word) = filter.bits.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    /// Tells whether a hash may be among the few; where it is not, surely.
    #[inline]
    pub fn may_contain(&self, hash: u128) -> bool {
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
    fn it_may_contain_all_of_the_few_and_hardly_any_other() {
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        for few in [0, 1, 1000, 5000] {
            let hashes: Vec<u128> = (0..few).map(hash).collect();
            let filter = BloomFilter::of(hashes.iter());
            assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
            let others = (few..few + 10_000).filter(|n| filter.may_contain(hash(*n))).count();
            assert!(others <= 10_000 / 10, "{others} of 10,000 others");
        }
    }
}
