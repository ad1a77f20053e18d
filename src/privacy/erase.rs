//! Erases and redacts the rows of a person, file by file.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;

use super::identity_columns::{EVENT_COLUMNS, IdentityColumns, SESSION_COLUMNS};
use super::identity_resolution::ResolvedIdentity;
use super::matcher::IdentifierMatcher;
use super::redact;
use crate::error::Result;
use crate::event::KeyKind;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::daily::encode_month;
use crate::store::update::partition::encode_file;
use crate::time::{Day, Micros};

/// The changes to a table.
#[derive(Debug, Default)]
pub(super) struct ErasedRows {
    /// Rows that were erased.
    pub(super) erased: u64,
    /// Rows of other people that were redacted.
    pub(super) redacted: u64,
    /// Files that were rewritten or removed.
    pub(super) files: u64,
    /// The days of those files.
    pub(super) days: BTreeSet<Day>,
    /// The erased sessions; empty for tables other than `sessions`.
    pub(super) sessions: Vec<ErasedSession>,
}

/// The key and time span of an erased session.
#[derive(Clone, Debug)]
pub(super) struct ErasedSession {
    /// The chatbot.
    pub(super) chatbot_id: String,
    /// The kind of id in the session key.
    pub(super) kind: KeyKind,
    /// The id in the session key.
    pub(super) value: String,
    /// The time of the first event.
    pub(super) start: Micros,
    /// The time of the last event.
    pub(super) end: Micros,
}

/// The replacement of a file; `new` is `None` if no rows remain.
struct FileRewrite {
    new: Option<NewFile>,
    erased: u64,
    redacted: u64,
    sessions: Vec<ErasedSession>,
}

/// Rewrites the files of a table for which `rewrite` returns a replacement. Processes one file per
/// thread at a time, which bounds the memory.
fn rewrite_files(
    transaction: &mut Transaction,
    table: Table,
    rewrite: impl Fn(&Snapshot, &DataFile) -> Result<Option<FileRewrite>> + Sync,
) -> Result<ErasedRows> {
    let snapshot = transaction.snapshot()?;
    let mut total = ErasedRows::default();
    for files in snapshot.manifest().files(table).chunks(rayon::current_num_threads().max(1)) {
        let rewritten: Vec<Option<FileRewrite>> =
            files.par_iter().map(|file| rewrite(&snapshot, file)).collect::<Result<_>>()?;
        for (file, rewritten) in files.iter().zip(rewritten) {
            let Some(rewritten) = rewritten else { continue };
            total.erased += rewritten.erased;
            total.redacted += rewritten.redacted;
            total.files += 1;
            total.days.insert(file.day);
            total.sessions.extend(rewritten.sessions);
            transaction.remove(file);
            if let Some(new) = rewritten.new {
                transaction.add(new)?;
            }
        }
    }
    Ok(total)
}

/// Returns the names of the columns that are searched for identifiers.
fn searched(table: Table) -> impl Iterator<Item = &'static str> {
    redact::searched_columns(table).map(|column| column.name)
}

fn count(mask: &[bool]) -> u64 {
    mask.iter().filter(|set| **set).count() as u64
}

/// Erases the events of the person's sessions and the events that contain an identifier. Redacts
/// all other events.
pub(super) fn erase_events(
    transaction: &mut Transaction,
    identity: &ResolvedIdentity,
    matcher: &IdentifierMatcher,
) -> Result<ErasedRows> {
    let columns: Vec<&str> = EVENT_COLUMNS.into_iter().chain(searched(Table::Events)).collect();
    rewrite_files(transaction, Table::Events, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&columns))?;
        let ids = IdentityColumns::new(&frame, Table::Events)?;
        let erased: Vec<bool> = (0..frame.height())
            .map(|row| {
                !ids.matches(row, &identity.identifiers).is_empty()
                    || identity.sessions.contains(ids.session_key_hash(row), ids.start.or_zero(row))
            })
            .collect();
        let edits = redact::event_edits(&frame, matcher, &erased)?;
        if !erased.contains(&true) && edits.is_empty() {
            return Ok(None);
        }
        let redacted: BTreeSet<usize> = edits.values().flat_map(|edits| edits.keys().copied()).collect();
        let mut whole = snapshot.read_file_checked(file)?;
        for (name, edits) in &edits {
            redact::apply_edits(&mut whole, name, edits)?;
        }
        let rest = whole.filter(erased.iter().map(|erased| !erased))?;
        Ok(Some(FileRewrite {
            new: file_unless_empty(Table::Events, file.day, rest)?,
            erased: count(&erased),
            redacted: redacted.len() as u64,
            sessions: Vec::new(),
        }))
    })
}

