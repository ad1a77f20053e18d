//! What was derived from texts of a block, remembered for the next row with the same texts.

use hashbrown::HashTable;

/// Values by `N` numbers: those of texts of a block, each of which is kept once.
#[derive(Debug)]
pub struct Memo<const N: usize, V> {
    table: HashTable<([u32; N], V)>,
}

impl<const N: usize, V> Default for Memo<N, V> {
    fn default() -> Self {
        Memo { table: HashTable::new() }
    }
}

impl<const N: usize, V: Copy> Memo<N, V> {
    /// Forgets everything, as at the beginning of another block; its memory stays.
    pub fn clear(&mut self) {
        self.table.clear();
    }

    /// Returns the value of some numbers; makes it where it is not known.
    #[inline]
    pub fn get(&mut self, key: [u32; N], make: impl FnOnce() -> V) -> V {
        if let Some((_, value)) = self.table.find(hash(&key), |(other, _)| *other == key) {
            return *value;
        }
        let value = make();
        self.table.insert_unique(hash(&key), (key, value), |(key, _)| hash(key));
        value
    }
}

/// Spreads small numbers over all bits: the table looks at the highest and at the lowest.
#[inline]
fn hash(key: &[u32]) -> u64 {
    let mixed = key.iter().fold(0u64, |hash, number| {
        (hash.rotate_left(23) ^ u64::from(*number)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_are_asked_about_once_until_it_is_cleared() {
        let mut memo = Memo::<2, u32>::default();
        let mut calls = 0;
        let mut get = |memo: &mut Memo<2, u32>, key| {
            memo.get(key, || {
                calls += 1;
                calls
            })
        };
        assert_eq!(get(&mut memo, [1, 2]), 1);
        assert_eq!(get(&mut memo, [2, 1]), 2);
        assert_eq!(get(&mut memo, [1, u32::MAX]), 3);
        assert_eq!(
            [get(&mut memo, [1, 2]), get(&mut memo, [2, 1]), get(&mut memo, [1, u32::MAX])],
            [1, 2, 3]
        );
        memo.clear();
        assert_eq!(get(&mut memo, [1, 2]), 4);
    }
}
