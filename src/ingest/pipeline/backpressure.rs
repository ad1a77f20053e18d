//! Limits how far the reading and parsing threads can work ahead of the writing thread.
//!
//! The size of a parsed block is known only after parsing. Most blocks shrink, but an envelope of
//! 1 MiB can have half a million rejected elements that take hundreds of bytes each. Parsers
//! therefore send a block in chunks and acquire the size of each chunk before they send it. Memory
//! is bounded by the limit plus one chunk per parser.
//!
//! **Order.** Blocks are numbered as they are read, and the writing thread receives them in that
//! order. The chunks of a block come in order, since one parser sends them through one channel.
//!
//! **No deadlock.** The writing thread waits for the next block only. Blocks leave the queue in
//! order, so the next block has left it before every later block, and a parser that waits with a
//! later block cannot delay it. The parser of the next block waits only while one of its chunks is
//! unreceived. When the writing thread has received that chunk, the next chunk is admitted,
//! regardless of the size of the other blocks.
//!
//! **Open files.** A file is open until the writing thread has received its last block. While too
//! many files are open, the reader starts no other file. By then, all blocks of the open files have
//! been queued, so their last blocks arrive while the reader waits.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The smallest limit, in bytes.
const MIN_LIMIT: usize = 8 << 20;
/// Maximum number of unfinished files, which are all open. By default, macOS allows a process 256
/// open files, Linux 1024.
const MAX_FILES: usize = 128;

/// The limit for parsed chunks that wait for the writing thread.
#[derive(Debug)]
pub struct Backpressure {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the block that the writing thread waits for.
    next: u64,
    /// Total size of the unreceived chunks, in bytes.
    bytes: usize,
    /// Number of unreceived chunks, by block number.
    chunks: BTreeMap<u64, usize>,
    /// Number of open files.
    files: usize,
    /// Whether the ingest has ended.
    closed: bool,
}

/// Closes the backpressure on drop and wakes all waiters.
#[derive(Debug)]
pub struct CloseOnDrop<'a>(&'a Backpressure);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
    }
}

impl Backpressure {
    /// Creates a limit of `bytes` bytes, but at least 8 MiB.
    pub fn new(bytes: usize) -> Backpressure {
        Backpressure { limit: bytes.max(MIN_LIMIT), state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until a chunk of the block `number` fits, and adds its size. Returns false if the
    /// ingest has ended.
    pub fn acquire(&self, number: u64, bytes: usize) -> bool {
        let waits = |state: &mut State| {
            let next = state.next == number && !state.chunks.contains_key(&number);
            !state.closed && !next && state.bytes.saturating_add(bytes) > self.limit
        };
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes;
        *state.chunks.entry(number).or_default() += 1;
        !state.closed
    }

    /// Subtracts the size of a received chunk.
    pub fn release(&self, number: u64, bytes: usize) {
        self.change(|state| {
            state.bytes -= bytes;
            if let Some(chunks) = state.chunks.get_mut(&number) {
                *chunks -= 1;
                if *chunks == 0 {
                    state.chunks.remove(&number);
                }
            }
        });
    }

    /// Sets the number of the block that the writing thread waits for.
    pub fn set_next(&self, number: u64) {
        self.change(|state| state.next = number);
    }

    /// Waits until another file can begin. Returns false if the ingest has ended.
    pub fn begin_file(&self) -> bool {
        let waits = |state: &mut State| !state.closed && state.files >= MAX_FILES;
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        state.files += 1;
        !state.closed
    }

    /// Subtracts a file whose end has been received from the open files.
    pub fn end_file(&self) {
        self.change(|state| state.files -= 1);
    }

    /// Returns a guard that closes the backpressure when it is dropped.
    pub fn close_on_drop(&self) -> CloseOnDrop<'_> {
        CloseOnDrop(self)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn chunk_waits_for_the_limit_unless_it_is_the_next() {
        let backpressure = Backpressure::new(MIN_LIMIT);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            let _close = backpressure.close_on_drop();
            assert!(backpressure.acquire(1, MIN_LIMIT));
            scope.spawn(|| {
                // The next block can exceed the limit by one chunk, and by a second chunk once the
                // first is received.
                for chunk in 0..2 {
                    assert!(backpressure.acquire(0, MIN_LIMIT));
                    sender.send(chunk).unwrap();
                }
            });
            assert_eq!(receiver.recv(), Ok(0));
            assert!(receiver.recv_timeout(SOON).is_err());
            backpressure.release(0, MIN_LIMIT);
            assert_eq!(receiver.recv(), Ok(1));
            backpressure.release(0, MIN_LIMIT);
            backpressure.set_next(1);
            // A chunk of another block waits for the limit.
            scope.spawn(|| sender.send(i32::from(backpressure.acquire(2, 1))));
            assert!(receiver.recv_timeout(SOON).is_err());
            backpressure.release(1, MIN_LIMIT);
            assert_eq!(receiver.recv(), Ok(1));
        });
    }

    #[test]
    fn closing_wakes_all_waiters() {
        let backpressure = Backpressure::new(0);
        assert!(backpressure.acquire(1, MIN_LIMIT) && (0..MAX_FILES).all(|_| backpressure.begin_file()));
        std::thread::scope(|scope| {
            let chunk = scope.spawn(|| backpressure.acquire(2, 1));
            let file = scope.spawn(|| backpressure.begin_file());
            drop(backpressure.close_on_drop());
            assert_eq!((chunk.join().unwrap(), file.join().unwrap()), (false, false));
        });
    }
}
