//! What a batch of new events changes in the tables: whole rows are replaced in the files that hold
//! them, and nothing else is touched.
//!
//! [`sessions`] merges pieces of sessions with the stored ones; [`visitors`] moves first sights
//! earlier; [`daily`] works the touched days out again; [`events`] adds the events themselves.
//! [`fold`] keeps the number of files small.

pub mod coverage;
pub mod daily;
pub mod events;
pub mod fold;
pub mod sessions;
mod sieve;
pub mod visitors;

use rayon::prelude::*;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::transaction::{NewFile, Transaction};

/// What is made for a partition: its new file, and the files that this one stands for. Making is the
/// work, and needs no transaction: several tables are made side by side.
#[derive(Debug)]
pub struct Made {
    /// The new file; `None` where no row is left.
    pub file: Option<NewFile>,
    /// The files that it replaces.
    pub replaced: Vec<DataFile>,
}

impl Made {
    /// Puts the file into a transaction; returns its path.
    pub fn put(self, table: Table, transaction: &mut Transaction) -> Result<Option<String>> {
        for old in self.replaced {
            transaction.remove(table, &old.path);
        }
        self.file.map(|file| transaction.add(file)).transpose()
    }
}

/// A file that loses rows, and for each of its rows whether it goes.
pub type Losing = (DataFile, Vec<bool>);

/// Does something for each of many partitions or files, a few at a time, and returns what came of them in
/// their order.
///
/// A thread that waits for columns to be read takes up other work meanwhile: given all partitions
/// at once it begins with all of them, and they are held at once.
pub(super) fn few_at_once<T: Send, R: Send>(
    work: impl IntoIterator<Item = T>,
    each: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let mut work = work.into_iter();
    let mut done = Vec::new();
    loop {
        let few: Vec<T> = work.by_ref().take(rayon::current_num_threads()).collect();
        if few.is_empty() {
            return Ok(done);
        }
        done.extend(few.into_par_iter().map(&each).collect::<Result<Vec<R>>>()?);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::error::Error;

    #[test]
    fn few_are_begun_before_others_have_ended_and_what_comes_is_in_order() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let each = |number: usize| {
            most.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            // Whoever waits here takes up what else there is.
            let (half, other) = rayon::join(|| number, || (0..100_usize).into_par_iter().sum::<usize>());
            under_way.fetch_sub(1, SeqCst);
            Ok(half * other)
        };
        let done = few_at_once(0..200, each).unwrap();
        assert_eq!(done, (0..200).map(|number| number * 4950).collect::<Vec<_>>());
        assert!(most.into_inner() <= rayon::current_num_threads());
    }

    #[test]
    fn the_first_error_ends_it() {
        let begun = AtomicUsize::new(0);
        let done: Result<Vec<()>> = few_at_once(0..10_000, |_| {
            begun.fetch_add(1, SeqCst);
            Err(Error::failed("no"))
        });
        assert!(done.is_err() && begun.into_inner() <= rayon::current_num_threads());
    }
}
