//! The chatbots and days whose daily statistics a change affects.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hashbrown::HashSet;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::time::Day;

/// The chatbots whose statistics of a day must be recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Chatbots {
    All,
    Named(HashSet<String>),
}

/// Days, each with the chatbots whose statistics must be recomputed. Those of several changes can
/// be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedDays(BTreeMap<Day, Chatbots>);

impl ChangedDays {
    /// Returns days, each with all chatbots.
    pub fn of_all_chatbots(days: impl IntoIterator<Item = Day>) -> ChangedDays {
        ChangedDays(days.into_iter().map(|day| (day, Chatbots::All)).collect())
    }

    /// Adds a day of a chatbot.
    pub fn add(&mut self, day: Day, chatbot: &str) {
        match self.0.entry(day).or_insert_with(|| Chatbots::Named(HashSet::new())) {
            Chatbots::Named(chatbots) => {
                chatbots.get_or_insert_with(chatbot, str::to_owned);
            }
            Chatbots::All => {}
        }
    }

    /// Returns the pairs of a day and a chatbot that were added, in order.
    pub fn named(&self) -> impl Iterator<Item = (Day, &str)> {
        self.0.iter().flat_map(|(day, chatbots)| {
            let mut names: Vec<&str> = match chatbots {
                Chatbots::All => Vec::new(),
                Chatbots::Named(names) => names.iter().map(String::as_str).collect(),
            };
            names.sort_unstable();
            names.into_iter().map(move |name| (*day, name))
        })
    }

    /// Returns whether the statistics of a chatbot and day must be recomputed.
    pub fn contains(&self, day: Day, chatbot: &str) -> bool {
        match self.0.get(&day) {
            Some(Chatbots::Named(chatbots)) => chatbots.contains(chatbot),
            Some(Chatbots::All) => true,
            None => false,
        }
    }

    /// Returns whether the statistics of any chatbot of a day must be recomputed.
    pub fn has_day(&self, day: Day) -> bool {
        self.0.contains_key(&day)
    }

    /// Returns whether these changes include every chatbot that `other` contains for a day.
    pub fn covers(&self, other: &ChangedDays, day: Day) -> bool {
        match (self.0.get(&day), other.0.get(&day)) {
            (_, None) | (Some(Chatbots::All), _) => true,
            (Some(Chatbots::Named(all)), Some(Chatbots::Named(chatbots))) => chatbots.is_subset(all),
            (None, _) | (Some(Chatbots::Named(_)), Some(Chatbots::All)) => false,
        }
    }

    /// Returns the number of chatbots that are named for a day.
    pub fn chatbots_on(&self, day: Day) -> usize {
        match self.0.get(&day) {
            Some(Chatbots::Named(chatbots)) => chatbots.len(),
            Some(Chatbots::All) | None => 0,
        }
    }

    /// Adds the days of another change.
    pub fn merge(&mut self, other: ChangedDays) {
        for (day, chatbots) in other.0 {
            match self.0.entry(day) {
                Entry::Vacant(entry) => drop(entry.insert(chatbots)),
                Entry::Occupied(mut entry) => match (entry.get_mut(), chatbots) {
                    (Chatbots::Named(all), Chatbots::Named(more)) => all.extend(more),
                    (all, _) => *all = Chatbots::All,
                },
            }
        }
    }

    /// Returns the number of pairs of a day and a chatbot. All chatbots of a day count as one.
    pub fn count(&self) -> usize {
        let count = |chatbots: &Chatbots| match chatbots {
            Chatbots::All => 1,
            Chatbots::Named(chatbots) => chatbots.len(),
        };
        self.0.values().map(count).sum()
    }

    /// Returns the days with their chatbots, including chatbots that have statistics of a day but
    /// no sessions. `after` is the state after the change.
    ///
    /// # Errors
    /// Fails if a stored file cannot be read.
    pub(super) fn resolve(self, after: &Snapshot) -> Result<BTreeMap<Day, HashSet<String>>> {
        let mut days = BTreeMap::new();
        let mut months: BTreeMap<Day, BTreeMap<Day, HashSet<String>>> = BTreeMap::new();
        for (day, chatbots) in self.0 {
            let chatbots = match chatbots {
                Chatbots::Named(chatbots) => chatbots,
                Chatbots::All => {
                    let month = day.month_start();
                    let of_month = match months.entry(month) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => entry.insert(chatbots_with_statistics(after, month)?),
                    };
                    let mut chatbots = of_month.remove(&day).unwrap_or_default();
                    for file in after.partition(Table::Sessions, day) {
                        after.read_groups(file, &["chatbot_id"], |frame| {
                            let ids = frame.texts("chatbot_id")?;
                            let mut last = None;
                            for row in 0..frame.height() {
                                let token = ids.token(row);
                                if token != last
                                    && let Some(id) = ids.get(row)
                                {
                                    chatbots.get_or_insert_with(id, str::to_owned);
                                }
                                last = token;
                            }
                            Ok(())
                        })?;
                    }
                    chatbots
                }
            };
            days.insert(day, chatbots);
        }
        Ok(days)
    }
}

/// Returns the chatbots that have statistics of each day of a month.
fn chatbots_with_statistics(after: &Snapshot, month: Day) -> Result<BTreeMap<Day, HashSet<String>>> {
    let mut days: BTreeMap<Day, HashSet<String>> = BTreeMap::new();
    for file in after.partition(Table::DailyStats, month) {
        let frame = after.read_file(file, Some(&["chatbot_id", "stat_date"]))?;
        let (ids, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
        for row in 0..frame.height() {
            if let (Some(id), Some(date)) = (ids.get(row), dates.get_i32(row)) {
                days.entry(Day(date)).or_default().insert(id.to_owned());
            }
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(days: &[(i32, &str)]) -> ChangedDays {
        let mut changed = ChangedDays::default();
        days.iter().for_each(|(day, chatbot)| changed.add(Day(*day), chatbot));
        changed
    }

    #[test]
    fn merge_is_commutative_and_all_absorbs_names() {
        let parts =
            [named(&[(1, "a"), (2, "a")]), named(&[(1, "b")]), ChangedDays::of_all_chatbots([Day(2)])];
        let merged = |order: [usize; 3]| {
            let mut all = ChangedDays::default();
            order.into_iter().for_each(|part| all.merge(parts[part].clone()));
            all
        };
        let expected = merged([0, 1, 2]);
        assert_eq!(expected.count(), 3, "two chatbots of day 1, and all of day 2");
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(merged(order), expected);
        }
    }
}
