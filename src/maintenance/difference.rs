//! What is not as it must be: a list of bounded length.

use serde::Serialize;

/// How many differences are listed; the rest is counted.
const MOST: usize = 100;

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: the path of a file, or the name of a table.
    pub object: String,
    /// What differs, and how.
    pub message: String,
}

/// Differences: the first of them listed, all of them counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    listed: Vec<Difference>,
    count: u64,
}

impl Differences {
    /// Adds one; `message` is called only where it is going to be listed.
    pub fn add(&mut self, object: impl Into<String>, message: impl FnOnce() -> String) {
        self.count += 1;
        if self.listed.len() < MOST {
            self.listed.push(Difference { object: object.into(), message: message() });
        }
    }

    /// Adds those of another list.
    pub fn append(&mut self, other: Differences) {
        self.count += other.count;
        let room = MOST - self.listed.len().min(MOST);
        self.listed.extend(other.listed.into_iter().take(room));
    }

    /// Returns those that are listed, in the order in which they were found.
    pub fn listed(&self) -> &[Difference] {
        &self.listed
    }

    /// Returns how many there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_differences_ends_and_its_count_does_not() {
        let mut all = Differences::default();
        for n in 0..60 {
            all.add("a", || n.to_string());
        }
        let mut more = Differences::default();
        for n in 0..160 {
            more.add("b", || n.to_string());
        }
        all.append(more);
        assert_eq!((all.listed().len(), all.count()), (100, 220));
        assert_eq!(all.listed()[60], Difference { object: "b".to_owned(), message: "0".to_owned() });
    }
}
