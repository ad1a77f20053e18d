//! The secret behind `ipua-` ids and the hashes of forgotten identifiers.
//!
//! Whoever has it can test whether an address and a user agent, or an identifier, stand behind a
//! hash. It lies in the store as `key`, readable by its owner alone, or where `WA_KEY_FILE` says.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::Store;
use super::file_system::Disk;
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::prehashed::hex;

/// The key's name in the store.
pub const KEY: &str = "key";
/// The ending of its name while it is being written.
const NEW: &str = ".new";

/// The secret key.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// Makes a key of given bytes, for tests and for reproducible stores.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        SecretKey(bytes)
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the keyed hash (HMAC-SHA-256) of some parts, no two of which run together, in
    /// hexadecimal.
    pub fn hash(&self, parts: &[&[u8]]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        hex(&mac.finalize().into_bytes())
    }

    /// Returns what the manifest keeps to notice another key.
    pub fn check(&self) -> String {
        self.hash(&[b"wa key check"]).chars().take(16).collect()
    }
}

/// Reads the store's key; `elsewhere` is the path that `WA_KEY_FILE` gives. A store that no key was used in
/// yet gets one, if none is there.
///
/// # Errors
/// Where the key is missing or is not the one that the store was made with: nothing is changed then.
pub fn of(store: &Store, manifest: &Manifest, elsewhere: Option<&Path>) -> Result<SecretKey> {
    let path = elsewhere.map_or_else(|| store.dir().join(KEY), Path::to_owned);
    let disk = store.disk();
    let key = match read(&**disk, &path)? {
        Some(key) => key,
        None if manifest.key_check.is_none() => make(&**disk, &path, elsewhere.is_some())?,
        None => {
            return Err(Error::failed(format!("the key file {} is missing", path.display())).hint(
                "put the store's key back from a backup, or name it with WA_KEY_FILE: with another one the same \
                 visitor would get another id",
            ));
        }
    };
    if manifest.key_check.as_ref().is_some_and(|check| *check != key.check()) {
        return Err(Error::failed(format!(
            "the secret key {} is not the one that this store was made with",
            path.display()
        ))
        .hint("put the store's key file back, or name the right one with WA_KEY_FILE"));
    }
    Ok(key)
}

/// Reads a key; `None` where there is none.
fn read(disk: &dyn Disk, path: &Path) -> Result<Option<SecretKey>> {
    match disk.read(path) {
        Ok(bytes) => parse(&bytes).map(Some).ok_or_else(|| {
            Error::failed(format!("the key file {} is damaged", path.display()))
                .hint("put it back from a backup: with another key the same visitor gets another id")
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read the key", path, e)),
    }
}

/// Makes a key. Where it is `shared`, another store may be making one there: the first one counts.
fn make(disk: &dyn Disk, path: &Path, shared: bool) -> Result<SecretKey> {
    let key = random();
    let text = hex(&key.0);
    // Written aside and moved: a key that was cut off by a crash would lock the store up.
    let mut aside = path.to_owned().into_os_string();
    match shared {
        // The store's own key is made under its lock, and a name left by a crash is free.
        false => aside.push(NEW),
        true => aside.push(format!(".{}{NEW}", uuid::Uuid::new_v4().simple())),
    }
    let aside = PathBuf::from(aside);
    let _ = disk.remove_file(&aside);
    disk.write_new(&aside, format!("{text}\n").as_bytes())
        .map_err(|e| Error::io("write the key", &aside, e))?;
    disk.sync_file(&aside).map_err(|e| Error::io("sync the key", &aside, e))?;
    let moved = if shared { disk.rename_new(&aside, path) } else { disk.rename(&aside, path) };
    match moved {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let _ = disk.remove_file(&aside);
        }
        moved => moved.map_err(|e| Error::io("move the key into place", path, e))?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    disk.sync_dir(folder).map_err(|e| Error::io("sync the folder", folder, e))?;
    let missing = || Error::failed(format!("the key file {} has gone again", path.display()));
    read(disk, path)?.ok_or_else(missing)
}

fn random() -> SecretKey {
    // Two random UUIDs have 244 bits from the system's generator.
    let mut hash = Sha256::new();
    hash.update(uuid::Uuid::new_v4().as_bytes());
    hash.update(uuid::Uuid::new_v4().as_bytes());
    SecretKey(hash.finalize().into())
}

fn parse(bytes: &[u8]) -> Option<SecretKey> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (n, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(SecretKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let mut manifest = Manifest::new(0, "UTC", 1);
        let made = of(&store, &manifest, None).unwrap();
        assert_eq!(of(&store, &manifest, None).unwrap().bytes(), made.bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(dir.path().join(KEY), "short").unwrap();
        assert!(of(&store, &manifest, None).unwrap_err().to_string().contains("damaged"));
        // Once it was used, no other takes its place.
        manifest.key_check = Some(made.check());
        std::fs::remove_file(dir.path().join(KEY)).unwrap();
        assert!(of(&store, &manifest, None).unwrap_err().to_string().contains("missing"));
        assert!(!dir.path().join(KEY).exists());
        manifest.key_check = None;
        of(&store, &manifest, None).unwrap();
        manifest.key_check = Some(made.check());
        assert!(of(&store, &manifest, None).unwrap_err().to_string().contains("not the one"));
    }

    #[test]
    fn stores_that_make_a_shared_key_at_one_time_have_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shared");
        let (store, manifest) = (Store::at(dir.path().join("store")), Manifest::new(0, "UTC", 1));
        for _ in 0..50 {
            let start = std::sync::Barrier::new(4);
            let key = || {
                start.wait();
                of(&store, &manifest, Some(&path)).unwrap().check()
            };
            let keys: Vec<String> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(key)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
            std::fs::remove_file(&path).unwrap();
            // Nothing was left beside it.
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn the_keyed_hash_is_that_of_the_standard() {
        // HMAC-SHA-256 of the 8-byte length 2 and "Hi" under a key of 32 bytes 0x0b, worked out
        // with Python's hmac module.
        let key = SecretKey::from_bytes([0x0b; 32]);
        assert_eq!(key.hash(&[b"Hi"]), EXPECTED);
        assert_ne!(key.hash(&[b"a", b"bc"]), key.hash(&[b"ab", b"c"]));
    }

    const EXPECTED: &str = "a7d778eedb6699b069038728fdf6ca5e7e74ed4b05a2820ec7942cc6010974ee";
}
