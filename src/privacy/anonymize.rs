//! Removes old IP addresses from events, sessions and rejected lines.
//!
//! A file from which all IP addresses were removed is marked in the manifest, so that a nightly gc
//! reads each file once.

use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::redact::{self, Edits};
use crate::error::Result;
use crate::ingest::Field;
use crate::ingest::parse::ip_masking;
use crate::json::{self, lenient};
use crate::prehashed::hex;
use crate::session::SessionSummary;
use crate::settings::IpPolicy;
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::Frame;
use crate::store::manifest::{DataFile, Manifest};
use crate::store::rejects::RejectRecord;
use crate::store::rejects::rewrite::{self, RejectChange};
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::partition::encode_file;
use crate::store::{Completed, Store, Writer};
use crate::time::{Clock, Day};

/// Returns the JSON columns of `events`, which can contain IP addresses.
fn json_columns() -> impl Iterator<Item = &'static str> {
    let columns = Table::Events.columns().iter();
    columns.filter(|column| column.kind == ColumnType::Json).map(|column| column.name)
}

/// Options of an anonymization.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnonymizeOptions {
    /// The clock.
    pub(crate) clock: Clock,
    /// The number of days, including today, whose IP addresses are retained.
    pub(crate) older_than_days: u32,
    /// Whether to change nothing and report what would be removed.
    pub(crate) dry_run: bool,
    /// How long to wait for another writer.
    pub(crate) lock_timeout: Duration,
}

/// The result of an anonymization or its dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnonymizeReport {
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// The last day whose IP addresses are removed; `None` if a gc removes none.
    pub through: Option<String>,
    /// Events from which an IP address was removed.
    pub events: u64,
    /// Sessions from which an IP address was removed.
    pub sessions: u64,
    /// Rejected lines from which an IP address was removed.
    pub rejects: u64,
    /// Files that were rewritten.
    pub files: u64,
}

/// Removes the IP addresses that are older than a number of days, in one commit.
///
/// # Errors
/// Fails if there is no store, or it cannot be read or written.
pub(crate) fn anonymize(store: &Store, options: AnonymizeOptions) -> Result<Completed<AnonymizeReport>> {
    // A mistyped path must not create a store.
    let snapshot = store.snapshot()?;
    let first = || Manifest::new(options.clock.now, snapshot.zone().name(), snapshot.timeout());
    let mut writer = store.writer("wa anonymize", options.lock_timeout, first)?;
    let outcome = anonymize_with_writer(&mut writer, options);
    writer.complete(outcome)
}

fn anonymize_with_writer(writer: &mut Writer, options: AnonymizeOptions) -> Result<AnonymizeReport> {
    let today = writer.snapshot()?.zone().day(options.clock.now);
    let last = today.minus_days(options.older_than_days);
    let mut transaction = writer.begin();
    let report = remove_ip_addresses(&mut transaction, last)?;
    if !options.dry_run {
        writer.commit(transaction, options.clock.now)?;
    }
    Ok(AnonymizeReport { dry_run: options.dry_run, ..report })
}

/// Removes the IP addresses of events of UTC dates up to `last`, of sessions that started on days
/// up to `last`, and of lines that were rejected on UTC dates up to `last`.
pub(crate) fn remove_ip_addresses(transaction: &mut Transaction, last: Day) -> Result<AnonymizeReport> {
    let mut report = AnonymizeReport { through: Some(last.to_string()), ..AnonymizeReport::default() };
    report.events = anonymize_table(transaction, Table::Events, last, &mut report.files, anonymize_events)?;
    report.sessions =
        anonymize_table(transaction, Table::Sessions, last, &mut report.files, anonymize_sessions)?;
    let mut rejects = 0;
    report.files += rewrite::rewrite(
        transaction,
        |file| Day::utc(file.written_at) <= last,
        |reject| match anonymize_reject(reject) {
            Some(reject) => {
                rejects += 1;
                RejectChange::Replace(Box::new(reject))
            }
            None => RejectChange::Keep,
        },
    )?;
    report.rejects = rejects;
    Ok(report)
}

