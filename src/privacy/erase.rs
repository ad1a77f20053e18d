//! Takes what belongs to identifiers out of the tables, file by file.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;

use super::identity_resolution::{EVENT_COLUMNS, IdentityColumns, ResolvedIdentity, SESSION_COLUMNS};
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
use crate::store::update::daily::month_file;
use crate::store::update::partition::file_of;
use crate::time::{Day, Micros};

/// What was done to a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that went.
    pub erased: u64,
    /// Rows of others that were changed.
    pub redacted: u64,
    /// Files that were written anew or removed.
    pub files: u64,
}

/// A session that was erased: its key, and from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasedSession {
    /// The chatbot.
    pub chatbot_id: String,
    /// Which id holds it together.
    pub kind: KeyKind,
    /// The id.
    pub value: String,
    /// Time of its first event.
    pub from: Micros,
    /// Time of its last event.
    pub to: Micros,
}

/// What becomes of a file.
struct Changed {
    new: Option<NewFile>,
    erased: u64,
    redacted: u64,
    sessions: Vec<ErasedSession>,
}

impl Done {
    /// Changes the files of a table: as many at a time as there are threads, so that memory holds no
    /// more than those.
    fn change(
        &mut self,
        transaction: &mut Transaction,
        table: Table,
        each: impl Fn(&Snapshot, &DataFile) -> Result<Option<Changed>> + Sync,
    ) -> Result<(BTreeSet<Day>, Vec<ErasedSession>)> {
        let snapshot = transaction.snapshot()?;
        let (mut days, mut sessions) = (BTreeSet::new(), Vec::new());
        for files in snapshot.manifest().files(table).chunks(rayon::current_num_threads().max(1)) {
            let changed: Vec<Option<Changed>> =
                files.par_iter().map(|file| each(&snapshot, file)).collect::<Result<_>>()?;
            for (file, changed) in files.iter().zip(changed) {
                let Some(changed) = changed else { continue };
                self.erased += changed.erased;
                self.redacted += changed.redacted;
                self.files += 1;
                days.insert(file.day);
                sessions.extend(changed.sessions);
                transaction.remove(table, &file.path);
                if let Some(new) = changed.new {
                    transaction.add(new)?;
                }
            }
        }
        Ok((days, sessions))
    }
}

fn count(mask: &[bool]) -> u64 {
    mask.iter().filter(|set| **set).count() as u64
}

/// Erases the events of the sessions, and those that carry an identifier themselves; redacts others.
pub fn events(
    transaction: &mut Transaction,
    identity: &ResolvedIdentity,
    matcher: &IdentifierMatcher,
) -> Result<Done> {
    let mut done = Done::default();
    let columns: Vec<&str> = EVENT_COLUMNS.into_iter().chain(redact::EVENT_TEXTS).collect();
    done.change(transaction, Table::Events, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&columns))?;
        let ids = IdentityColumns::of(&frame, Table::Events)?;
        let gone: Vec<bool> = (0..frame.height())
            .map(|row| {
                !ids.carried(row, &identity.identifiers).is_empty()
                    || identity.sessions.hold(ids.key(row), ids.from.or_zero(row))
            })
            .collect();
        let edits = redact::event_edits(&frame, matcher, &gone)?;
        if !gone.contains(&true) && edits.is_empty() {
            return Ok(None);
        }
        let rows: BTreeSet<usize> = edits.values().flat_map(|edits| edits.keys().copied()).collect();
        let mut whole = snapshot.read_file_checked(file)?;
        for (name, edits) in &edits {
            redact::edit(&mut whole, name, edits)?;
        }
        let rest = whole.filter(gone.iter().map(|gone| !gone))?;
        let new = file_unless_empty(Table::Events, file.day, rest)?;
        let redacted = rows.len() as u64;
        Ok(Some(Changed { new, erased: count(&gone), redacted, sessions: Vec::new() }))
    })?;
    Ok(done)
}

