//! A pool with the distinct strings of several blocks.
//!
//! A string is recognized by a 128-bit hash with a random seed, so that the author of a log cannot
//! choose strings that collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};
use crate::event::{TextId, TextPool};
use crate::prehashed::PreHashed;

/// Hashes strings, to find equal ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextHasher {
    seed: u64,
}

impl Default for TextHasher {
    fn default() -> TextHasher {
        TextHasher { seed: RandomState::new().hash_one(0) }
    }
}

impl TextHasher {
    /// Returns the hash of a string.
    #[inline]
    pub fn hash(self, text: &str) -> u128 {
        xxh3_128_with_seed(text.as_bytes(), self.seed)
    }
}

/// A pool of distinct strings, with an index by hash.
#[derive(Debug, Default)]
pub(super) struct DistinctTexts {
    pool: TextPool,
    ids: HashMap<u128, TextId, PreHashed>,
}

impl DistinctTexts {
    /// Returns the id of the string with a hash, adding the string if it is new.
    ///
    /// # Errors
    /// Fails if the strings exceed 4 GiB.
    #[inline]
    pub fn id<'t>(&mut self, hash: u128, text: impl FnOnce() -> Option<&'t str>) -> Result<TextId> {
        match self.ids.entry(hash) {
            std::collections::hash_map::Entry::Occupied(id) => Ok(*id.get()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let id = self.pool.push(text().unwrap_or_default());
                Ok(*entry.insert(id.ok_or_else(too_many)?))
            }
        }
    }

    /// Returns the strings.
    pub fn pool(&self) -> &TextPool {
        &self.pool
    }

    /// Returns the strings.
    pub fn into_pool(self) -> TextPool {
        self.pool
    }
}

fn too_many() -> Error {
    Error::failed("the strings of the events exceed 4 GiB")
}
