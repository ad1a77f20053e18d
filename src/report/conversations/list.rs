//! The list of conversations, newest first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use hashbrown::HashMap;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::exchange::Exchange;
use super::totals::{SessionFact, row_id};
use crate::error::Result;
use crate::report::answer::rows::{Row, RowList};
use crate::report::metric::values::{Millis, Seconds};
use crate::report::metric::{AsMetric, Metric, Unit};
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::time::{Day, format_utc};

/// The columns of `sessions` that a row shows: its dimensions after start and outcome.
const COLUMNS: &[&str] = ListedConversation::DIMENSIONS.split_at(2).1;

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConversation {
    /// The start of the session, the outcome, and the columns of the session; empty if unknown.
    texts: Vec<String>,
    exchange: Exchange,
    /// The duration of the session.
    duration: Seconds,
}

impl Row for ListedConversation {
    const DIMENSIONS: &'static [&'static str] = &[
        "started_at",
        "outcome",
        "session_id",
        "anonymous_id",
        "user_id",
        "id",
        "chatbot_id",
        "landing_page",
        "channel",
        "utm_source",
        "referrer_domain",
    ];
    const METRICS: &'static [(&'static str, Unit)] = &[
        ("first_response_ms", Unit::Millis),
        ("mean_reply_ms", Unit::Millis),
        ("messages_sent", Unit::Count),
        ("messages_received", Unit::Count),
        ("duration_seconds", Unit::Seconds),
        ("ratings", Unit::Count),
        ("positive_ratings", Unit::Count),
    ];

    fn dimensions(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        let Exchange { first_response, replies, ratings: [positive, others, _], .. } = self.exchange;
        vec![
            first_response.map(Millis::from_micros).value(),
            Millis::mean(replies.0, replies.1).value(),
            self.exchange.sent.value(),
            self.exchange.received.value(),
            self.duration.value(),
            (positive + others).value(),
            positive.value(),
        ]
    }
}

impl Serialize for ListedConversation {
    /// Writes the dimensions, with null for unknown ones, and then the metrics.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, text) in Self::DIMENSIONS.iter().zip(&self.texts) {
            map.serialize_entry(key, &Some(text).filter(|text| !text.is_empty()))?;
        }
        for ((key, unit), value) in Self::METRICS.iter().zip(self.metrics()) {
            map.serialize_entry(key, &Metric { unit: *unit, value })?;
        }
        map.end()
    }
}

/// Reads the rows of the newest conversations.
pub(super) fn read(
    tables: &dyn Tables,
    query: &Query,
    mut found: Vec<(SessionFact, Exchange)>,
    limit: Option<usize>,
) -> Result<RowList<ListedConversation>> {
    found.sort_unstable_by(compare);
    found.truncate(limit.unwrap_or(usize::MAX));
    let by_id: HashMap<u128, usize> = found.iter().enumerate().map(|(n, (fact, _))| (fact.id, n)).collect();
    let days: BTreeSet<Day> = found.iter().map(|(fact, _)| tables.zone().day(fact.started)).collect();
    let columns = query.columns(COLUMNS);
    let mut all_texts: Vec<Vec<String>> = vec![Vec::new(); found.len()];
    for day in days {
        let files = map_frames(tables, Table::Sessions, Some((day, day)), &columns, |_, frame| {
            let ids = frame.texts("id")?;
            let columns = COLUMNS.iter().map(|name| frame.texts(name)).collect::<Result<Vec<_>>>()?;
            let wanted = |row| by_id.get(&row_id(ids.get(row)?)?).map(|number| (*number, row));
            let text = |row: usize| {
                columns.iter().map(|column| column.get(row).unwrap_or("").to_owned()).collect::<Vec<_>>()
            };
            let rows = (0..frame.height()).filter_map(wanted);
            Ok(rows.map(|(number, row)| (number, text(row))).collect::<Vec<_>>())
        })?;
        for (number, texts) in files.into_iter().flatten() {
            if let Some(slot) = all_texts.get_mut(number) {
                *slot = texts;
            }
        }
    }
    let rows = found.into_iter().zip(all_texts).map(|((fact, exchange), texts)| {
        let outcome = match (exchange.is_answered(), exchange.is_dropped) {
            (false, _) => "unanswered",
            (true, true) => "dropped",
            (true, false) => "answered",
        };
        let first = [format_utc(fact.started), outcome.to_owned()];
        ListedConversation {
            texts: first.into_iter().chain(texts).collect(),
            exchange,
            duration: Seconds(fact.seconds),
        }
    });
    Ok(RowList::complete(rows.collect()))
}

/// Orders conversations, newest first, then by id. The numeric order of ids equals their order as
/// strings.
fn compare(a: &(SessionFact, Exchange), b: &(SessionFact, Exchange)) -> Ordering {
    b.0.started.cmp(&a.0.started).then_with(|| a.0.id.cmp(&b.0.id))
}

/// Drops all but the first `limit` conversations once there are more than about four times as many.
pub(super) fn prune(found: &mut Vec<(SessionFact, Exchange)>, limit: Option<usize>) {
    if let Some(limit) = limit
        && found.len() > limit.saturating_mul(4).saturating_add(64)
    {
        found.select_nth_unstable_by(limit, compare);
        found.truncate(limit);
    }
}