/// The new file, and the number of rows that lost an IP address; `None` if the file has no IP
/// addresses.
type Replacement = Option<(NewFile, u64)>;

/// Replaces the files of a table that may contain IP addresses, and returns the number of rows that
/// lost an IP address. Processes one file per thread at a time, which bounds the memory.
fn anonymize_table(
    transaction: &mut Transaction,
    table: Table,
    last: Day,
    files: &mut u64,
    anonymize_file: impl Fn(&Snapshot, &DataFile) -> Result<Replacement> + Sync,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let candidates: Vec<&DataFile> = snapshot
        .manifest()
        .files(table)
        .iter()
        .filter(|file| file.day <= last && !file.ip_addresses_removed)
        .collect();
    let mut rows = 0;
    for chunk in candidates.chunks(rayon::current_num_threads().max(1)) {
        let replacements: Vec<Replacement> =
            chunk.par_iter().map(|file| anonymize_file(&snapshot, file)).collect::<Result<_>>()?;
        for (file, replacement) in chunk.iter().zip(replacements) {
            let mut path = file.path.clone();
            if let Some((new, changed)) = replacement {
                rows += changed;
                *files += 1;
                transaction.remove(file);
                transaction.add(new)?;
                path = transaction.manifest().files(table).last().map(|f| f.path.clone()).unwrap_or(path);
            }
            let all = transaction.manifest().tables.entry(table).or_default();
            all.iter_mut().filter(|f| f.path == path).for_each(|f| f.ip_addresses_removed = true);
        }
    }
    Ok(rows)
}

fn anonymize_events(snapshot: &Snapshot, file: &DataFile) -> Result<Replacement> {
    let columns: Vec<&str> = std::iter::once("ip_address").chain(json_columns()).collect();
    let frame = snapshot.read_file(file, Some(&columns))?;
    let mut edits: Vec<(&str, Edits)> = vec![("ip_address", remove_values(&frame, "ip_address")?)];
    for name in json_columns() {
        let column = frame.texts(name)?;
        let masked = (0..column.len()).filter_map(|row| {
            let text = column.get(row)?;
            let masked = ip_masking::mask_json(text, IpPolicy::Drop);
            let without_field = match name {
                "extra" => remove_invalid_ip_address(masked.as_deref().unwrap_or(text)),
                _ => None,
            };
            Some((row, without_field.or(masked.map(Some))?))
        });
        edits.push((name, masked.collect()));
    }
    edits.retain(|(_, edits)| !edits.is_empty());
    if edits.is_empty() {
        return Ok(None);
    }
    let mut whole = snapshot.read_file_checked(file)?;
    let mut rows: Vec<usize> = Vec::new();
    for (name, edits) in &edits {
        redact::apply_edits(&mut whole, name, edits)?;
        rows.extend(edits.keys());
    }
    rows.sort_unstable();
    rows.dedup();
    let new = encode_file(Table::Events, file.day, &whole)?;
    Ok(Some((new, rows.len() as u64)))
}

/// Removes the field `ip_address` from the `extra` of an event. An ingest stores the field there if
/// its value is not a valid IP address. Such a value can still contain parts of an IP address, so
/// an ingest with `privacy.ip = "drop"` does not store it.
///
/// Returns `None` if there is no such field, and `Some(None)`, for null, if no other field remains.
fn remove_invalid_ip_address(extra: &str) -> Option<Option<String>> {
    // Few events have the field. In JSON, its name can contain escapes.
    if !extra.contains("ip") && !extra.contains('\\') {
        return None;
    }
    let (mut rest, mut found) = (String::new(), false);
    lenient::each_member(extra, |key, value| {
        let field = Field::from_key(json::unescape(key).as_bytes());
        if matches!(field, Some((Field::IpAddress, _))) {
            found = true;
        } else {
            rest.push(if rest.is_empty() { '{' } else { ',' });
            rest.push_str(&format!("\"{key}\":{value}"));
        }
    })?;
    if !found {
        return None;
    }
    Some((!rest.is_empty()).then(|| rest + "}"))
}

