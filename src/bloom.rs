//! A Bloom filter over 128-bit hashes.

/// Bits per hash. The false positive rate is at most one in sixteen.
const BITS_PER_HASH: usize = 16;

/// A Bloom filter with one hash function. Each hash sets one bit, at a position derived from it.
///
/// The filter fits into the CPU cache when the set of hashes does not, and rejects most of
/// the hashes that are not in the set.
#[derive(Debug)]
pub struct BloomFilter {
    bits: Vec<u64>,
}

impl BloomFilter {
    /// Returns a filter that contains the hashes.
    pub fn from_hashes<'a>(hashes: impl ExactSizeIterator<Item = &'a u128>) -> BloomFilter {
        let words = (hashes.len() * BITS_PER_HASH / u64::BITS as usize).next_power_of_two();
        let mut filter = BloomFilter { bits: vec![0; words] };
        for hash in hashes {
            let (word, bit) = filter.position(*hash);
            if let Some(word) = filter.bits.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    /// Returns whether the set may contain a hash. `false` is certain.
    #[inline]
    pub fn may_contain(&self, hash: u128) -> bool {
        let (word, bit) = self.position(hash);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    fn position(&self, hash: u128) -> (usize, u64) {
        let hash = hash as u64;
        // The number of words is a power of two, so this is a modulo.
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_contains_its_hashes_and_few_others() {
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        for few in [0, 1, 1000, 5000] {
            let hashes: Vec<u128> = (0..few).map(hash).collect();
            let filter = BloomFilter::from_hashes(hashes.iter());
            assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
            let others = (few..few + 10_000).filter(|n| filter.may_contain(hash(*n))).count();
            assert!(others <= 10_000 / 10, "{others} of 10,000 others");
        }
    }
}
