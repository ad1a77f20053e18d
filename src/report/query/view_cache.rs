//! Tables by the tokens of texts: what a text stands for is worked out once for the many rows that
//! share it, and no text is hashed.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashMap;

/// What is known of the texts of one column, by [token](crate::store::frame::Texts::token).
pub type ByToken<V> = HashMap<u128, V, Mixed>;

/// The token of null: of no text, since none is so long.
pub const NULL: u128 = u128::MAX;

/// Spreads the bits of a token, which differ in a few places only where they come of a dictionary.
/// The upper bits are the better ones.
pub fn mix(token: u128) -> u64 {
    let mixed = (token as u64 ^ (token >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Makes the hashes of tokens.
#[derive(Clone, Copy, Default)]
pub struct Mixed;

/// The hash of a token.
pub struct Hash(u64);

impl BuildHasher for Mixed {
    type Hasher = Hash;
    fn build_hasher(&self) -> Hash {
        Hash(0)
    }
}

impl Hasher for Hash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u128(u128::from(*byte)));
    }
    fn write_u128(&mut self, token: u128) {
        self.0 = mix(token ^ u128::from(self.0));
    }
}

/// What was worked out lately, by token: a table that fits into a processor's fastest cache, and forgets
/// what another one takes the place of.
pub struct Recent<V> {
    slots: Vec<(u128, V)>,
}

/// How many bits of a token's hash choose its place.
const PLACES: u32 = 9;

impl<V: Copy> Recent<V> {
    /// Makes a table that knows what [null](NULL) stands for, and nothing else. It is to be what would be worked
    /// out.
    pub fn new(null: V) -> Recent<V> {
        Recent { slots: vec![(NULL, null); 1 << PLACES] }
    }

    /// Returns what a token stands for, which `work` works out where it is not known.
    #[inline]
    pub fn get(&mut self, token: u128, work: impl FnOnce() -> V) -> V {
        let place = (mix(token) >> (u64::BITS - PLACES)) as usize;
        match self.slots.get_mut(place) {
            Some((known, value)) if *known == token => *value,
            Some(slot) => {
                *slot = (token, work());
                slot.1
            }
            None => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_worked_out_again() {
        let mut recent = Recent::new(9);
        assert_eq!(recent.get(NULL, || panic!("it is known from the beginning")), 9);
        for round in 0..3u128 {
            for token in 0..5_000u128 {
                assert_eq!(recent.get(token, || token + 7), token + 7, "round {round}");
                assert_eq!(recent.get(token, || panic!("it was known a moment ago")), token + 7);
            }
        }
    }
}
