//! The changes that a batch of new events makes to the tables.
//!
//! Files are immutable: a change replaces whole files, and only those with rows that change.
//!
//! - [`events`] adds the events;
//! - [`sessions`] merges [`session_fragments`] with the stored sessions;
//! - [`visitors`] updates when visitors were first seen;
//! - [`daily`] recomputes the statistics of the chatbots and days whose sessions or visitors
//!   changed ([`changed_days`]), and [`pruned_days`] adjusts those of days whose sessions were
//!   pruned.
//!
//! Each table's new files are built by a [`partition`] builder, and [`merge_policy`] keeps their
//! number small. The tables are computed in parallel while finished files are written
//! ([`write_pipelined`]).

pub mod changed_days;
pub mod daily;
pub mod daily_inputs;
pub mod events;
pub mod merge_policy;
mod monthly_rows;
pub mod partition;
pub mod pruned_days;
pub mod session_fragments;
pub mod sessions;
pub mod time_ranges;
pub mod visitors;

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::manifest::DataFile;
use super::transaction::{NewFile, Transaction};
use crate::error::{Error, Result};

/// The new files of a partition, and the files that they replace.
#[derive(Debug)]
pub struct PartitionOutput {
    /// New files; empty if no row remains.
    pub files: Vec<NewFile>,
    /// Replaced files.
    pub replaced: Vec<DataFile>,
}

impl PartitionOutput {
    /// Adds the new files to a transaction, and removes the replaced ones.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn add_to(self, transaction: &mut Transaction) -> Result<()> {
        self.replaced.iter().for_each(|old| transaction.remove(old));
        self.files.into_iter().try_for_each(|file| transaction.add(file))
    }
}

/// Receives finished partitions, from several threads.
pub type OutputSink<'a> = &'a (dyn Fn(PartitionOutput) -> Result<()> + Sync);

/// A file that loses rows.
#[derive(Debug)]
pub struct PartialRewrite {
    /// The file.
    pub file: DataFile,
    /// For each row, whether it is removed.
    pub removed: Vec<bool>,
}

/// Capacity of the queue to the writing thread, in groups of partitions: enough to keep the disk
/// busy, and few enough to take little memory.
const QUEUE_CAPACITY: usize = 8;

/// Partitions are passed to the writing thread in groups of at least this number of bytes. A change
/// can have thousands of partitions with a few rows each, and waking the thread takes as long as
/// writing such a partition.
const GROUP_BYTES: usize = 256 << 10;

