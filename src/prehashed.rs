//! A hasher for keys that are hashes, and the hexadecimal form of hashes.

/// Formats bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]);
    let mut text = Vec::with_capacity(bytes.len() * 2);
    text.extend(digits);
    String::from_utf8(text).unwrap_or_default()
}

/// Builds hashers for 128-bit keys that are already hashes: the key is folded to 64 bits and not
/// hashed again.
///
/// Do not use it for ids from a log, whose author could choose ids that collide. Hash such ids with
/// a secret seed first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PreHashed;

impl std::hash::BuildHasher for PreHashed {
    type Hasher = PreHashedHasher;

    fn build_hasher(&self) -> PreHashedHasher {
        PreHashedHasher(0)
    }
}

/// The hasher of [`PreHashed`].
#[derive(Clone, Copy, Debug)]
pub struct PreHashedHasher(u64);

impl std::hash::Hasher for PreHashedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u128(&mut self, n: u128) {
        let folded = (n as u64) ^ ((n >> 64) as u64).rotate_left(32);
        self.0 = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
