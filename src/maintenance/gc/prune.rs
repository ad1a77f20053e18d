//! Takes what is past its retention out of the tables.
//!
//! N days are kept, today the last of them: an event goes when its UTC date is today - N or
//! before, a session when the day of its last event is, a day's statistics when that day is. What
//! goes is written down by chatbot and day, and its lines are not taken in again.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::daily_stats::VisitorSet;
use crate::error::Result;
use crate::event::KeyKind;
use crate::settings::Retention;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{self, visitors};
use crate::store::transaction::Transaction;
use crate::store::update::partition::encode_file;
use crate::store::update::{self, PartialRewrite};
use crate::time::{Day, Zone};

/// What goes from a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// The days, in order.
    pub days: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Number of files that go or are written anew.
    pub files: u64,
    /// Bytes of the files that go as a whole.
    pub bytes: u64,
}

impl Pruned {
    fn take(&mut self, file: &DataFile, rows: u64) {
        self.rows += rows;
        self.files += 1;
        if rows == file.rows {
            self.bytes += file.bytes;
        }
    }

    /// Puts the days in order, each once.
    fn in_order(mut self) -> Pruned {
        self.days.sort();
        self.days.dedup();
        self
    }
}

/// Returns the last day that goes; `None` where all are kept.
pub fn last_expired_day(keep: Retention, today: Day) -> Option<Day> {
    match keep {
        Retention::Forever => None,
        Retention::Days(days) => Some(today.minus_days(days)),
    }
}

/// Takes out the events of UTC dates up to `last`.
pub fn events(transaction: &mut Transaction, ledger: &mut Ledger, last: Day) -> Result<Pruned> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = Pruned::default();
    for file in snapshot.manifest().files(Table::Events).iter().filter(|file| file.day <= last) {
        let frame = snapshot.read_file(file, Some(&["chatbot_id"]))?;
        let chatbots: HashSet<&str> = frame.texts("chatbot_id")?.iter().flatten().collect();
        for chatbot in chatbots {
            ledger.pruned_events.entry(chatbot.to_owned()).or_default().insert(file.day);
        }
        pruned.take(file, file.rows);
        pruned.days.push(file.day.to_string());
        transaction.remove(Table::Events, &file.path);
        let manifest = transaction.manifest();
        manifest.events_pruned_through = manifest.events_pruned_through.max(Some(file.day));
    }
    Ok(pruned.in_order())
}

/// Takes out the sessions whose last event was on a day up to `last`.
pub fn sessions(transaction: &mut Transaction, ledger: &mut Ledger, last: Day, zone: Zone) -> Result<Pruned> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = Pruned::default();
    let end_of_last = zone.start_bounds(last.plus(1));
    // Between the two the clock decides, where it went back over midnight.
    let goes = |end: i64| end < end_of_last.0 || (end < end_of_last.1 && zone.day(end) <= last);
    // A session starts no later than it ends: later days have nothing that goes.
    let files: Vec<DataFile> =
        snapshot.manifest().files(Table::Sessions).iter().filter(|file| file.day <= last).cloned().collect();
    let mut going: BTreeMap<Day, Vec<PartialRewrite>> = BTreeMap::new();
    for file in files {
        let frame = snapshot.read_file(&file, Some(&["ended_at"]))?;
        let ends = frame.ints("ended_at")?;
        let mask: Vec<bool> = ends.iter().map(|end| end.is_some_and(goes)).collect();
        let rows = mask.iter().filter(|goes| **goes).count() as u64;
        if rows > 0 {
            pruned.take(&file, rows);
            pruned.days.push(file.day.to_string());
            going.entry(file.day).or_default().push(PartialRewrite { file, removed: mask });
        }
    }
    let counted = write_down(&snapshot, ledger, &going)?;
    mark_counted_new(&snapshot, transaction, &counted, zone)?;
    for (day, files) in going {
        for PartialRewrite { file, removed: mask } in files {
            transaction.remove(Table::Sessions, &file.path);
            if mask.contains(&false) {
                let whole = snapshot.read_file_checked(&file)?;
                let rest = whole.filter(mask.iter().map(|goes| !goes))?;
                let new = encode_file(Table::Sessions, day, &rest)?;
                transaction.add(new)?;
            }
        }
        let manifest = transaction.manifest();
        manifest.sessions_pruned_through = manifest.sessions_pruned_through.max(Some(day));
    }
    Ok(pruned.in_order())
}

