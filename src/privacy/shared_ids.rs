//! Anonymous ids that were seen with several users, such as the cookie of a kiosk.
//!
//! Once one of those users is erased, the tables do not show it any more: a keyed hash of such an id is
//! kept, so that it does not lead from the last of them to everybody who stood there.

use std::collections::HashSet;
use std::path::Path;

use crate::error::Result;
use crate::store::key::{self, SecretKey};
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;

/// The anonymous ids that earlier erasures found to be shared.
#[derive(Clone, Debug, Default)]
pub struct SharedIds {
    hashes: HashSet<String>,
    key: Option<SecretKey>,
}

/// Returns the keyed hash of a shared anonymous id.
pub fn hash(key: &SecretKey, anonymous_id: &str) -> String {
    key.hash(&[b"shared anonymous id", anonymous_id.as_bytes()])
}

impl SharedIds {
    /// Returns those that a state of the store knows of; `key_file`: where the secret key lies, if not in the
    /// store.
    ///
    /// # Errors
    /// Where there are some, and the key is missing or another one.
    pub fn of(snapshot: &Snapshot, ledger: &Ledger, key_file: Option<&Path>) -> Result<SharedIds> {
        if ledger.shared.is_empty() {
            return Ok(SharedIds::default());
        }
        let key = key::of(&snapshot.store(), snapshot.manifest(), key_file)?;
        Ok(SharedIds { hashes: ledger.shared.iter().cloned().collect(), key: Some(key) })
    }

    /// Tells whether an anonymous id was found to be shared.
    pub fn has(&self, anonymous_id: &str) -> bool {
        self.key.as_ref().is_some_and(|key| self.hashes.contains(&hash(key, anonymous_id)))
    }
}