/// Computes partitions and adds them to a transaction. A separate thread writes each partition as
/// soon as it is finished, while `compute` continues. If that thread cannot be started, the threads
/// of `compute` write.
///
/// # Errors
/// Fails if a file cannot be written, or if `compute` fails.
pub fn write_pipelined<R>(
    transaction: &mut Transaction,
    compute: impl FnOnce(OutputSink<'_>) -> Result<R>,
) -> Result<R> {
    let transaction = Mutex::new(transaction);
    let write = |output: PartitionOutput| output.add_to(&mut lock(&transaction));
    std::thread::scope(|scope| {
        let (sender, groups) = sync_channel::<Vec<PartitionOutput>>(QUEUE_CAPACITY);
        let write = &write;
        let run = move || groups.into_iter().flatten().try_for_each(write);
        let Ok(writer) = std::thread::Builder::new().spawn_scoped(scope, run) else {
            // No further thread can be started: the computing threads write.
            return compute(write);
        };
        let closed = || Error::failed("the thread that writes files has ended");
        let pending: Mutex<(Vec<PartitionOutput>, usize)> = Mutex::default();
        let send = |group: Vec<PartitionOutput>| sender.send(group).map_err(|_| closed());
        let outcome = compute(&|output| {
            let group = {
                let mut pending = lock(&pending);
                pending.1 += output.files.iter().map(|file| file.bytes.len()).sum::<usize>();
                pending.0.push(output);
                if pending.1 < GROUP_BYTES {
                    return Ok(());
                }
                std::mem::take(&mut *pending).0
            };
            send(group)
        });
        let rest = std::mem::take(&mut *lock(&pending)).0;
        let outcome = outcome.and_then(|outcome| send(rest).map(|()| outcome));
        drop(sender);
        // If writing failed, that made `compute` fail too: report the writer's error.
        writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(outcome)
    })
}

/// Applies `process` to items in parallel, at most one item per thread at a time. Returns the
/// results in the order of the items.
///
/// A parallel iterator over partitions has no such bound. While a thread waits for columns that
/// other threads read, rayon lets it start another partition, so all partitions can be in memory.
///
/// # Errors
/// Returns the error of an item. No item is started after an error.
pub(super) fn bounded_parallel<T, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    process: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let items = Mutex::new(Some(items.into_iter().enumerate()));
    let results = Mutex::new(Vec::new());
    let next = || lock(&items).as_mut().and_then(Iterator::next);
    let threads = (0..rayon::current_num_threads()).into_par_iter().with_max_len(1);
    threads.try_for_each(|_| {
        while let Some((index, item)) = next() {
            let result = process(item).inspect_err(|_| *lock(&items) = None)?;
            lock(&results).push((index, result));
            crate::allocator::release_after_task();
        }
        Ok(())
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Locks a mutex. Its value is consistent even if another thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::store::columns::Table;

    #[test]
    fn bounded_parallel_limits_concurrency_and_keeps_order() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let process = |number: usize| {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            // While a thread waits here, rayon can give it other work.
            let (half, other) = rayon::join(|| number, || (0..100_usize).into_par_iter().sum::<usize>());
            running.fetch_sub(1, SeqCst);
            Ok(half * other)
        };
        let results = bounded_parallel(0..200, process).unwrap();
        assert_eq!(results, (0..200).map(|number| number * 4950).collect::<Vec<_>>());
        assert!(most.into_inner() <= rayon::current_num_threads());
    }

    #[test]
    fn bounded_parallel_starts_no_item_after_an_error() {
        let started = AtomicUsize::new(0);
        let results: Result<Vec<()>> = bounded_parallel(0..10_000, |_| {
            started.fetch_add(1, SeqCst);
            Err(Error::failed("no"))
        });
        assert!(results.is_err() && started.into_inner() <= rayon::current_num_threads());
    }

    fn output_of(rows: u64) -> PartitionOutput {
        let file = NewFile::new(Table::Events, crate::time::Day(0), rows, (0, 1), vec![7; rows as usize]);
        PartitionOutput { files: vec![file], replaced: Vec::new() }
    }

    fn with_transaction(test: impl FnOnce(&mut Transaction)) {
        let dir = tempfile::tempdir().unwrap();
        let initial = || crate::store::manifest::Manifest::new(0, "UTC", 1);
        let store = crate::store::Store::new(dir.path());
        let writer = store.writer("test", std::time::Duration::ZERO, initial).unwrap();
        let mut transaction = writer.begin();
        test(&mut transaction);
    }

    #[test]
    fn write_pipelined_adds_every_output_once() {
        // All small outputs together are less than a group, so they are sent at the end. Each large
        // output is a group, and there are more of them than the queue holds.
        let (group, groups) = (GROUP_BYTES as u64, 4 * QUEUE_CAPACITY as u64);
        for sizes in [1..=40, group..=group + groups] {
            with_transaction(|transaction| {
                let compute =
                    |sink: OutputSink<'_>| bounded_parallel(sizes.clone(), |rows| sink(output_of(rows)));
                write_pipelined(transaction, compute).unwrap();
                let mut rows: Vec<u64> =
                    transaction.manifest().files(Table::Events).iter().map(|file| file.rows).collect();
                rows.sort_unstable();
                assert_eq!(rows, sizes.collect::<Vec<_>>());
            });
        }
    }

    #[test]
    fn write_pipelined_returns_errors_and_panics_of_compute() {
        with_transaction(|transaction| {
            let fails = |sink: OutputSink<'_>| sink(output_of(1)).and(Err::<(), _>(Error::failed("no more")));
            assert!(write_pipelined(transaction, fails).unwrap_err().to_string().contains("no more"));
            let panics = |sink: OutputSink<'_>| -> Result<()> {
                sink(output_of(2)).unwrap();
                panic!("a fault");
            };
            let caught = std::panic::AssertUnwindSafe(|| write_pipelined(transaction, panics));
            assert!(std::panic::catch_unwind(caught).is_err());
        });
    }
}
