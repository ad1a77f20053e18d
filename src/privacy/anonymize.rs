//! Removes old addresses: from sessions, events, what else events say, and refused lines.
//!
//! A file without addresses is marked so in the manifest: a nightly gc looks at each file once.

use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::export;
use super::redact::{self, Edits};
use super::rejects::{self, RejectChange};
use crate::error::Result;
use crate::ingest::Field;
use crate::ingest::parse::ip_masking;
use crate::prehashed::hex;
use crate::session::SessionSummary;
use crate::settings::IpPolicy;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::{DataFile, Manifest};
use crate::store::rejects::Reject;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::partition::file_of;
use crate::store::{Store, Writer};
use crate::time::{Clock, Day};

/// The columns of JSON of an event in which addresses may stand.
const JSON: [&str; 3] = ["extra", "properties", "user_metadata"];

/// What an anonymisation is told.
#[derive(Clone, Copy, Debug)]
pub struct AnonymizeOptions {
    /// The present.
    pub clock: Clock,
    /// Addresses of this many days stay, counting today.
    pub older_than_days: u32,
    /// Only say how many would go.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// What it did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnonymizeReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// The last day whose addresses go; `None` in the account of a gc that keeps them all.
    pub through: Option<String>,
    /// Events that lost an address.
    pub events: u64,
    /// Sessions that did.
    pub sessions: u64,
    /// Refused lines that did.
    pub rejects: u64,
    /// Files that were written anew.
    pub files: u64,
}

/// Removes the addresses that are older than some days.
pub fn anonymize(store: &Store, options: AnonymizeOptions) -> Result<AnonymizeReport> {
    // A store that is not there is an error, not one to be made.
    let snapshot = store.snapshot()?;
    let first = || Manifest::new(options.clock.now, snapshot.zone().name(), snapshot.timeout());
    let mut writer = store.writer("wa anonymize", options.lock_timeout, first)?;
    let report = anonymize_in(&mut writer, options)?;
    writer.finish()?;
    Ok(report)
}

fn anonymize_in(writer: &mut Writer, options: AnonymizeOptions) -> Result<AnonymizeReport> {
    let today = writer.snapshot()?.zone().day(options.clock.now);
    let last = today.minus_days(options.older_than_days);
    let mut transaction = writer.begin();
    let report = AnonymizeReport { dry_run: options.dry_run, ..apply(&mut transaction, last)? };
    if !options.dry_run {
        writer.commit(transaction, options.clock.now)?;
    }
    Ok(report)
}

/// Removes the addresses of events of UTC dates up to `last`, of sessions that started on days up to
/// it, and of lines that were refused on UTC dates up to it.
pub fn apply(transaction: &mut Transaction, last: Day) -> Result<AnonymizeReport> {
    let mut report = AnonymizeReport { through: Some(last.to_string()), ..AnonymizeReport::default() };
    report.events = table(transaction, Table::Events, last, &mut report.files, events)?;
    report.sessions = table(transaction, Table::Sessions, last, &mut report.files, sessions)?;
    let mut masked = 0;
    report.files += rejects::rewrite(
        transaction,
        |file| Day::utc(file.written_at) <= last,
        |reject| match without_address(reject) {
            Some(reject) => {
                masked += 1;
                RejectChange::Replace(reject)
            }
            None => RejectChange::Keep,
        },
    )?;
    report.rejects = masked;
    Ok(report)
}

type Masked = Option<(NewFile, u64)>;

/// Goes through the files of a table that may hold addresses; memory holds as many of them as there
/// are threads.
fn table(
    transaction: &mut Transaction,
    table: Table,
    last: Day,
    files: &mut u64,
    each: impl Fn(&Snapshot, &DataFile) -> Result<Masked> + Sync,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let old: Vec<&DataFile> = snapshot
        .manifest()
        .files(table)
        .iter()
        .filter(|file| file.day <= last && !file.without_addresses)
        .collect();
    let mut rows = 0;
    for old in old.chunks(rayon::current_num_threads().max(1)) {
        let masked: Vec<Masked> = old.par_iter().map(|file| each(&snapshot, file)).collect::<Result<_>>()?;
        for (file, masked) in old.iter().zip(masked) {
            let mut marked = file.path.clone();
            if let Some((new, changed)) = masked {
                rows += changed;
                *files += 1;
                transaction.remove(table, &file.path);
                transaction.add(new)?;
                marked = transaction.manifest().files(table).last().map(|f| f.path.clone()).unwrap_or(marked);
            }
            let known = transaction.manifest().tables.entry(table).or_default();
            known.iter_mut().filter(|f| f.path == marked).for_each(|f| f.without_addresses = true);
        }
    }
    Ok(rows)
}

