//! Anonymous ids that several users have used, such as the cookie of a shared kiosk.
//!
//! Once one of those users is erased, the tables no longer show that the id was shared. A keyed
//! hash of the id is therefore stored, so that `forget` does not follow the id from the remaining
//! user to other people.

use std::collections::HashSet;
use std::path::Path;

use crate::error::Result;
use crate::store::key::{self, SecretKey};
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;

/// The anonymous ids that earlier erasures found to be shared.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedIds {
    hashes: HashSet<String>,
    key: Option<SecretKey>,
}

/// Returns the keyed hash of a shared anonymous id.
pub(super) fn hash(key: &SecretKey, anonymous_id: &str) -> String {
    key.hash(&[b"shared anonymous id", anonymous_id.as_bytes()])
}

impl SharedIds {
    /// Reads the shared ids of a state of the store. `key_file` is the path of the secret key, if
    /// it is not in the store.
    ///
    /// # Errors
    /// Fails if there are shared ids and the key with which they were hashed is missing or differs.
    pub(super) fn load(snapshot: &Snapshot, ledger: &Ledger, key_file: Option<&Path>) -> Result<SharedIds> {
        if ledger.shared_ids.is_empty() {
            return Ok(SharedIds::default());
        }
        let key = key::load_or_create(&snapshot.store(), snapshot.manifest(), key_file)?;
        Ok(SharedIds { hashes: ledger.shared_ids.iter().cloned().collect(), key: Some(key) })
    }

    /// Returns whether an anonymous id is shared.
    pub(super) fn contains(&self, anonymous_id: &str) -> bool {
        self.key.as_ref().is_some_and(|key| self.hashes.contains(&hash(key, anonymous_id)))
    }
}
