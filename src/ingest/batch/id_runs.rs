//! Ids of stored events in temporary files, for dates with more ids than fit into memory.
//!
//! A run is a file of entries sorted by key. It consists of the first halves of all keys, and then,
//! for each entry, of the other half and the content hash. A batch looks up its keys with one pass
//! over the first halves. Only if one of them matches are the other halves read. The checksums of
//! both parts are in memory.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::stored_ids::StoredId;
use crate::error::Result;
use crate::store::temp_files::{TempFiles, damaged};

/// Bytes of a number in a run.
const NUMBER: usize = size_of::<u64>();

/// A run of sorted entries.
#[derive(Debug)]
pub(super) struct IdRun {
    path: PathBuf,
    entries: usize,
    /// Checksums of the first halves, and of the rest.
    checksums: [u64; 2],
}

impl IdRun {
    /// Writes a run.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(mut ids: Vec<StoredId>, temp_files: &TempFiles) -> Result<IdRun> {
        ids.sort_unstable_by_key(|id| id.key);
        let mut bytes = Vec::with_capacity(ids.len() * 3 * NUMBER);
        ids.iter().for_each(|id| bytes.extend_from_slice(&first_half(id.key).to_le_bytes()));
        for id in &ids {
            bytes.extend_from_slice(&(id.key as u64).to_le_bytes());
            bytes.extend_from_slice(&id.content_hash.to_le_bytes());
        }
        let (halves, rest) = bytes.split_at(ids.len() * NUMBER);
        let checksums = [xxh3_64(halves), xxh3_64(rest)];
        Ok(IdRun { path: temp_files.write(&bytes)?, entries: ids.len(), checksums })
    }

    /// Returns the entries whose keys begin with one of the given halves, which must be sorted.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn find(&self, first_halves: &[u64], temp_files: &TempFiles) -> Result<Vec<StoredId>> {
        let read = |offset: usize, length: usize, checksum: u64| {
            let bytes = temp_files.read_part(&self.path, offset as u64, length)?;
            if xxh3_64(&bytes) == checksum { Ok(bytes) } else { Err(damaged()) }
        };
        let [checksum, rest_checksum] = self.checksums;
        let stored = read(0, self.entries * NUMBER, checksum)?;
        let mut wanted = first_halves.iter().peekable();
        let mut is_wanted = |half: u64| {
            while wanted.next_if(|wanted| **wanted < half).is_some() {}
            wanted.peek() == Some(&&half)
        };
        let halves = numbers(&stored).enumerate();
        let found: Vec<(usize, u64)> = halves.filter(|(_, half)| is_wanted(*half)).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let rest = read(stored.len(), 2 * stored.len(), rest_checksum)?;
        let id = |(entry, half): (usize, u64)| {
            let mut rest = numbers(rest.get(entry * 2 * NUMBER..)?);
            let key = u128::from(half) << 64 | u128::from(rest.next()?);
            Some(StoredId { key, content_hash: rest.next()? })
        };
        Ok(found.into_iter().filter_map(id).collect())
    }

    /// Removes the file.
    pub fn remove(self, temp_files: &TempFiles) {
        temp_files.remove(&self.path);
    }
}

/// Returns the first half of a key.
pub(super) fn first_half(key: u128) -> u64 {
    (key >> 64) as u64
}

/// Iterates over the numbers in a part of a run.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(NUMBER).filter_map(|number| Some(u64::from_le_bytes(number.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Store;
    use crate::store::file_system::OsFileSystem;
    use crate::store::manifest::Manifest;

    #[test]
    fn run_returns_entries_with_the_first_half_of_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::with_file_system(Arc::new(OsFileSystem), folder.path().join("store"));
        let writer = store.writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap();
        let temp_files = writer.temp_files();
        let id = |half: u64, rest: u64| StoredId {
            key: u128::from(half) << 64 | u128::from(rest),
            content_hash: half * 10 + rest,
        };
        let run =
            IdRun::write(vec![id(9, 1), id(3, 2), id(u64::MAX >> 4, 3), id(3, 1)], &temp_files).unwrap();
        let find = |halves: &[u64]| run.find(halves, &temp_files).unwrap();
        assert_eq!(find(&[]), []);
        assert_eq!(find(&[0, 4, 8, 10, u64::MAX]), []);
        assert_eq!(find(&[1, 3, 3, 5]), [id(3, 1), id(3, 2)]);
        assert_eq!(find(&[9, u64::MAX >> 4]), [id(9, 1), id(u64::MAX >> 4, 3)]);
        let bytes = std::fs::read(&run.path).unwrap();
        for byte in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[byte] ^= 1;
            std::fs::write(&run.path, damaged).unwrap();
            assert!(run.find(&[9], &temp_files).is_err(), "byte {byte}");
        }
        run.remove(&temp_files);
        assert_eq!(std::fs::read_dir(folder.path().join("store/staging")).unwrap().count(), 0);
    }
}
