//! Opens the stores to merge, and checks that they can be merged.

use std::path::Path;

use super::key_file;
use crate::config::quantity::format_duration;
use crate::error::{Error, Result};
use crate::ingest::input::source_registry::SourceRegistry;
use crate::settings::{IpPolicy, Settings};
use crate::store::key::{self, SecretKey};
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::{Snapshot, Store};

/// A store to add.
#[derive(Clone, Debug)]
pub struct MergeSource {
    /// The store, which is only read.
    pub store: Store,
    /// The settings of the store.
    pub settings: Settings,
}

impl MergeSource {
    /// Returns the settings of a new target: those of this store, except for memory and a key file
    /// that the caller chose.
    pub(super) fn settings_of_target(&self, chosen: &Settings) -> Settings {
        Settings {
            memory: chosen.memory,
            key_file: chosen.key_file.clone().or(self.settings.key_file.clone()),
            ..self.settings.clone()
        }
    }

    fn name(&self) -> String {
        self.store.dir().display().to_string()
    }
}

/// A snapshot of a source.
#[derive(Debug)]
pub(super) struct SourceState<'a> {
    pub(super) source: &'a MergeSource,
    pub(super) snapshot: Snapshot,
    pub(super) ledger: Ledger,
    pub(super) registry: SourceRegistry,
}

impl SourceState<'_> {
    /// Returns the path of the store.
    pub(super) fn name(&self) -> String {
        self.source.name()
    }

    /// Returns whether a writer has changed the store since the snapshot.
    pub(super) fn is_outdated(&self) -> bool {
        let generation = self.snapshot.manifest().generation;
        self.source.store.snapshot().map_or(true, |now| now.manifest().generation != generation)
    }

    /// Returns whether any rows were pruned.
    pub(super) fn has_pruned_data(&self) -> bool {
        let Ledger { pruned_events, pruned_sessions, pruned_daily_stats, .. } = &self.ledger;
        !(pruned_events.is_empty() && pruned_sessions.is_empty() && pruned_daily_stats.is_empty())
    }
}

/// Checks that no store is named twice, directly or through a link.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage) if a store is named twice.
pub(super) fn check_distinct(target: &Store, sources: &[MergeSource]) -> Result<()> {
    let real = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mut known = vec![real(target.dir())];
    for source in sources {
        let dir = real(source.store.dir());
        if known.first() == Some(&dir) {
            return Err(Error::usage(format!("cannot merge the store {} into itself", source.name()))
                .hint("name only the other stores after `wa merge`, and the target with --store"));
        }
        if known.contains(&dir) {
            return Err(Error::usage(format!("the store {} is named twice", source.name()))
                .hint("name each store once"));
        }
        known.push(dir);
    }
    Ok(())
}

/// Reads the current state of each source.
///
/// # Errors
/// Fails if a source does not exist, or its manifest, ledger or source registry is damaged.
pub(super) fn read_all(sources: &[MergeSource]) -> Result<Vec<SourceState<'_>>> {
    let read = |source: &MergeSource| {
        source.store.read_consistently(|snapshot| {
            Ok((snapshot.clone(), Ledger::load(snapshot)?, SourceRegistry::load(snapshot)?))
        })
    };
    sources
        .iter()
        .map(|source| {
            if !source.store.exists() {
                return Err(Error::failed(format!("there is no wa store in {}", source.name()))
                    .hint("name folders that `wa ingest` created"));
            }
            let (snapshot, ledger, registry) = read(source)?;
            Ok(SourceState { source, snapshot, ledger, registry })
        })
        .collect()
}

