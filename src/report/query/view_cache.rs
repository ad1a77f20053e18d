//! Caches of values by the token of a string.
//!
//! Data files store repeated strings once, in a dictionary. Rows with equal strings then have equal
//! [tokens](crate::store::frame::Texts::token), so that the value of a string is computed once for
//! many rows and the string itself is never hashed.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashMap;

/// Values by token.
pub(crate) type TokenMap<V> = HashMap<u128, V, TokenHashBuilder>;

/// The token of null. No string has it: its length field exceeds the length of any string.
pub(crate) const NULL_TOKEN: u128 = u128::MAX;

/// Mixes the bits of a token. The tokens of a dictionary differ in only a few bits. The upper bits
/// of the result are mixed best.
pub(crate) fn mix(token: u128) -> u64 {
    let mixed = (token as u64 ^ (token >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Builds hashers of tokens.
#[derive(Clone, Copy, Default)]
pub(crate) struct TokenHashBuilder;

/// A hasher of tokens.
pub(crate) struct TokenHasher(u64);

impl BuildHasher for TokenHashBuilder {
    type Hasher = TokenHasher;
    fn build_hasher(&self) -> TokenHasher {
        TokenHasher(0)
    }
}

impl Hasher for TokenHasher {
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

/// The number of hash bits that select a slot of a [`ViewCache`].
const SLOT_BITS: u32 = 11;

/// A direct-mapped cache of values by token. A token replaces the previous one in its slot.
///
/// Tokens and values are separate, so that small values take little space of the CPU cache.
pub(crate) struct ViewCache<V> {
    tokens: Vec<u128>,
    values: Vec<V>,
}

impl<V: Copy> ViewCache<V> {
    /// Returns a cache that contains only the value of [`NULL_TOKEN`].
    pub fn new(null: V) -> ViewCache<V> {
        ViewCache { tokens: vec![NULL_TOKEN; 1 << SLOT_BITS], values: vec![null; 1 << SLOT_BITS] }
    }

    /// Returns the value of a token. If it is not cached, `compute` computes it.
    #[inline]
    pub fn get(&mut self, token: u128, compute: impl FnOnce() -> V) -> V {
        let slot = (mix(token) >> (u64::BITS - SLOT_BITS)) as usize;
        let Some((cached, value)) = self.tokens.get_mut(slot).zip(self.values.get_mut(slot)) else {
            return compute();
        };
        if *cached != token {
            (*cached, *value) = (token, compute());
        }
        *value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_value_is_computed_again() {
        let mut cache = ViewCache::new(9);
        assert_eq!(cache.get(NULL_TOKEN, || panic!("null is cached from the start")), 9);
        for round in 0..3u128 {
            for token in 0..5_000u128 {
                assert_eq!(cache.get(token, || token + 7), token + 7, "round {round}");
                assert_eq!(cache.get(token, || panic!("it was cached just before")), token + 7);
            }
        }
    }
}