/// Returns edits that set all non-null values of a column to null.
fn remove_values(frame: &Frame, name: &str) -> Result<Edits> {
    let column = frame.texts(name)?;
    Ok((0..column.len()).filter(|row| column.get(*row).is_some()).map(|row| (row, None)).collect())
}

fn anonymize_sessions(snapshot: &Snapshot, file: &DataFile) -> Result<Replacement> {
    let frame = snapshot.read_file(file, Some(&["ip_address", "user_metadata", "merge_state"]))?;
    let (ips, metadata) = (frame.texts("ip_address")?, frame.texts("user_metadata")?);
    let states = frame.texts("merge_state")?;
    let candidates: Vec<bool> = (0..frame.height())
        .map(|row| {
            let has_profiles = states.get(row).is_some_and(|state| state.contains("user_metadata"));
            ips.get(row).is_some() || metadata.get(row).is_some() || has_profiles
        })
        .collect();
    if !candidates.contains(&true) {
        return Ok(None);
    }
    let whole = snapshot.read_file_checked(file)?;
    let rows = whole.filter(candidates.iter().copied())?;
    let mut summaries = tables::sessions::read(&rows)?;
    let changed = summaries.iter_mut().map(anonymize_session).filter(|changed| *changed).count() as u64;
    if changed == 0 {
        return Ok(None);
    }
    let others = whole.filter(candidates.iter().map(|candidate| !candidate))?;
    let frame = Frame::concat(vec![others, tables::sessions::frame(&summaries)?])?;
    let new = encode_file(Table::Sessions, file.day, &frame)?;
    Ok(Some((new, changed)))
}

/// Removes the IP addresses of a session. Returns whether there were any.
fn anonymize_session(session: &mut SessionSummary<'_>) -> bool {
    let mut changed = false;
    if let Some((_, location)) = &mut session.location.0 {
        changed |= location.ip_address.take().is_some();
    }
    for last in session.profiles.values_mut() {
        if let Some((_, profile)) = &mut last.0
            && let Some(masked) =
                profile.user_metadata.as_deref().and_then(|text| ip_masking::mask_json(text, IpPolicy::Drop))
        {
            profile.user_metadata = Some(masked.into());
            changed = true;
        }
    }
    changed
}

/// Removes the IP addresses of a rejected line; returns `None` if there are none.
///
/// Length and hash are replaced by those of the remaining text. The hash of the original line would
/// reveal an IP address to anyone who tries all IP addresses. The keyed hash still identifies the
/// line.
fn anonymize_reject(reject: &RejectRecord) -> Option<RejectRecord> {
    let raw = reject.raw_bytes();
    let has_address = |json: &String| ip_masking::mask_text(json.as_bytes(), IpPolicy::Drop).is_some();
    if reject.given.as_ref().is_some_and(has_address) {
        let bare = RejectRecord { given: None, is_part: true, ..reject.clone() };
        return Some(anonymize_reject(&bare).unwrap_or(bare));
    }
    let is_truncated = (raw.len() as u64) < reject.length;
    // Always change a truncated line: its hash could reveal an IP address after the cut.
    let masked = if is_truncated {
        ip_masking::mask_truncated_text(&raw, IpPolicy::Drop)?
    } else {
        ip_masking::mask_text(&raw, IpPolicy::Drop)?
    };
    let sha256 = hex(&Sha256::digest(&masked));
    let bare =
        RejectRecord { length: masked.len() as u64, sha256, raw: None, raw_base64: None, ..reject.clone() };
    Some(bare.with_raw(&masked))
}
