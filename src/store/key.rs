//! The secret key, which keys the hashes of `ipua-` ids and of forgotten identifiers.
//!
//! Anyone with the key can test whether a hash was computed from a given identifier, or from a
//! given IP address and user agent. The key is in the file `key` of the store, or in the file that
//! `WA_KEY_FILE` names. Only the owner can read that file.
//!
//! Invariants:
//!
//! - The key never changes once it has been used: its fingerprint is in the manifest.
//! - The key file is complete: a new key is written under another name, synced, and renamed.
//! - A key that others can read, or that is not random, is not used.
//!
//! The file contains 64 hexadecimal digits and a newline. A crash while a key is created leaves no
//! key, or a complete one, and possibly a file `key.new`, which the next attempt replaces.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::Store;
use super::file_system::{Access, FileSystem, OpenFile};
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::prehashed::hex;

/// The name of the key file in the store.
pub const KEY_FILE: &str = "key";
/// The suffix of a key file's name while it is being written.
const NEW_SUFFIX: &str = ".new";

/// The largest key file, in bytes: a key and white space.
const MAX_FILE: u64 = 1024;
/// The minimum number of different bytes in a key. A random key has fewer with a probability below
/// 10^-36.
const MIN_DISTINCT_BYTES: usize = 8;

/// A secret key of 256 bits.
#[derive(Clone)]
pub struct SecretKey {
    bytes: [u8; 32],
    /// The HMAC state after processing the key. Reusing it halves the time to hash a short string.
    /// HMAC accepts keys of any length, so this is never `None`.
    mac: Option<Hmac<Sha256>>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// Returns the key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        SecretKey { bytes, mac: Hmac::new_from_slice(&bytes).ok() }
    }

    /// Returns the bytes of the key.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Returns the keyed hash (HMAC-SHA-256) of a sequence of parts, in hexadecimal. Each part is
    /// hashed with its length, so that different sequences have different hashes.
    pub fn hash(&self, parts: &[&[u8]]) -> String {
        let Some(mut mac) = self.mac.clone() else { return String::new() };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        hex(&mac.finalize().into_bytes())
    }

    /// Returns the fingerprint that the manifest records.
    pub fn fingerprint(&self) -> String {
        self.hash(&[b"wa key check"]).chars().take(16).collect()
    }
}

/// Reads the store's key, or creates it if no key was used yet. `key_file` is the value of
/// `WA_KEY_FILE`, if set.
///
/// # Errors
/// Returns the errors of [`load`] and [`check_access`]. Nothing is changed in that case.
pub fn load_or_create(store: &Store, manifest: &Manifest, key_file: Option<&Path>) -> Result<SecretKey> {
    load_or_write(store, manifest, key_file, random)
}

/// Reads the store's key, or writes `other` if no key was used yet. `other` is the key of a store
/// that is merged into this one.
///
/// # Errors
/// Returns the errors of [`load`] and [`check_access`]. Nothing is changed in that case.
pub fn load_or_adopt(
    store: &Store,
    manifest: &Manifest,
    key_file: Option<&Path>,
    other: &SecretKey,
) -> Result<SecretKey> {
    load_or_write(store, manifest, key_file, || other.clone())
}

fn load_or_write(
    store: &Store,
    manifest: &Manifest,
    key_file: Option<&Path>,
    new: impl FnOnce() -> SecretKey,
) -> Result<SecretKey> {
    let key = match load(store, manifest, key_file)? {
        Some(key) => key,
        None => create(&**store.file_system(), &key_path(store, key_file), &new(), key_file.is_some())?,
    };
    check_access(store, key_file)?;
    Ok(key)
}

/// Reads the store's key; `None` if there is none and none has been used yet.
///
/// # Errors
/// Fails if the key is missing although one was used, if it is damaged, or if it is not the key of
/// this store.
pub fn load(store: &Store, manifest: &Manifest, key_file: Option<&Path>) -> Result<Option<SecretKey>> {
    let path = key_path(store, key_file);
    let key = read(&**store.file_system(), &path)?;
    match (&manifest.key_fingerprint, &key) {
        (Some(fingerprint), Some(key)) if *fingerprint != key.fingerprint() => {
            Err(Error::failed(format!("{} is not the secret key of this store", path.display()))
                .hint("restore the store's key file, or name the right one with WA_KEY_FILE"))
        }
        (Some(_), None) => Err(Error::failed(format!("the key file {} is missing", path.display())).hint(
            "restore the store's key from a backup, or name its file with WA_KEY_FILE; with a different key \
             the same visitor would get a different id",
        )),
        _ => Ok(key),
    }
}

