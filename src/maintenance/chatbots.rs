//! The chatbots of a store, for `wa status`.

use hashbrown::HashMap;
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros, format_utc};

/// The maximum number of chatbots that are listed.
const LISTED: usize = 10;
/// The number of session files that are read at once. The newest eight files are usually enough.
const FILES_AT_ONCE: usize = 8;

/// The chatbots of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ChatbotsStatus {
    /// The number of chatbots.
    pub(crate) count: u64,
    /// The chatbots with the most sessions, at most 10.
    pub(crate) largest: Vec<ChatbotStatus>,
}

/// A chatbot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ChatbotStatus {
    /// The chatbot.
    pub(crate) chatbot_id: String,
    /// The number of the chatbot's sessions in the daily statistics, which exclude bot sessions.
    pub(crate) sessions: u64,
    /// The last day on which a session started, bot sessions included.
    pub(crate) last_day: String,
    /// The time of the last event, RFC 3339; `None` if the session of that event is pruned.
    pub(crate) last_event: Option<String>,
}

/// Returns the chatbots of a state of the store.
///
/// # Errors
/// Fails if a file cannot be read.
pub(crate) fn chatbots(snapshot: &Snapshot) -> Result<ChatbotsStatus> {
    let mut days: HashMap<String, (u64, i64)> = HashMap::new();
    let columns = ["chatbot_id", "stat_date", "total_sessions"];
    for frame in snapshot.read(Table::DailyStats, None, &columns)? {
        let (ids, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
        let sessions = frame.ints("total_sessions")?;
        for row in 0..frame.height() {
            let (Some(id), Some(date)) = (ids.get(row), dates.get(row)) else { continue };
            let (sum, last) = days.entry_ref(id).or_insert((0, date));
            *sum = sum.saturating_add(sessions.or_zero(row).max(0).unsigned_abs());
            *last = (*last).max(date);
        }
    }
    let mut ranked: Vec<(String, (u64, i64))> = days.into_iter().collect();
    ranked.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
    let count = ranked.len() as u64;
    ranked.truncate(LISTED);
    let last_events = last_events(snapshot, ranked.iter().map(|(id, _)| id.as_str()).collect())?;
    let largest = ranked.into_iter().map(|(chatbot_id, (sessions, last))| ChatbotStatus {
        sessions,
        last_day: Day(i32::try_from(last).unwrap_or(0)).to_string(),
        last_event: last_events.get(&chatbot_id).map(|time| format_utc(*time)),
        chatbot_id,
    });
    Ok(ChatbotsStatus { count, largest: largest.collect() })
}

/// Returns the times of the last events of the given chatbots whose sessions are retained. Reads
/// the files of sessions from newest to oldest, until no older file can change the result.
fn last_events(snapshot: &Snapshot, wanted: Vec<&str>) -> Result<HashMap<String, Micros>> {
    let mut files: Vec<&DataFile> = snapshot.manifest().files(Table::Sessions).iter().collect();
    files.sort_unstable_by_key(|file| std::cmp::Reverse(file.max_time));
    let mut found: HashMap<String, Micros> = HashMap::new();
    for files in files.chunks(FILES_AT_ONCE) {
        let newest = files.first().map_or(Micros::MIN, |file| file.max_time);
        let is_known = |id: &&str| found.get(*id).is_some_and(|time| *time >= newest);
        if wanted.iter().all(is_known) {
            break;
        }
        let read =
            |file: &&DataFile| last_of_file(&snapshot.read_file(file, Some(&["chatbot_id", "ended_at"]))?);
        for (id, time) in files.par_iter().map(read).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            if wanted.contains(&id.as_str()) {
                let last = found.entry(id).or_insert(time);
                *last = (*last).max(time);
            }
        }
    }
    Ok(found)
}

/// Returns the chatbots of a file of sessions with the time of the last event of each.
fn last_of_file(frame: &Frame) -> Result<Vec<(String, Micros)>> {
    let (ids, ends) = (frame.texts("chatbot_id")?, frame.ints("ended_at")?);
    let mut last: HashMap<u128, (usize, Micros)> = HashMap::new();
    for row in 0..frame.height() {
        let (Some(token), Some(end)) = (ids.token(row), ends.get(row)) else { continue };
        let (_, time) = last.entry(token).or_insert((row, end));
        *time = (*time).max(end);
    }
    let named = last.into_values().filter_map(|(row, time)| Some((ids.get(row)?.to_owned(), time)));
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, TestStore};

    #[test]
    fn chatbots_are_counted_with_their_last_events() {
        let store = TestStore::new();
        let line = |chatbot: &str, time: &str, agent: &str| {
            format!(
                r#"{{"chatbot_id":"{chatbot}","session_id":"{time}","event_name":"x","timestamp":"{time}","user_agent":"{agent}"}}"#
            )
        };
        let mut lines = vec![
            line("shop", "2026-10-01T10:00:00Z", ""),
            line("shop", "2026-11-08T10:00:00Z", ""),
            line("shop", "2026-11-08T09:00:00Z", ""),
            // The last event of this chatbot belongs to a bot session, which `sessions` does not
            // count.
            line("docs", "2026-10-02T10:00:00Z", ""),
            line("docs", "2026-11-09T10:00:00Z", "Googlebot/2.1"),
            // The last event of this chatbot is long before the files that are read first.
            line("dead", "2026-09-20T10:00:00Z", ""),
        ];
        // Nine others, whose names sort after the other chatbots with one session.
        lines.extend((1..=9).map(|n| line(&format!("z{n}"), &format!("2026-11-0{n}T12:00:00Z"), "")));
        lines.extend((1..=9).map(|n| line("shop", &format!("2026-10-1{n}T12:00:00Z"), "")));
        store.ingest(&store.write_log("a.ndjson", &lines), NOW);
        let found = chatbots(&store.store().snapshot().unwrap()).unwrap();
        assert_eq!((found.count, found.largest.len()), (12, 10));
        let shown: Vec<(&str, u64, Option<&str>)> = found
            .largest
            .iter()
            .take(3)
            .map(|one| (one.chatbot_id.as_str(), one.sessions, one.last_event.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("shop", 12, Some("2026-11-08T10:00:00Z")),
                ("dead", 1, Some("2026-09-20T10:00:00Z")),
                ("docs", 1, Some("2026-11-09T10:00:00Z")),
            ]
        );
        assert_eq!(found.largest[2].last_day, "2026-11-09");
    }
}
