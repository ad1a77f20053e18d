//! Counts of rows by the value of a text column.
//!
//! Rows are counted by the token of their value, so that each string is hashed and copied once for
//! all rows that share it.

use std::hash::Hash;

use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::cells::merge_frames;
use crate::report::query::tables::{PartKind, Tables, map_parts, read_parts};
use crate::report::query::view_cache::{NULL_TOKEN, TokenMap, mix};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};

/// A count of rows, or several counts that are accumulated together.
pub(crate) trait Count: Default {
    /// Adds another count.
    fn add(&mut self, other: Self);
}

impl Count for u64 {
    fn add(&mut self, other: u64) {
        *self = self.saturating_add(other);
    }
}

/// Counts by key. Merging is associative and commutative.
#[derive(Clone, Debug)]
pub(crate) struct GroupCount<K, C = u64>(pub HashMap<K, C>);

impl<K, C> Default for GroupCount<K, C> {
    fn default() -> Self {
        GroupCount(HashMap::new())
    }
}

impl<K: Serialize, C: Serialize> Serialize for GroupCount<K, C> {
    /// Writes a list of keys with their counts.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, K: Deserialize<'de> + Eq + Hash, C: Deserialize<'de>> Deserialize<'de> for GroupCount<K, C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<(K, C)>::deserialize(deserializer).map(|counts| GroupCount(counts.into_iter().collect()))
    }
}

impl<K: Eq + Hash, C: Count> GroupCount<K, C> {
    /// Adds to the count of a key.
    pub fn add(&mut self, key: K, count: C) {
        self.0.entry(key).or_default().add(count);
    }

    /// Merges the counts of other rows.
    pub fn merge(mut self, mut other: GroupCount<K, C>) -> GroupCount<K, C> {
        if self.0.len() < other.0.len() {
            std::mem::swap(&mut self, &mut other);
        }
        for (key, count) in other.0 {
            self.add(key, count);
        }
        self
    }
}

/// The number of tokens whose index is cached.
const CACHED_TOKENS: usize = 256;

/// Counts the selected rows of a column by token. `rows` are in ascending order, each once. `count`
/// returns the count of a row.
///
/// A string may occur more than once in the result if the file stores it without a dictionary.
pub(crate) fn count_by_token<'a, C: Count>(
    column: &'a Texts,
    rows: &[u32],
    mut count: impl FnMut(usize) -> C,
) -> Vec<(Option<&'a str>, C)> {
    // The counts are in a vector, and a map finds the index of a token's count. For columns with
    // few distinct strings, the small cache before the map is sufficient.
    let mut counts: Vec<(Option<&str>, C)> = Vec::new();
    let mut indexes: TokenMap<usize> = TokenMap::default();
    let mut cache: Vec<(u128, usize)> = vec![(NULL_TOKEN, usize::MAX); CACHED_TOKENS];
    let mut add = |row: usize, token: u128| {
        let slot = (mix(token) >> 56) as usize;
        let index = match cache.get(slot) {
            Some((cached, index)) if *cached == token && *index != usize::MAX => *index,
            _ => {
                let index = *indexes.entry(token).or_insert_with(|| {
                    counts.push((column.get(row), C::default()));
                    counts.len() - 1
                });
                if let Some(slot) = cache.get_mut(slot) {
                    *slot = (token, index);
                }
                index
            }
        };
        if let Some((_, sum)) = counts.get_mut(index) {
            sum.add(count(row));
        }
    };
    if rows.len() == column.len() {
        // All rows are selected.
        column.each_token(NULL_TOKEN, add);
    } else {
        let token = |row: usize| column.token(row).unwrap_or(NULL_TOKEN);
        rows.iter().for_each(|row| add(*row as usize, token(*row as usize)));
    }
    counts
}

