//! What a batch of new events changes in the tables: whole rows are replaced in the files that hold
//! them, and nothing else is touched.
//!
//! [`sessions`] merges [`pieces`] of sessions with the stored ones; [`visitors`] moves first sights
//! earlier; [`daily`] works the touched days out again, but for the [`frozen`] ones, which keep their
//! rows; [`events`] adds the events themselves.
//! Each makes a new file of a [`partition`]; [`fold`] keeps the number of files small.

pub mod coverage;
pub mod daily;
pub mod events;
pub mod merge_policy;
pub mod partition;
pub mod pruned_days;
pub mod session_fragments;
pub mod sessions;
pub mod visitors;

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::columns::Table;
use super::manifest::DataFile;
use super::transaction::{NewFile, Transaction};
use crate::error::{Error, Result};

/// What is made for a partition: its new files, and the files that these stand for.
#[derive(Debug)]
pub struct Made {
    /// The table.
    pub table: Table,
    /// The new files; none where no row is left.
    pub files: Vec<NewFile>,
    /// The files that they replace.
    pub replaced: Vec<DataFile>,
}

/// Takes what is made, from several threads.
pub type Sink<'a> = &'a (dyn Fn(Made) -> Result<()> + Sync);

/// How many files may wait to be written: enough that the disk has something to do, few enough that
/// their bytes do not matter.
const WAITING: usize = 8;

/// Writes what `make` makes into a transaction, each file as soon as it is there: making is the work of
/// processors, needs no transaction, and goes on while the disk takes what was made before.
///
/// # Errors
/// Those of the disk, and those of `make`.
pub fn put_while_made<R>(
    transaction: &mut Transaction,
    make: impl FnOnce(Sink<'_>) -> Result<R>,
) -> Result<R> {
    std::thread::scope(|scope| {
        let (sender, made) = sync_channel::<Made>(WAITING);
        // A thread of its own, that does nothing but wait for the disk, and is waited for by no other.
        let putting = scope.spawn(move || {
            made.into_iter().try_for_each(|made| {
                for old in made.replaced {
                    transaction.remove(made.table, &old.path);
                }
                made.files.into_iter().try_for_each(|file| transaction.add(file))
            })
        });
        let outcome = make(&|made| sender.send(made).map_err(|_| Error::failed("the disk took no more")));
        drop(sender);
        // Where it could not be put, what was made is of no use, and the reason is the disk's.
        putting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(outcome)
    })
}

/// A file that loses rows, and for each of its rows whether it goes.
pub type Losing = (DataFile, Vec<bool>);

/// Does something for each of many partitions or files, a few at a time, and returns what came of them in
/// their order.
///
/// A thread that waits for columns to be read takes up other work meanwhile: given all partitions
/// at once it begins with all of them, and they are held at once.
pub(super) fn few_at_once<T, R: Send>(
    work: impl IntoIterator<Item = T, IntoIter: Send>,
    each: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let work = Mutex::new(Some(work.into_iter().enumerate()));
    let done = Mutex::new(Vec::new());
    let next = || locked(&work).as_mut().and_then(Iterator::next);
    let threads = (0..rayon::current_num_threads()).into_par_iter().with_max_len(1);
    threads.try_for_each(|_| {
        while let Some((place, item)) = next() {
            // After an error nothing more is begun.
            let result = each(item).inspect_err(|_| *locked(&work) = None)?;
            locked(&done).push((place, result));
            crate::allocator::give_back();
        }
        Ok(())
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Where another thread panicked, nothing of what is locked here is half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

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

    fn file_of(rows: u64) -> Made {
        let file = NewFile::new(Table::Events, crate::time::Day(0), rows, (0, 1), vec![7; rows as usize]);
        Made { table: Table::Events, files: vec![file], replaced: Vec::new() }
    }

    fn with_transaction(test: impl FnOnce(&mut Transaction)) {
        let dir = tempfile::tempdir().unwrap();
        let first = || crate::store::manifest::Manifest::new(0, "UTC", 1);
        let store = crate::store::Store::at(dir.path());
        let writer = store.writer("test", std::time::Duration::ZERO, first).unwrap();
        let mut transaction = writer.begin();
        test(&mut transaction);
    }

    #[test]
    fn what_is_made_side_by_side_is_put_and_no_more() {
        with_transaction(|transaction| {
            // More than may wait.
            let make = |sink: Sink<'_>| few_at_once(1..=40, |rows| sink(file_of(rows)));
            put_while_made(transaction, make).unwrap();
            let mut rows: Vec<u64> =
                transaction.manifest().files(Table::Events).iter().map(|file| file.rows).collect();
            rows.sort_unstable();
            assert_eq!(rows, (1..=40).collect::<Vec<_>>());
        });
    }

    #[test]
    fn an_error_or_a_panic_of_the_maker_ends_it() {
        with_transaction(|transaction| {
            let failed = |sink: Sink<'_>| sink(file_of(1)).and(Err::<(), _>(Error::failed("no more")));
            assert!(put_while_made(transaction, failed).unwrap_err().to_string().contains("no more"));
            let panics = |sink: Sink<'_>| -> Result<()> {
                sink(file_of(2)).unwrap();
                panic!("a fault");
            };
            let caught = std::panic::AssertUnwindSafe(|| put_while_made(transaction, panics));
            assert!(std::panic::catch_unwind(caught).is_err());
        });
    }
}
