//! The manifest: the file that names all files of the store.
//!
//! Invariants:
//!
//! - A file that the manifest does not name is not part of the store.
//! - The manifest is replaced as a whole, by a rename. After a crash at any step, `manifest.json`
//!   is the complete old or the complete new file: see `store::transaction`.
//!
//! `manifest.json` is one line of JSON, `{"manifest": {…}, "checksum": "…"}`. The checksum covers
//! the text of the inner object, so that any damage of the file is detected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::columns::Table;
use super::containment::manifest_paths;
use super::decode::checksums::FooterChecksum;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// The value of the key `format`, which identifies a store.
pub const FORMAT: &str = "wa-store";
/// The version of the storage format that this program writes, and the newest that it reads.
pub const VERSION: u32 = 2;
/// The name of the manifest file.
pub const MANIFEST_FILE: &str = "manifest.json";

/// A file of a table: immutable, with a unique name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path relative to the store, with `/` between names.
    pub path: String,
    /// First day of the partition: its day, or the first day of its month.
    #[serde(with = "day_text")]
    pub day: Day,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the bytes (XXH3, 128 bits, hexadecimal).
    pub checksum: String,
    /// Checksum of the Parquet footer and the eight bytes after it (XXH3, 64 bits, hexadecimal).
    /// Files of version 1 have none: reading any column of them reads the whole file.
    #[serde(default, with = "hex_option", skip_serializing_if = "Option::is_none")]
    pub footer_checksum: Option<u64>,
    /// Earliest time of a row: the time of an event, a session's start, a visitor's first-seen
    /// time, or the midnight at which a day of statistics starts.
    pub min_time: Micros,
    /// Latest time of a row: the time of an event, a session's end, a visitor's first-seen time, or
    /// the midnight at which a day of statistics starts.
    pub max_time: Micros,
    /// Whether all IP addresses have been removed from the file, by `wa anonymize` or a gc.
    ///
    /// Earlier versions recognized fewer notations and wrote `ip_addresses_removed`. Files with
    /// that key are searched again.
    #[serde(default, rename = "ip_addresses_masked", skip_serializing_if = "std::ops::Not::not")]
    pub ip_addresses_removed: bool,
}

impl DataFile {
    /// Returns the checksum of the footer; `None` if the manifest does not contain it.
    pub(super) fn footer(&self) -> Option<FooterChecksum> {
        self.footer_checksum.map(|checksum| FooterChecksum { file_bytes: self.bytes, checksum })
    }
}

/// A file that is not part of a table: rejected lines, the source registry or the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxiliaryFile {
    /// Path relative to the store.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the bytes.
    pub checksum: String,
    /// Number of lines or entries.
    pub rows: u64,
    /// When it was written.
    pub written_at: Micros,
}

/// The last run of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// Start of the run.
    pub at: Micros,
    /// Results of the run, as counts by name.
    pub counts: BTreeMap<String, u64>,
}

/// The state of a store: its files, and the settings that they depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// Version of the storage format.
    pub version: u32,
    /// Number of commits.
    pub generation: u64,
    /// When the store was created.
    pub created_at: Micros,
    /// When the store last changed.
    pub updated_at: Micros,
    /// Time zone of the days of sessions and daily statistics.
    pub timezone: String,
    /// Session timeout in microseconds: the longest gap within a session.
    pub session_timeout_us: Micros,
    /// Files of each table, sorted by path.
    pub tables: BTreeMap<Table, Vec<DataFile>>,
    /// Files of rejected lines.
    #[serde(default)]
    pub rejects: Vec<AuxiliaryFile>,
    /// The source registry: the files that were ingested.
    #[serde(default)]
    pub sources: Option<AuxiliaryFile>,
    /// The ledger: pruned days and forgotten identifiers.
    #[serde(default)]
    pub ledger: Option<AuxiliaryFile>,
    /// Fingerprint of the secret key, to detect a different key.
    #[serde(default)]
    pub key_fingerprint: Option<String>,
    /// The last ingest.
    #[serde(default)]
    pub last_ingest: Option<LastRun>,
    /// The last gc.
    #[serde(default)]
    pub last_gc: Option<LastRun>,
    /// Some or all sessions that started on this day or earlier were pruned.
    #[serde(default, with = "day_text_option", skip_serializing_if = "Option::is_none")]
    pub sessions_pruned_through: Option<Day>,
    /// Some or all events of this UTC date or earlier were pruned.
    #[serde(default, with = "day_text_option", skip_serializing_if = "Option::is_none")]
    pub events_pruned_through: Option<Day>,
}