/// Counts the selected rows of a column by value. Nulls are counted under the label that `null`
/// contains. `count` returns the count of a row.
pub(crate) fn count_by_text<C: Count>(
    column: &Texts,
    rows: &[u32],
    null: &str,
    count: impl FnMut(usize) -> C,
) -> GroupCount<String, C> {
    let mut counts = GroupCount::default();
    for (text, sum) in count_by_token(column, rows, count) {
        counts.add(text.unwrap_or(null).to_owned(), sum);
    }
    counts
}

/// Counts by name, in descending order of the count, then by name.
pub(crate) type RankedCounts = Vec<(String, u64)>;

/// The counts of each column in some sessions, and the number of bot sessions.
type GroupPart = (Vec<GroupCount<String>>, u64);

/// Counts the sessions of a window by each of the given columns. Each column is given with the
/// label of its null values. Returns the counts in the order of the columns, and the number of bot
/// sessions. `report` is the name of the report, which must pass the same columns in every call.
pub(crate) fn count_sessions<const N: usize>(
    tables: &dyn Tables,
    query: &Query,
    report: &'static str,
    columns: [(&str, &str); N],
) -> Result<([RankedCounts; N], u64)> {
    let (counts, bots) = match tables.parts(PartKind::Groups) {
        Some(parts) => read_parts(parts)?.into_iter().fold(GroupPart::default(), merge_parts),
        None => {
            let names = query.columns(&columns.map(|(name, _)| name));
            let count = |frame: &Frame, query: &Query| count_frame(frame, query, columns);
            merge_frames(tables, report, query, &names, count, merge_parts)?
        }
    };
    let mut counts = counts.into_iter();
    Ok((std::array::from_fn(|_| ranked(counts.next().unwrap_or_default())), bots))
}

/// Returns the counts of [`count_sessions`] in each file, and its number of bot sessions.
pub(crate) fn group_parts<const N: usize>(
    tables: &dyn Tables,
    query: &Query,
    columns: [(&str, &str); N],
) -> Result<Vec<GroupPart>> {
    let names = query.columns(&columns.map(|(name, _)| name));
    let files = (Table::Sessions, query.window.range());
    map_parts(tables, PartKind::Groups, files, &names, |frame| count_frame(frame, query, columns))
}

fn count_frame<const N: usize>(
    frame: &Frame,
    query: &Query,
    columns: [(&str, &str); N],
) -> Result<GroupPart> {
    let selected = query.select(frame)?;
    let mut counts = Vec::with_capacity(N);
    for (name, null) in columns {
        counts.push(count_by_text(frame.texts(name)?, &selected.rows, null, |_| 1u64));
    }
    Ok((counts, selected.bots))
}

/// Merges the counts of different sessions. The default has no columns.
fn merge_parts(part: GroupPart, other: GroupPart) -> GroupPart {
    let bots = part.1 + other.1;
    if part.0.is_empty() {
        return (other.0, bots);
    }
    let mut others = other.0.into_iter();
    (part.0.into_iter().map(|counts| counts.merge(others.next().unwrap_or_default())).collect(), bots)
}

fn ranked(counts: GroupCount<String>) -> RankedCounts {
    let mut counts: RankedCounts = counts.0.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};

    #[test]
    fn rows_are_counted_by_short_long_and_null_strings() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        let long = "a text longer than twelve bytes";
        for city in [Some("Bonn"), None, Some(long), Some("Bonn"), Some(long), Some("")] {
            builder.row(&[("city", city.map_or(Cell::Null, Cell::Text))]);
        }
        let frame = builder.finish().unwrap();
        let column = frame.texts("city").unwrap();
        let counts = count_by_text(column, &[0, 1, 2, 3, 4, 5], "unknown", |_| 1u64);
        let mut sorted: Vec<_> = counts.0.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        sorted.sort();
        assert_eq!(sorted, [("", 1), ("Bonn", 2), (long, 2), ("unknown", 1)]);
        // Only the selected rows are counted.
        let counts = count_by_text(column, &[1, 3], "unknown", |_| 1u64);
        assert_eq!(counts.0.get("Bonn"), Some(&1));
        assert_eq!(counts.0.get(long), None);
    }
}
