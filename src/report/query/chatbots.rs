//! Lists, ranks and checks the chatbots of the tables.

use hashbrown::HashMap;

use super::Query;
use super::tables::{Tables, map_frames};
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::Texts;
use crate::suggest::nearest;
use crate::time::Day;

/// Returns the chatbots that have daily statistics, ordered by name, and the first and the last day
/// of their sessions. Days that have only bot sessions count too.
pub fn chatbots(tables: &dyn Tables) -> Result<Vec<(String, Day, Day)>> {
    let mut days: HashMap<String, (i64, i64)> = HashMap::new();
    for frame in tables.read(Table::DailyStats, None, &["chatbot_id", "stat_date"])? {
        let ids = frame.texts("chatbot_id")?;
        let dates = frame.ints("stat_date")?;
        for row in 0..frame.height() {
            let (Some(id), Some(date)) = (ids.get(row), dates.get(row)) else { continue };
            match days.get_mut(id) {
                Some((first, last)) => (*first, *last) = ((*first).min(date), (*last).max(date)),
                None => {
                    days.insert(id.to_owned(), (date, date));
                }
            }
        }
    }
    let day = |number: i64| Day(i32::try_from(number).unwrap_or(0));
    let mut all: Vec<_> = days.into_iter().map(|(id, (first, last))| (id, day(first), day(last))).collect();
    all.sort();
    Ok(all)
}

/// Checks that the tables contain each of the named chatbots.
///
/// # Errors
/// Returns a usage error that names the unknown chatbots and suggests the nearest name.
pub fn check_chatbots(tables: &dyn Tables, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut known: Vec<String> = chatbots(tables)?.into_iter().map(|(id, ..)| id).collect();
    if names.iter().all(|name| known.contains(name)) {
        return Ok(());
    }
    // Retention settings can prune daily statistics while sessions are retained.
    for_each_chatbot_run(tables, None, |id| {
        if !known.iter().any(|name| name == id) {
            known.push(id.to_owned());
        }
    })?;
    let unknown: Vec<&String> = names.iter().filter(|name| !known.contains(name)).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    known.sort();
    let quoted: Vec<String> = unknown.iter().map(|id| format!("{id:?}")).collect();
    let message = match quoted.len() {
        1 => format!("the store has no chatbot {}", quoted.concat()),
        _ => format!("the store has none of the chatbots {}", quoted.join(", ")),
    };
    let error = Error::usage(message);
    Err(match (nearest(first, known.iter().map(String::as_str)), known.len()) {
        (_, 0) => error.hint("the store is empty: run `wa ingest FILES`"),
        (Some(near), _) => error.hint(format!("did you mean {near:?}?")),
        (None, count) => {
            let some: Vec<String> = known.iter().take(5).map(|id| format!("{id:?}")).collect();
            let more = if count > 5 { format!(" and {} more", count - 5) } else { String::new() };
            error.hint(format!("the chatbots are {}{more}", some.join(", ")))
        }
    })
}

/// Numbers of chatbots, in the order in which they are given.
pub(crate) struct ChatbotIndex<'a>(HashMap<&'a str, u32>);