/// Erases the sessions, and redacts others. Returns the days that are touched and the sessions that
/// went, too.
pub fn sessions(
    transaction: &mut Transaction,
    identity: &ResolvedIdentity,
    matcher: &IdentifierMatcher,
) -> Result<(Done, BTreeSet<Day>, Vec<ErasedSession>)> {
    let mut done = Done::default();
    let mut columns: Vec<&str> = SESSION_COLUMNS.into_iter().chain(redact::SESSION_TEXTS).collect();
    columns.sort_unstable();
    columns.dedup();
    let (days, gone) = done.change(transaction, Table::Sessions, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&columns))?;
        let ids = IdentityColumns::of(&frame, Table::Sessions)?;
        let gone: Vec<bool> = (0..frame.height())
            .map(|row| identity.sessions.hold(ids.key(row), ids.from.or_zero(row)))
            .collect();
        let edited = redact::sessions_to_edit(&frame, matcher, &gone)?;
        if !gone.contains(&true) && !edited.contains(&true) {
            return Ok(None);
        }
        let whole = snapshot.read_file_checked(file)?;
        let rows = whole.filter(edited.iter().copied())?;
        let mut summaries = tables::sessions::read(&rows)?;
        let mut redacted = 0;
        for summary in &mut summaries {
            redacted += u64::from(redact::session(summary, matcher));
        }
        // What a session keeps for merging can hold an identifier where it stays: within another id.
        if !gone.contains(&true) && redacted == 0 {
            return Ok(None);
        }
        let untouched = gone.iter().zip(&edited).map(|(gone, edited)| !gone && !edited);
        let frames = vec![whole.filter(untouched)?, tables::sessions::frame(&summaries)?];
        let new = file_unless_empty(Table::Sessions, file.day, Frame::concat(frames)?)?;
        let sessions = (0..gone.len()).filter(|row| gone.get(*row) == Some(&true)).map(|row| {
            let (chatbot_id, kind, value) = ids.key_parts(row);
            ErasedSession {
                chatbot_id: chatbot_id.to_owned(),
                kind,
                value: value.to_owned(),
                from: ids.from.or_zero(row),
                to: ids.to.or_zero(row),
            }
        });
        let sessions = sessions.collect();
        Ok(Some(Changed { new, erased: count(&gone), redacted, sessions }))
    })?;
    Ok((done, days, gone))
}

/// Erases the entries of the first-seen index.
pub fn visitors(transaction: &mut Transaction, identity: &ResolvedIdentity) -> Result<Done> {
    let mut done = Done::default();
    done.change(transaction, Table::Visitors, |snapshot, file| {
        let frame = snapshot.read_file(file, Some(&["visitor_id"]))?;
        let ids = frame.texts("visitor_id")?;
        let gone: Vec<bool> =
            ids.iter().map(|id| id.is_some_and(|id| identity.identifiers.contains(id))).collect();
        if !gone.contains(&true) {
            return Ok(None);
        }
        let rest = snapshot.read_file_checked(file)?.filter(gone.iter().map(|gone| !gone))?;
        let new = file_unless_empty(Table::Visitors, file.day, rest)?;
        Ok(Some(Changed { new, erased: count(&gone), redacted: 0, sessions: Vec::new() }))
    })?;
    Ok(done)
}

/// Erases the entries of the lists of daily statistics that hold an identifier.
pub fn daily_stats_entries(
    transaction: &mut Transaction,
    matcher: &IdentifierMatcher,
    now: Micros,
) -> Result<Done> {
    let mut done = Done::default();
    done.change(transaction, Table::DailyStats, |snapshot, file| {
        let columns = ["top_referrers", "top_landing_pages", "utm_sources"];
        let frame = snapshot.read_file(file, Some(&columns))?;
        let mut hit = false;
        for name in columns {
            hit |= frame.texts(name)?.iter().flatten().any(|list| matcher.is_in(list.as_bytes()));
        }
        if !hit {
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
                erased += without(list, key, matcher);
            }
            if erased > before {
                row.updated_at = now;
            }
        }
        if erased == 0 {
            return Ok(None);
        }
        Ok(Some(Changed { new: month_file(file.day, rows)?, erased, redacted: 0, sessions: Vec::new() }))
    })?;
    Ok(done)
}

/// Takes the entries whose name holds an identifier out of a list. Returns how many.
fn without(list: &mut String, key: &str, matcher: &IdentifierMatcher) -> u64 {
    let Ok(entries) = serde_json::from_str::<Vec<BTreeMap<String, Value>>>(list) else { return 0 };
    let name = |entry: &BTreeMap<String, Value>| {
        entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let kept: Vec<&BTreeMap<String, Value>> =
        entries.iter().filter(|entry| !matcher.is_in(name(entry).as_bytes())).collect();
    let gone = entries.len() - kept.len();
    if gone > 0 {
        let written = kept.iter().map(|entry| {
            let count = entry.get("count").cloned().unwrap_or_default();
            format!("{{\"{key}\":{},\"count\":{count}}}", Value::from(name(entry)))
        });
        *list = format!("[{}]", written.collect::<Vec<_>>().join(","));
    }
    gone as u64
}

fn file_unless_empty(table: Table, day: Day, frame: Frame) -> Result<Option<NewFile>> {
    match frame.height() {
        0 => Ok(None),
        _ => file_of(table, day, &frame).map(Some),
    }
}
