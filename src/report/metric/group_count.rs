//! Counting rows by a text column.
//!
//! Files hold repeated texts by a dictionary, so rows are counted by the token of their text and
//! each token becomes a text once.

use std::hash::Hash;

use hashbrown::HashMap;

use crate::report::query::view_cache::{ByToken, NULL, mix};
use crate::store::frame::Texts;

/// Counts by key, and merges.
#[derive(Clone, Debug)]
pub struct Tally<K, C = u64>(pub HashMap<K, C>);

impl<K, C> Default for Tally<K, C> {
    fn default() -> Self {
        Tally(HashMap::new())
    }
}

/// A count that can be added to.
pub trait Add: Default {
    /// Adds another count.
    fn add(&mut self, other: Self);
}

impl Add for u64 {
    fn add(&mut self, other: u64) {
        *self = self.saturating_add(other);
    }
}

impl<K: Eq + Hash, C: Add> Tally<K, C> {
    /// Adds a count to a key's.
    pub fn add(&mut self, key: K, count: C) {
        self.0.entry(key).or_default().add(count);
    }

    /// Takes in another tally; in whichever order, the counts are the same.
    pub fn merge(mut self, mut other: Tally<K, C>) -> Tally<K, C> {
        if self.0.len() < other.0.len() {
            std::mem::swap(&mut self, &mut other);
        }
        for (key, count) in other.0 {
            self.add(key, count);
        }
        self
    }
}

/// Tokens that are remembered with the place of their count.
const TOKENS: usize = 256;

/// Counts the chosen rows of a column by their text. `count` says what a row adds. A text may come
/// more than once, where the file holds it without a dictionary.
pub fn groups<'a, C: Add>(
    column: &'a Texts,
    rows: &[u32],
    mut count: impl FnMut(usize) -> C,
) -> Vec<(Option<&'a str>, C)> {
    // The counts lie in a vector, and a token tells the place. Columns of a few texts do not even
    // need the table.
    let mut counts: Vec<(Option<&str>, C)> = Vec::new();
    let mut places: ByToken<usize> = ByToken::default();
    let mut recent: Vec<(u128, usize)> = vec![(NULL, usize::MAX); TOKENS];
    for &row in rows {
        let row = row as usize;
        let token = column.token(row).unwrap_or(NULL);
        let slot = (mix(token) >> 56) as usize;
        let remembered = recent.get(slot).filter(|(seen, place)| *seen == token && *place != usize::MAX);
        let place = match remembered {
            Some((_, place)) => *place,
            None => {
                let place = *places.entry(token).or_insert_with(|| {
                    counts.push((column.get(row), C::default()));
                    counts.len() - 1
                });
                if let Some(recent) = recent.get_mut(slot) {
                    *recent = (token, place);
                }
                place
            }
        };
        if let Some((_, sum)) = counts.get_mut(place) {
            sum.add(count(row));
        }
    }
    counts
}

/// Counts the chosen rows of a column by their text, null as `null`. `count` says what a row adds.
pub fn by_text<C: Add>(
    column: &Texts,
    rows: &[u32],
    null: &str,
    count: impl FnMut(usize) -> C,
) -> Tally<String, C> {
    let mut tally = Tally::default();
    for (text, sum) in groups(column, rows, count) {
        tally.add(text.unwrap_or(null).to_owned(), sum);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};

    #[test]
    fn rows_are_counted_by_text_whatever_its_length() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        let long = "a text longer than twelve bytes";
        for city in [Some("Bonn"), None, Some(long), Some("Bonn"), Some(long), Some("")] {
            builder.row(&[("city", city.map_or(Cell::Null, Cell::Text))]);
        }
        let frame = builder.finish().unwrap();
        let column = frame.texts("city").unwrap();
        let tally = by_text(column, &[0, 1, 2, 3, 4, 5], "unknown", |_| 1u64);
        let mut counts: Vec<_> = tally.0.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        counts.sort();
        assert_eq!(counts, [("", 1), ("Bonn", 2), (long, 2), ("unknown", 1)]);
        // Only the chosen rows count.
        let tally = by_text(column, &[1, 3], "unknown", |_| 1u64);
        assert_eq!(tally.0.get("Bonn"), Some(&1));
        assert_eq!(tally.0.get(long), None);
    }
}