/// Erases the person's sessions and redacts all other sessions.
pub(super) fn erase_sessions(
    transaction: &mut Transaction,
    identity: &ResolvedIdentity,
    matcher: &IdentifierMatcher,
) -> Result<ErasedRows> {
    let mut columns: Vec<&str> = SESSION_COLUMNS.into_iter().chain(searched(Table::Sessions)).collect();
    columns.sort_unstable();
    columns.dedup();
    rewrite_files(transaction, Table::Sessions, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&columns))?;
        let ids = IdentityColumns::new(&frame, Table::Sessions)?;
        let erased: Vec<bool> = (0..frame.height())
            .map(|row| identity.sessions.contains(ids.session_key_hash(row), ids.start.or_zero(row)))
            .collect();
        let candidates = redact::sessions_to_redact(&frame, matcher, &erased)?;
        if !erased.contains(&true) && !candidates.contains(&true) {
            return Ok(None);
        }
        let whole = snapshot.read_file_checked(file)?;
        let rows = whole.filter(candidates.iter().copied())?;
        let mut summaries = tables::sessions::read(&rows)?;
        let mut redacted = 0;
        for summary in &mut summaries {
            redacted += u64::from(redact::redact_session(summary, matcher));
        }
        // A merge state can contain the identifier as part of another id, which must stay.
        if !erased.contains(&true) && redacted == 0 {
            return Ok(None);
        }
        let unchanged = erased.iter().zip(&candidates).map(|(erased, candidate)| !erased && !candidate);
        let frames = vec![whole.filter(unchanged)?, tables::sessions::frame(&summaries)?];
        let sessions = (0..erased.len()).filter(|row| erased.get(*row) == Some(&true)).map(|row| {
            let (chatbot_id, kind, value) = ids.session_key(row);
            ErasedSession {
                chatbot_id: chatbot_id.to_owned(),
                kind,
                value: value.to_owned(),
                start: ids.start.or_zero(row),
                end: ids.end.or_zero(row),
            }
        });
        Ok(Some(FileRewrite {
            sessions: sessions.collect(),
            new: file_unless_empty(Table::Sessions, file.day, Frame::concat(frames)?)?,
            erased: count(&erased),
            redacted,
        }))
    })
}

/// Erases the person's rows of `visitors`.
pub(super) fn erase_visitors(
    transaction: &mut Transaction,
    identity: &ResolvedIdentity,
) -> Result<ErasedRows> {
    rewrite_files(transaction, Table::Visitors, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&["visitor_id"]))?;
        let ids = frame.texts("visitor_id")?;
        let erased: Vec<bool> =
            ids.iter().map(|id| id.is_some_and(|id| identity.identifiers.contains(id))).collect();
        if !erased.contains(&true) {
            return Ok(None);
        }
        let rest = snapshot.read_file_checked(file)?.filter(erased.iter().map(|erased| !erased))?;
        Ok(Some(FileRewrite {
            new: file_unless_empty(Table::Visitors, file.day, rest)?,
            erased: count(&erased),
            redacted: 0,
            sessions: Vec::new(),
        }))
    })
}

/// Erases the entries that contain an identifier from the top lists of `daily_stats`.
pub(super) fn erase_top_list_entries(
    transaction: &mut Transaction,
    matcher: &IdentifierMatcher,
    now: Micros,
) -> Result<ErasedRows> {
    rewrite_files(transaction, Table::DailyStats, |snapshot, file| {
        let columns = ["top_referrers", "top_landing_pages", "utm_sources"];
        let frame = snapshot.read_file(file, Some(&columns))?;
        let mut found = false;
        for name in columns {
            found |= frame.texts(name)?.iter().flatten().any(|list| matcher.matches(list.as_bytes()));
        }
        if !found {
            return Ok(None);
        }
        let mut rows = tables::daily_stats::read(&snapshot.read_file_checked(file)?)?;
        let mut erased = 0;
        for row in &mut rows {
            let before = erased;
            for (key, list) in [
                ("domain", &mut row.top_referrers),
                ("page", &mut row.top_landing_pages),
                ("source", &mut row.utm_sources),
            ] {
                erased += remove_entries(list, key, matcher);
            }
            if erased > before {
                row.updated_at = now;
            }
        }
        if erased == 0 {
            return Ok(None);
        }
        Ok(Some(FileRewrite {
            new: encode_month(file.day, rows)?,
            erased,
            redacted: 0,
            sessions: Vec::new(),
        }))
    })
}

/// Removes the entries of a JSON list whose member `key` contains an identifier. Returns their
/// number.
fn remove_entries(list: &mut String, key: &str, matcher: &IdentifierMatcher) -> u64 {
    type Entry = BTreeMap<String, Value>;
    let Ok(entries) = serde_json::from_str::<Vec<Entry>>(list) else { return 0 };
    let name = |entry: &Entry| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let retained: Vec<&Entry> =
        entries.iter().filter(|entry| !matcher.matches(name(entry).as_bytes())).collect();
    let removed = entries.len() - retained.len();
    if removed > 0 {
        let written = retained.iter().map(|entry| {
            let count = entry.get("count").cloned().unwrap_or_default();
            format!("{{\"{key}\":{},\"count\":{count}}}", Value::from(name(entry)))
        });
        *list = format!("[{}]", written.collect::<Vec<_>>().join(","));
    }
    removed as u64
}

fn file_unless_empty(table: Table, day: Day, frame: Frame) -> Result<Option<NewFile>> {
    match frame.height() {
        0 => Ok(None),
        _ => encode_file(table, day, &frame).map(Some),
    }
}
