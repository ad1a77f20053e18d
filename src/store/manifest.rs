//! The manifest: the one file that says what the store holds.
//!
//! `manifest.json` is `{"manifest": {…}, "checksum": "…"}`, the checksum being that of the text of
//! the inner object. It is replaced as a whole, by a rename; a file that it does not name is not
//! part of the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::columns::Table;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// The mark by which a folder is known as a store.
pub const FORMAT: &str = "wa-store";
/// The version of the layout that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";

/// A file of the store: immutable, uniquely named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path within the store, with `/` between names.
    pub path: String,
    /// The partition's first day: the day itself, or the first of its month.
    #[serde(with = "day_text")]
    pub day: Day,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the bytes (XXH3, 128 bits, hexadecimal).
    pub checksum: String,
    /// The earliest time in it: of an event, a session's start, a first sight.
    pub min_time: Micros,
    /// The latest time in it: of an event, a session's end, a first sight.
    pub max_time: Micros,
    /// Addresses were looked for in it, and there are none any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_addresses: bool,
}

/// A file that is not part of a table: rejects, and the writer's own notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFile {
    /// Path within the store.
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

/// What the last run of a kind did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// When it ran.
    pub at: Micros,
    /// What it did, in figures.
    pub figures: BTreeMap<String, u64>,
}

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// The version of the layout.
    pub version: u32,
    /// Counts the commits.
    pub generation: u64,
    /// When the store was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub updated_at: Micros,
    /// The time zone by which the sessions are dated.
    pub timezone: String,
    /// The timeout by which they were cut, in microseconds.
    pub session_timeout_us: Micros,
    /// The files of each table, in order of their paths.
    pub tables: BTreeMap<Table, Vec<DataFile>>,
    /// The files of refused lines.
    #[serde(default)]
    pub rejects: Vec<SideFile>,
    /// What is known of the logs that were read.
    #[serde(default)]
    pub sources: Option<SideFile>,
    /// What was pruned and forgotten.
    #[serde(default)]
    pub ledger: Option<SideFile>,
    /// Fingerprint of the secret key, to notice another one.
    #[serde(default)]
    pub key_check: Option<String>,
    /// The last ingest.
    #[serde(default)]
    pub last_ingest: Option<LastRun>,
    /// The last gc.
    #[serde(default)]
    pub last_gc: Option<LastRun>,
    /// Sessions that started on this day or before are gone, or some of them are.
    #[serde(default, with = "day_text_option", skip_serializing_if = "Option::is_none")]
    pub sessions_pruned_through: Option<Day>,
    /// Events of this UTC date or before are gone, or some of them are.
    #[serde(default, with = "day_text_option", skip_serializing_if = "Option::is_none")]
    pub events_pruned_through: Option<Day>,
}

impl Manifest {
    /// Makes the manifest of an empty store.
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
            key_check: None,
            last_ingest: None,
            last_gc: None,
            sessions_pruned_through: None,
            events_pruned_through: None,
        }
    }

    /// Tells whether there are no rows, and none were pruned: nothing yet goes by time zone and timeout.
    pub fn is_empty(&self) -> bool {
        self.tables.values().all(Vec::is_empty)
            && self.sessions_pruned_through.is_none()
            && self.events_pruned_through.is_none()
    }

    /// Returns the files of a table.
    pub fn files(&self, table: Table) -> &[DataFile] {
        self.tables.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Returns the paths of all files that the manifest names.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let data = self.tables.values().flatten().map(|file| file.path.as_str());
        let side = self.rejects.iter().chain(&self.sources).chain(&self.ledger);
        data.chain(side.map(|file| file.path.as_str()))
    }

    /// Writes the manifest's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let broken = |e| Error::failed("cannot write the manifest as JSON").caused_by(e);
        let inner = serde_json::value::to_raw_value(self).map_err(broken)?;
        let checksum = checksum(inner.get().as_bytes());
        let mut bytes = serde_json::to_vec(&Envelope { manifest: inner, checksum }).map_err(broken)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a manifest's bytes; an error where they are damaged, or of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest> {
        let damaged = || {
            Error::failed("the manifest is damaged").hint(
                "put manifest.json back from a backup of the store, or make a new store and ingest the logs again",
            )
        };
        let outer: Envelope = serde_json::from_slice(bytes).map_err(|e| damaged().caused_by(e))?;
        if checksum(outer.manifest.get().as_bytes()) != outer.checksum {
            return Err(damaged().caused_by("its checksum does not fit"));
        }
        let probe: Probe = serde_json::from_str(outer.manifest.get()).map_err(|e| damaged().caused_by(e))?;
        if probe.format != FORMAT {
            return Err(damaged().caused_by(format!("its format is {:?}", probe.format)));
        }
        if probe.version > VERSION {
            return Err(Error::failed(format!(
                "the store is of version {}, and this program knows versions up to {VERSION}",
                probe.version
            ))
            .hint("use a newer wa"));
        }
        serde_json::from_str(outer.manifest.get()).map_err(|e| damaged().caused_by(e))
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    manifest: Box<RawValue>,
    checksum: String,
}

#[derive(Deserialize)]
struct Probe {
    format: String,
    version: u32,
}

/// Returns the checksum of a file's bytes: XXH3, 128 bits, in hexadecimal. It finds damage, not
/// malice.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_being_written_and_read() {
        let mut manifest = Manifest::new(5, "Europe/Berlin", 1_800_000_000);
        manifest.sessions_pruned_through = Day::parse("2026-01-31");
        let file = DataFile {
            path: "events/event_date=2026-01-02/a.parquet".to_owned(),
            day: Day::parse("2026-01-02").unwrap(),
            rows: 3,
            bytes: 4,
            checksum: "00".to_owned(),
            min_time: 1,
            max_time: 2,
            without_addresses: false,
        };
        manifest.tables.entry(Table::Events).or_default().push(file);
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap(), manifest);
    }

    #[test]
    fn any_flipped_bit_of_a_manifest_is_found() {
        let bytes = Manifest::new(5, "UTC", 1_800_000_000).to_bytes().unwrap();
        for at in 0..bytes.len() - 1 {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                if let Ok(read) = Manifest::from_bytes(&bad) {
                    panic!("flipping bit {bit} of byte {at} went unnoticed: {read:?}");
                }
            }
        }
    }

    #[test]
    fn a_manifest_of_a_newer_version_is_told_apart_from_a_damaged_one() {
        let mut manifest = Manifest::new(5, "UTC", 1);
        manifest.version = VERSION + 1;
        let error = Manifest::from_bytes(&manifest.to_bytes().unwrap()).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