/// Returns the path of the store's key.
pub fn key_path(store: &Store, key_file: Option<&Path>) -> PathBuf {
    key_file.map_or_else(|| store.dir().join(KEY_FILE), Path::to_owned)
}

/// Reads a key file; `None` if it does not exist.
fn read(fs: &dyn FileSystem, path: &Path) -> Result<Option<SecretKey>> {
    let mut bytes = Vec::new();
    let read = fs.open(path).and_then(|file| match file {
        OpenFile::File(file) => file.take(MAX_FILE + 1).read_to_end(&mut bytes).map(|_| ()),
        OpenFile::Bytes(all) => {
            bytes = all;
            Ok(())
        }
    });
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| Error::io("read the key", path, e))?,
    }
    let key = parse(&bytes).ok_or_else(|| {
        Error::failed(format!("the key file {} is damaged", path.display()))
            .hint("restore it from a backup; with a different key the same visitor would get a different id")
    })?;
    if key.bytes().iter().collect::<BTreeSet<_>>().len() < MIN_DISTINCT_BYTES {
        return Err(Error::failed(format!("the key in {} is not random", path.display())).hint(
            "restore the key from a backup; for a new store, remove the file, so that `wa ingest` creates one",
        ));
    }
    Ok(Some(key))
}

/// Fails if users other than the owner can access a key file. Exception: a group may read a file
/// that belongs to root if the store belongs to another user, as is usual for the secrets of a
/// service.
///
/// # Errors
/// Fails with the permissions of the file in the message.
pub fn check_access(store: &Store, key_file: Option<&Path>) -> Result<()> {
    let (fs, path) = (store.file_system(), &key_path(store, key_file));
    let access = fs.access(path).map_err(|e| Error::io("read the permissions of", path, e))?;
    let Some(Access { owner, mode }) = access else { return Ok(()) };
    let is_for_service = owner == 0 && matches!(fs.access(store.dir()), Ok(Some(Access { owner: 1.., .. })));
    let forbidden = if is_for_service { 0o037 } else { 0o077 };
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the key file {} can be read or changed by other users: its mode is {mode:04o}",
        path.display()
    ))
    .hint(format!(
        "run `chmod 600 {}`; if its file system has no permissions, keep the key on another one and name it \
         with WA_KEY_FILE",
        path.display()
    )))
}

/// Creates a key file. If the file is `shared`, other stores can create it at the same time; all of
/// them return the key that was created first.
fn create(fs: &dyn FileSystem, path: &Path, key: &SecretKey, shared: bool) -> Result<SecretKey> {
    let text = hex(key.bytes());
    let mut new_path = path.to_owned().into_os_string();
    match shared {
        // The store is locked, so only a crashed writer can have left a file with this name.
        false => new_path.push(NEW_SUFFIX),
        true => new_path.push(format!(".{}{NEW_SUFFIX}", uuid::Uuid::new_v4().simple())),
    }
    let new_path = PathBuf::from(new_path);
    // Creating the file below fails if a link or another file has its name.
    let _ = fs.remove_file(&new_path);
    fs.write_new(&new_path, format!("{text}\n").as_bytes())
        .map_err(|e| Error::io("write the key", &new_path, e))?;
    fs.sync_file(&new_path).map_err(|e| Error::io("sync the key", &new_path, e))?;
    let renamed = if shared { fs.rename_new(&new_path, path) } else { fs.rename(&new_path, path) };
    match renamed {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let _ = fs.remove_file(&new_path);
        }
        renamed => renamed.map_err(|e| Error::io("create the key", path, e))?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs.sync_dir(folder).map_err(|e| Error::io("sync the folder", folder, e))?;
    let missing = || Error::failed(format!("the key file {} was removed", path.display()));
    read(fs, path)?.ok_or_else(missing)
}

