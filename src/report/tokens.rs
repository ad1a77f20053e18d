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