impl Manifest {
    /// Returns the manifest of an empty store.
    pub fn new(now: Micros, timezone: &str, session_timeout_us: Micros) -> Manifest {
        Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            generation: 0,
            created_at: now,
            updated_at: now,
            timezone: timezone.to_owned(),
            session_timeout_us,
            tables: Table::ALL.into_iter().map(|table| (table, Vec::new())).collect(),
            rejects: Vec::new(),
            sources: None,
            ledger: None,
            key_fingerprint: None,
            last_ingest: None,
            last_gc: None,
            sessions_pruned_through: None,
            events_pruned_through: None,
        }
    }

    /// Returns whether there are no rows, and none were pruned. If so, nothing depends on the time
    /// zone and the session timeout.
    pub fn is_empty(&self) -> bool {
        self.tables.values().all(Vec::is_empty)
            && self.sessions_pruned_through.is_none()
            && self.events_pruned_through.is_none()
    }

    /// Returns the files of a table.
    pub fn files(&self, table: Table) -> &[DataFile] {
        self.tables.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Returns the paths and sizes of the data files in a folder.
    pub(super) fn data_files_in<'m>(&'m self, folder: &str) -> impl Iterator<Item = (&'m str, u64)> {
        let is_inside = move |path: &str| path.rsplit_once('/').is_some_and(|(parent, _)| parent == folder);
        let files = self.tables.values().flatten();
        files.filter(move |file| is_inside(&file.path)).map(|file| (file.path.as_str(), file.bytes))
    }

    /// Returns the paths of all files that the manifest names.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let data = self.tables.values().flatten().map(|file| file.path.as_str());
        let side = self.rejects.iter().chain(&self.sources).chain(&self.ledger);
        data.chain(side.map(|file| file.path.as_str()))
    }

    /// Serializes the manifest.
    ///
    /// # Errors
    /// Fails if the manifest cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |e| Error::failed("cannot write the manifest as JSON").caused_by(e);
        let inner = serde_json::value::to_raw_value(self).map_err(failed)?;
        let checksum = checksum(inner.get().as_bytes());
        let mut bytes = serde_json::to_vec(&Envelope { manifest: inner, checksum }).map_err(failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses a manifest.
    ///
    /// # Errors
    /// Fails if the bytes are damaged or have a newer version of the storage format, or if a path
    /// leads out of its folder.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest> {
        let damaged = || {
            Error::failed("manifest.json is damaged")
                .hint("restore manifest.json from a backup of the store, or ingest the logs into a new store")
        };
        let outer: Envelope = serde_json::from_slice(bytes).map_err(|e| damaged().caused_by(e))?;
        if checksum(outer.manifest.get().as_bytes()) != outer.checksum {
            return Err(damaged().caused_by("wrong checksum"));
        }
        let parsed = serde_json::from_str::<Manifest>(outer.manifest.get());
        if let Ok(manifest) = &parsed
            && manifest.format == FORMAT
            && manifest.version <= VERSION
        {
            manifest_paths::check(manifest)?;
            return parsed.map_err(|e| damaged().caused_by(e));
        }
        // Determine the reason. A newer version can have other keys.
        let probe: FormatProbe =
            serde_json::from_str(outer.manifest.get()).map_err(|e| damaged().caused_by(e))?;
        if probe.format != FORMAT {
            return Err(damaged().caused_by(format!("unknown format {:?}", probe.format)));
        }
        if probe.version > VERSION {
            return Err(Error::failed(format!(
                "the store has version {}, and this program reads versions up to {VERSION}",
                probe.version
            ))
            .hint("use a newer version of wa"));
        }
        parsed.map_err(|e| damaged().caused_by(e))
    }
}

/// The contents of the file.
#[derive(Serialize, Deserialize)]
struct Envelope {
    manifest: Box<RawValue>,
    checksum: String,
}

/// The keys that every version of the format has.
#[derive(Deserialize)]
struct FormatProbe {
    format: String,
    version: u32,
}

/// Returns the checksum of bytes: XXH3, 128 bits, in hexadecimal. It detects damage, not forgery.
pub fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

mod day_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::time::Day;

    pub fn serialize<S: Serializer>(day: &Day, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(day)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Day, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        Day::parse(&text).ok_or_else(|| D::Error::custom("not a date"))
    }
}

mod day_text_option {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::time::Day;

    pub fn serialize<S: Serializer>(day: &Option<Day>, s: S) -> Result<S::Ok, S::Error> {
        match day {
            Some(day) => s.collect_str(day),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Day>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        text.map(|t| Day::parse(&t).ok_or_else(|| D::Error::custom("not a date"))).transpose()
    }
}

mod hex_option {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &Option<u64>, s: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => s.collect_str(&format_args!("{number:016x}")),
            None => s.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(d)?;
        let number = text.map(|text| u64::from_str_radix(&text, 16));
        number.transpose().map_err(|_| D::Error::custom("not a hexadecimal number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_round_trips_through_bytes() {
        let mut manifest = Manifest::new(5, "Europe/Berlin", 1_800_000_000);
        manifest.sessions_pruned_through = Day::parse("2026-01-31");
        let file = DataFile {
            path: "events/event_date=2026-01-02/a.parquet".to_owned(),
            day: Day::parse("2026-01-02").unwrap(),
            rows: 3,
            bytes: 4,
            checksum: "00".to_owned(),
            footer_checksum: Some(0x0123_4567_89ab_cdef),
            min_time: 1,
            max_time: 2,
            ip_addresses_removed: false,
        };
        manifest.tables.entry(Table::Events).or_default().push(file);
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn manifest_with_any_flipped_bit_is_rejected() {
        let bytes = Manifest::new(5, "UTC", 1_800_000_000).to_bytes().unwrap();
        for at in 0..bytes.len() - 1 {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                if let Ok(read) = Manifest::from_bytes(&bad) {
                    panic!("bit {bit} of byte {at} was flipped, but the manifest was read: {read:?}");
                }
            }
        }
    }

    #[test]
    fn manifest_of_a_newer_version_names_the_version() {
        let mut manifest = Manifest::new(5, "UTC", 1);
        manifest.version = VERSION + 1;
        let error = Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap_err();
        assert!(error.to_string().contains(&format!("version {}", VERSION + 1)), "{error}");
    }
}