fn random() -> SecretKey {
    // Two random UUIDs contain 244 random bits from the operating system.
    let mut hash = Sha256::new();
    hash.update(uuid::Uuid::new_v4().as_bytes());
    hash.update(uuid::Uuid::new_v4().as_bytes());
    SecretKey::from_bytes(hash.finalize().into())
}

fn parse(bytes: &[u8]) -> Option<SecretKey> {
    if bytes.len() as u64 > MAX_FILE {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (n, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(SecretKey::from_bytes(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_created_once_and_read_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let mut manifest = Manifest::new(0, "UTC", 1);
        let created = load_or_create(&store, &manifest, None).unwrap();
        assert_eq!(load_or_create(&store, &manifest, None).unwrap().bytes(), created.bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(dir.path().join(KEY_FILE), "short").unwrap();
        assert!(load_or_create(&store, &manifest, None).unwrap_err().to_string().contains("damaged"));
        // A key that was used is never replaced.
        manifest.key_fingerprint = Some(created.fingerprint());
        std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        assert!(load_or_create(&store, &manifest, None).unwrap_err().to_string().contains("missing"));
        assert!(!dir.path().join(KEY_FILE).exists());
        manifest.key_fingerprint = None;
        load_or_create(&store, &manifest, None).unwrap();
        manifest.key_fingerprint = Some(created.fingerprint());
        assert!(
            load_or_create(&store, &manifest, None).unwrap_err().to_string().contains("not the secret key")
        );
    }

    #[cfg(unix)]
    #[test]
    fn key_that_others_can_read_is_an_error() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (store, manifest) = (Store::new(dir.path()), Manifest::new(0, "UTC", 1));
        load_or_create(&store, &manifest, None).unwrap();
        for mode in [0o400, 0o600] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(KEY_FILE), permissions).unwrap();
            load_or_create(&store, &manifest, None).unwrap();
        }
        for mode in [0o604, 0o640, 0o620, 0o602, 0o444, 0o777] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(KEY_FILE), permissions).unwrap();
            let error = load_or_create(&store, &manifest, None).unwrap_err();
            assert!(error.to_string().ends_with(&format!("its mode is {mode:04o}")), "{error}");
        }
    }

    #[test]
    fn key_that_is_not_random_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (store, manifest) = (Store::new(dir.path()), Manifest::new(0, "UTC", 1));
        load_or_create(&store, &manifest, None).unwrap();
        let path = dir.path().join(KEY_FILE);
        for digits in ["0", "f", "ab", "01234567"] {
            std::fs::write(&path, digits.repeat(64 / digits.len()) + "\n").unwrap();
            let error = load_or_create(&store, &manifest, None).unwrap_err();
            assert!(error.to_string().ends_with("is not random"), "{error}");
        }
        // A key, followed by more white space than a key file may have.
        let long = "0123456789abcdef".repeat(4) + &" ".repeat(1000);
        std::fs::write(&path, long).unwrap();
        assert!(load_or_create(&store, &manifest, None).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn concurrently_created_shared_key_is_the_same_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shared");
        let (store, manifest) = (Store::new(dir.path().join("store")), Manifest::new(0, "UTC", 1));
        for _ in 0..50 {
            let start = std::sync::Barrier::new(4);
            let key = || {
                start.wait();
                load_or_create(&store, &manifest, Some(&path)).unwrap().fingerprint()
            };
            let keys: Vec<String> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(key)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
            std::fs::remove_file(&path).unwrap();
            // No temporary files remain.
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn keyed_hash_matches_the_standard() {
        // HMAC-SHA-256 of the 8-byte length 2 and "Hi" under a key of 32 bytes 0x0b, computed with
        // Python's hmac module.
        let key = SecretKey::from_bytes([0x0b; 32]);
        assert_eq!(key.hash(&[b"Hi"]), EXPECTED);
        assert_ne!(key.hash(&[b"a", b"bc"]), key.hash(&[b"ab", b"c"]));
    }

    const EXPECTED: &str = "a7d778eedb6699b069038728fdf6ca5e7e74ed4b05a2820ec7942cc6010974ee";
}