fn events(snapshot: &Snapshot, file: &DataFile) -> Result<Masked> {
    let columns: Vec<&str> = std::iter::once("ip_address").chain(JSON).collect();
    let frame = snapshot.read_file(file, Some(&columns))?;
    let mut edits: Vec<(&str, Edits)> = vec![("ip_address", filled(&frame)?)];
    for name in JSON {
        let column = frame.texts(name)?;
        let masked = (0..column.len()).filter_map(|row| {
            let text = column.get(row)?;
            let masked = ip_masking::mask_json(text, IpPolicy::Drop);
            match (name == "extra").then(|| without_ip(masked.as_deref().unwrap_or(text))).flatten() {
                Some(rest) => Some((row, rest)),
                None => Some((row, Some(masked?))),
            }
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
        redact::edit(&mut whole, name, edits)?;
        rows.extend(edits.keys());
    }
    rows.sort_unstable();
    rows.dedup();
    let new = file_of(Table::Events, file.day, &whole)?;
    Ok(Some((new, rows.len() as u64)))
}

/// Takes what was given as the address, and is none, out of the `extra` of an event: as an ingest that
/// keeps no addresses does, since it may be part of one. `None` where there is nothing of the kind,
/// null where nothing else is left.
fn without_ip(extra: &str) -> Option<Option<String>> {
    // Most say nothing of the kind; a key can be written with escapes.
    if !extra.contains("ip") && !extra.contains('\\') {
        return None;
    }
    let mut members = export::members(extra).ok()?;
    let all = members.len();
    members.retain(|(key, _)| !matches!(Field::from_key(key.as_bytes()), Some((Field::IpAddress, _))));
    if members.len() == all {
        return None;
    }
    if members.is_empty() {
        return Some(None);
    }
    Some(Some(export::object(&members).ok()?))
}

/// Returns the rows that have an address, to be without.
fn filled(frame: &Frame) -> Result<Edits> {
    let column = frame.texts("ip_address")?;
    Ok((0..column.len()).filter(|row| column.get(*row).is_some()).map(|row| (row, None)).collect())
}

fn sessions(snapshot: &Snapshot, file: &DataFile) -> Result<Masked> {
    let frame = snapshot.read_file(file, Some(&["ip_address", "user_metadata", "merge_state"]))?;
    let (ips, metadata) = (frame.texts("ip_address")?, frame.texts("user_metadata")?);
    let states = frame.texts("merge_state")?;
    let may_have: Vec<bool> = (0..frame.height())
        .map(|row| {
            let held = states.get(row).is_some_and(|state| state.contains("user_metadata"));
            ips.get(row).is_some() || metadata.get(row).is_some() || held
        })
        .collect();
    if !may_have.contains(&true) {
        return Ok(None);
    }
    let whole = snapshot.read_file_checked(file)?;
    let rows = whole.filter(may_have.iter().copied())?;
    let mut summaries = tables::sessions::read(&rows)?;
    let changed = summaries.iter_mut().map(session).filter(|changed| *changed).count() as u64;
    if changed == 0 {
        return Ok(None);
    }
    let others = whole.filter(may_have.iter().map(|may| !may))?;
    let frame = Frame::concat(vec![others, tables::sessions::frame(&summaries)?])?;
    let new = file_of(Table::Sessions, file.day, &frame)?;
    Ok(Some((new, changed)))
}

/// Takes the addresses out of a session. Returns whether there were any.
fn session(session: &mut SessionSummary<'_>) -> bool {
    let mut changed = false;
    if let Some((_, place)) = &mut session.place.0 {
        changed |= place.ip_address.take().is_some();
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

/// Takes the addresses out of a refused line; `None` where there are none.
///
/// Length and hash are those of what is kept: from the hash of the whole an address could be found by
/// trial. By its keyed hash the line is still known.
fn without_address(reject: &Reject) -> Option<Reject> {
    let raw = rejects::raw(reject);
    let is_cut = (raw.len() as u64) < reject.length;
    // An address behind the cut would be found from the hash of the whole.
    let masked = if is_cut {
        ip_masking::mask_truncated_text(&raw, IpPolicy::Drop)?
    } else {
        ip_masking::mask_text(&raw, IpPolicy::Drop)?
    };
    let sha256 = hex(&Sha256::digest(&masked));
    let bare = Reject { length: masked.len() as u64, sha256, raw: None, raw_base64: None, ..reject.clone() };
    Some(bare.with_raw(&masked))
}