/// Writes down which chatbots lose sessions on which days, and returns the visitors of these sessions.
fn write_down(
    snapshot: &Snapshot,
    ledger: &mut Ledger,
    going: &BTreeMap<Day, Vec<PartialRewrite>>,
) -> Result<BTreeMap<Day, VisitorSet>> {
    let mut counted: BTreeMap<Day, VisitorSet> = BTreeMap::new();
    for (&day, files) in going {
        let visitors = counted.entry(day).or_default();
        for PartialRewrite { file, removed: mask } in files {
            let frame = snapshot.read_file(file, Some(&tables::daily_stats::FACT_COLUMNS))?;
            let mut mask = mask.iter();
            tables::daily_stats::for_each_session(&frame, |chatbot, facts| {
                if !mask.next().is_some_and(|goes| *goes) {
                    return;
                }
                if !ledger.sessions_pruned(chatbot, day) {
                    ledger.pruned_sessions.entry(chatbot.to_owned()).or_default().insert(day);
                }
                if !facts.is_bot {
                    visitors.insert(facts.visitor);
                }
            })?;
        }
    }
    Ok(counted)
}

/// Marks the visitors whom a day counts as new by sessions that go: should they turn out to have been
/// seen earlier, the day's figure can still be put right.
fn mark_counted_new(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    counted: &BTreeMap<Day, VisitorSet>,
    zone: Zone,
) -> Result<()> {
    let files = snapshot.manifest().files(Table::Visitors).iter();
    let (Some(first), Some(last)) = (counted.keys().min(), counted.keys().max()) else { return Ok(()) };
    let (from, to) = (zone.start_of(*first), zone.start_bounds(last.plus(1)).1);
    for file in files.filter(|file| file.min_time < to && from <= file.max_time) {
        let mut rows = visitors::read(&snapshot.read_file_checked(file)?)?;
        let mut changed = false;
        for row in rows.iter_mut().filter(|row| row.counted_new_on.is_none() && row.kind != KeyKind::Session)
        {
            let day = zone.day(row.first_seen_at);
            if counted.get(&day).is_some_and(|visitors| visitors.contains(&row.hash())) {
                row.counted_new_on = Some(day);
                changed = true;
            }
        }
        if changed {
            transaction.remove(Table::Visitors, &file.path);
            let frame = visitors::frame(&rows)?;
            let new = encode_file(Table::Visitors, file.day, &frame)?;
            transaction.add(new)?;
        }
    }
    Ok(())
}

/// Takes out the statistics of days up to `last`.
pub fn daily_stats(transaction: &mut Transaction, ledger: &mut Ledger, last: Day) -> Result<Pruned> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = Pruned::default();
    for file in snapshot.manifest().files(Table::DailyStats).iter().filter(|file| file.day <= last) {
        let rows = tables::daily_stats::read(&snapshot.read_file_checked(file)?)?;
        let (gone, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.stat_date <= last);
        if !gone.is_empty() {
            pruned.days.extend(gone.iter().map(|row| row.stat_date.to_string()));
            for row in &gone {
                ledger.pruned_daily_stats.entry(row.chatbot_id.clone()).or_default().insert(row.stat_date);
            }
            pruned.take(file, gone.len() as u64);
            transaction.remove(Table::DailyStats, &file.path);
            if let Some(new) = update::daily::encode_month(file.day, rows)? {
                transaction.add(new)?;
            }
        }
    }
    Ok(pruned.in_order())
}

/// Takes out the refused lines that were written down on UTC dates up to `last`.
pub fn rejects(transaction: &mut Transaction, last: Day) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    let going: Vec<_> =
        transaction.manifest().rejects.iter().filter(|f| Day::utc(f.written_at) <= last).cloned().collect();
    for file in going {
        pruned.days.push(Day::utc(file.written_at).to_string());
        pruned.rows += file.rows;
        pruned.files += 1;
        pruned.bytes += file.bytes;
        transaction.manifest().rejects.retain(|f| f.path != file.path);
        transaction.remove_auxiliary(&file.path);
    }
    Ok(pruned.in_order())
}