impl<'a> ChatbotIndex<'a> {
    /// Numbers distinct chatbots from 0.
    pub fn new(chatbots: &'a [String]) -> ChatbotIndex<'a> {
        ChatbotIndex(chatbots.iter().map(String::as_str).zip(0..).collect())
    }

    /// Returns the number of a chatbot; `None` if it was not given.
    pub fn get(&self, chatbot: &str) -> Option<u32> {
        self.0.get(chatbot).copied()
    }

    /// Returns the number of chatbots.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Returns the chatbots that a query covers, by sessions in descending order, then by name. With
/// `compare`, includes the chatbots of the previous period, since a comparison must show a chatbot
/// that lost all its sessions.
pub(crate) fn ranked_chatbots(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Vec<String>> {
    let mut sessions = sessions_by_chatbot(tables, query)?;
    if compare {
        for id in sessions_by_chatbot(tables, &query.previous())?.into_keys() {
            sessions.entry(id).or_default();
        }
    }
    let mut ranked: Vec<(String, u64)> = sessions.into_iter().collect();
    ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(ranked.into_iter().map(|(id, _)| id).collect())
}

fn sessions_by_chatbot(tables: &dyn Tables, query: &Query) -> Result<HashMap<String, u64>> {
    let mut sessions: HashMap<String, u64> = query.chatbots.iter().map(|id| (id.clone(), 0)).collect();
    let is_selected = |id: &str| query.chatbots.is_empty() || query.chatbots.iter().any(|name| name == id);
    let columns = ["chatbot_id", "stat_date", "total_sessions", "bot_sessions"];
    let days = Some(query.window.range());
    if tables.is_filtered() {
        count_selected(tables, query, &mut sessions)?;
        return Ok(sessions);
    }
    for frame in tables.read(Table::DailyStats, days, &columns)? {
        let (ids, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
        let (people, bots) = (frame.ints("total_sessions")?, frame.ints("bot_sessions")?);
        for row in 0..frame.height() {
            let day = dates.get(row).and_then(|day| i32::try_from(day).ok()).map(Day);
            let Some(id) = ids.get(row).filter(|id| is_selected(id)) else { continue };
            if !day.is_some_and(|day| query.window.contains(day)) {
                continue;
            }
            // A chatbot with only bot sessions is listed, so that its excluded sessions are
            // visible.
            let (people, bots) = (people.or_zero(row).max(0), bots.or_zero(row).max(0));
            if people > 0 || bots > 0 {
                let counted = if query.include_bots { people.saturating_add(bots) } else { people };
                *sessions.entry_ref(id).or_default() += counted.unsigned_abs();
            }
        }
    }
    // Retention settings can prune daily statistics while sessions are retained.
    for_each_chatbot_run(tables, days, |id| {
        if is_selected(id) {
            sessions.entry_ref(id).or_default();
        }
    })?;
    Ok(sessions)
}

/// Counts a selection of sessions by chatbot. A chatbot with only bot sessions has a count of 0 if
/// they are excluded.
fn count_selected(tables: &dyn Tables, query: &Query, sessions: &mut HashMap<String, u64>) -> Result<()> {
    let all = Query { include_bots: true, ..query.clone() };
    let files = map_frames(
        tables,
        Table::Sessions,
        Some(query.window.range()),
        &all.columns(&["chatbot_id"]),
        |_, frame| {
            let is_bot = frame.bools("is_bot")?;
            let is_counted = |row: usize| u64::from(query.include_bots || !is_bot.is_true(row));
            let rows = all.select(frame)?.rows;
            Ok(count_by_text(frame.texts("chatbot_id")?, &rows, is_counted))
        },
    )?;
    for (id, count) in files.into_iter().flatten() {
        *sessions.entry(id).or_default() += count;
    }
    Ok(())
}

/// Counts rows by the value of a text column.
fn count_by_text(column: &Texts, rows: &[u32], count: impl Fn(usize) -> u64) -> HashMap<String, u64> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for &row in rows {
        if let Some(text) = column.get(row as usize) {
            *counts.entry_ref(text).or_default() += count(row as usize);
        }
    }
    counts
}

/// Calls `visit` with the chatbot of each run of neighbouring sessions of the same chatbot.
fn for_each_chatbot_run(
    tables: &dyn Tables,
    days: Option<(Day, Day)>,
    mut visit: impl FnMut(&str),
) -> Result<()> {
    for frame in tables.read(Table::Sessions, days, &["chatbot_id"])? {
        let ids = frame.texts("chatbot_id")?;
        let mut last = None;
        for row in 0..frame.height() {
            let token = ids.token(row);
            if token != last {
                ids.get(row).into_iter().for_each(&mut visit);
            }
            last = token;
        }
    }
    Ok(())
}
