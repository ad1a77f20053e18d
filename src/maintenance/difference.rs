//! The differences that a check of the store finds, in a list of bounded length.

use serde::Serialize;

/// The number of differences that are listed; further ones are only counted.
const MAX_LISTED: usize = 100;

/// A difference between the stored and the expected contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path of a file, or the name of a table.
    pub object: String,
    /// The difference, as a sentence.
    pub message: String,
}

/// A list of differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    listed: Vec<Difference>,
    count: u64,
}

impl Differences {
    /// Adds a difference. Calls `message` only if the difference is listed.
    pub(super) fn add(&mut self, object: impl Into<String>, message: impl FnOnce() -> String) {
        self.count += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(Difference { object: object.into(), message: message() });
        }
    }

    /// Adds the differences of another list.
    pub(super) fn append(&mut self, other: Differences) {
        self.count += other.count;
        let room = MAX_LISTED.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
    }

    /// Returns the listed differences, in the order in which they were found.
    pub(super) fn into_listed(self) -> Vec<Difference> {
        self.listed
    }

    /// Returns the number of all differences.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether there are no differences.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_past_the_limit_are_counted_only() {
        let mut all = Differences::default();
        for n in 0..60 {
            all.add("a", || n.to_string());
        }
        let mut more = Differences::default();
        for n in 0..160 {
            more.add("b", || n.to_string());
        }
        all.append(more);
        assert_eq!((all.listed.len(), all.count()), (100, 220));
        assert_eq!(all.listed[60], Difference { object: "b".to_owned(), message: "0".to_owned() });
    }
}