/// Checks that all settings that affect rows equal those of the target.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage) and a message with both values.
pub(super) fn check(
    target: &Store,
    manifest: &Manifest,
    settings: &Settings,
    states: &[SourceState<'_>],
) -> Result<()> {
    let target_name = target.dir().display();
    for state in states {
        let (name, theirs) = (state.name(), state.snapshot.manifest());
        if theirs.is_empty() {
            continue;
        }
        let differs = |what: &str, value: &str, own: &str, setting: &str| {
            Error::usage(format!("the {what} of {name} is {value}, but that of {target_name} is {own}")).hint(
                format!(
                    "set {setting} to the same value in the wa.toml of both, and run `wa --store DIR rebuild` \
                     on the store that you changed"
                ),
            )
        };
        let zone = settings.timezone.name();
        if theirs.timezone != zone {
            return Err(differs("time zone", &theirs.timezone, zone, "timezone"));
        }
        if theirs.session_timeout_us != settings.session_timeout {
            let [value, own] = [theirs.session_timeout_us, settings.session_timeout].map(format_duration);
            return Err(differs("session timeout", &value, &own, "session_timeout"));
        }
        let ip = state.source.settings.ip;
        if ip != settings.ip {
            let [value, own] = [ip, settings.ip].map(policy_name);
            return Err(Error::usage(format!(
                "privacy.ip of {name} is \"{value}\", but that of {target_name} is \"{own}\""
            ))
            .hint(
                "set privacy.ip to the same value in the wa.toml of both; `wa anonymize` removes IP addresses \
                 that are already stored",
            ));
        }
    }
    let own = manifest.key_fingerprint.as_ref().map(|fingerprint| (target_name.to_string(), fingerprint));
    let theirs = states.iter().filter_map(|state| {
        let fingerprint = state.snapshot.manifest().key_fingerprint.as_ref()?;
        Some((state.name(), fingerprint))
    });
    let mut keys = own.into_iter().chain(theirs);
    let Some((name, key)) = keys.next() else { return Ok(()) };
    match keys.find(|(_, other)| *other != key) {
        Some((other_name, other)) => Err(other_key(&name, key, &other_name, other)),
        None => Ok(()),
    }
}

fn policy_name(policy: IpPolicy) -> &'static str {
    match policy {
        IpPolicy::Keep => "keep",
        IpPolicy::Truncate => "truncate",
        IpPolicy::Drop => "drop",
    }
}

fn other_key(name: &str, key: &str, other_name: &str, other: &str) -> Error {
    Error::usage(format!(
        "the stores have different secret keys: {name} has {key}…, {other_name} has {other}…"
    ))
    .hint(
        "set WA_KEY_FILE to a copy of the key file of one store, and ingest the logs of the other again into \
         a new store; with different keys, one visitor has different ids",
    )
}

/// Returns the key of the target, else the key of the first source that has used one. Returns
/// `None` if no store has used a key.
///
/// # Errors
/// Fails if the key file is missing, or is not the key of the sources.
pub(super) fn find_key(
    target: &Store,
    manifest: &Manifest,
    settings: &Settings,
    states: &[SourceState<'_>],
) -> Result<Option<SecretKey>> {
    let used = states.iter().find_map(|state| {
        let fingerprint = state.snapshot.manifest().key_fingerprint.as_ref()?;
        Some((state, fingerprint))
    });
    let own = key::load(target, manifest, key_file(settings).as_deref())?;
    match (own, used) {
        (Some(own), Some((state, fingerprint))) if own.fingerprint() != *fingerprint => {
            let path = key::key_path(target, key_file(settings).as_deref());
            Err(other_key(&path.display().to_string(), &own.fingerprint(), &state.name(), fingerprint))
        }
        (None, Some((state, _))) => {
            let file = key_file(&state.source.settings);
            key::load(&state.source.store, state.snapshot.manifest(), file.as_deref())
        }
        (own, _) => Ok(own),
    }
}

/// Returns the key of the target. If `creates` is set, a target without a key gets the key of the
/// sources, or a new key.
///
/// # Errors
/// Returns the errors of [`find_key`], and fails if the key cannot be written.
pub(super) fn load_key(
    target: &Store,
    manifest: &Manifest,
    settings: &Settings,
    states: &[SourceState<'_>],
    creates: bool,
) -> Result<Option<SecretKey>> {
    let found = find_key(target, manifest, settings, states)?;
    match found {
        Some(found) if creates => {
            key::load_or_adopt(target, manifest, key_file(settings).as_deref(), &found).map(Some)
        }
        found => Ok(found),
    }
}
