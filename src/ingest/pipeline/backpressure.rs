//! How far the parsers may run ahead of the store: as far as what they made fits in so many bytes.
//!
//! What a block of lines takes once it is parsed is known when it is: most take less than their lines,
//! but an envelope of a mebibyte can have half a million elements that are refused, each of which takes
//! hundreds of bytes. So a parser hands on what it makes of a block in pieces, and waits for room before
//! each of them. What is held is the bound, and a piece for each parser.
//!
//! **Order.** Blocks are numbered as they are read, and taken in the order of their numbers. The pieces
//! of one block come from one parser, one after the other through one channel, and so in order.
//!
//! **No deadlock.** Whoever takes the pieces waits for nothing but the block that is next. That block is with
//! a parser, or will be: blocks leave the queue in order, so a parser that waits with a later one has not
//! kept the next from being taken up. And the parser of the next block waits for room only while a piece
//! of it is on its way: that one is taken, and then there is room for another, whatever the others hold.
//!
//! While a batch is put into the store nobody waits for a block, and most parsers rest: if all of them went on, they
//! would have done with what there is room for in the middle of a batch, and its end, which is one thread's
//! work, would leave the other processors idle.
//!
//! The reader waits where too many files were begun of which the end has not been taken. All that it has read
//! of them is in the queue or beyond, so their ends are taken without it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The least that there is room for, in bytes.
const LEAST: usize = 8 << 20;
/// The most files whose handles are held by what waits: a process may have some hundreds.
const MOST_FILES: usize = 128;

/// The room for what is parsed and waits for the store.
#[derive(Debug)]
pub struct Backpressure {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number that is taken next.
    next: u64,
    /// The bytes of all pieces on their way.
    bytes: usize,
    /// How many pieces of each number are on their way.
    pieces: BTreeMap<u64, usize>,
    /// Files that were begun and have not been ended.
    files: usize,
    /// A batch is being put into the store.
    putting: bool,
    /// Nobody takes anything any more.
    closed: bool,
}

/// Closes what it belongs to when it goes, so that nobody waits in vain.
#[derive(Debug)]
pub struct Closing<'a>(&'a Backpressure);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
    }
}

/// Says that a batch is in the store when it goes.
#[derive(Debug)]
pub struct Putting<'a>(&'a Backpressure);

impl Drop for Putting<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.putting = false);
    }
}

impl Backpressure {
    /// Makes room for so many bytes.
    pub fn of(bytes: usize) -> Backpressure {
        Backpressure { limit: bytes.max(LEAST), state: Mutex::default(), changed: Condvar::new() }
    }

    /// Waits until there is room for a piece of the block with a number, and takes it. Returns false where
    /// nobody wants it any more.
    pub fn enter(&self, number: u64, bytes: usize) -> bool {
        let waits = |state: &mut State| {
            let next = state.next == number && !state.pieces.contains_key(&number);
            !state.closed && !next && state.bytes.saturating_add(bytes) > self.limit
        };
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        state.bytes += bytes;
        *state.pieces.entry(number).or_default() += 1;
        !state.closed
    }

    /// Gives back the room of a piece that was taken.
    pub fn leave(&self, number: u64, bytes: usize) {
        self.change(|state| {
            state.bytes -= bytes;
            if let Some(pieces) = state.pieces.get_mut(&number) {
                *pieces -= 1;
                if *pieces == 0 {
                    state.pieces.remove(&number);
                }
            }
        });
    }

    /// Says which number is taken next.
    pub fn next(&self, number: u64) {
        self.change(|state| state.next = number);
    }

    /// Waits until another file may be begun. Returns false where nobody wants it any more.
    pub fn begin_file(&self) -> bool {
        let waits = |state: &mut State| !state.closed && state.files >= MOST_FILES;
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        state.files += 1;
        !state.closed
    }

    /// Says that a file's end was taken.
    pub fn end_file(&self) {
        self.change(|state| state.files -= 1);
    }

    /// Says that a batch is being put into the store, until what is returned goes: meanwhile nobody waits for a block.
    pub fn putting(&self) -> Putting<'_> {
        self.change(|state| state.putting = true);
        Putting(self)
    }

    /// Waits until no batch is being put into the store.
    pub fn wait_for_batch(&self) {
        let waits = |state: &mut State| !state.closed && state.putting;
        drop(self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner));
    }

    /// Closes it when what is returned goes.
    pub fn closing(&self) -> Closing<'_> {
        Closing(self)
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
    fn a_piece_waits_for_room_unless_it_is_the_one_that_is_waited_for() {
        let ahead = Backpressure::of(LEAST);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            let _closing = ahead.closing();
            assert!(ahead.enter(1, LEAST));
            scope.spawn(|| {
                // The next block has room for one piece beyond the limit, and for a second when that is taken.
                for piece in 0..2 {
                    assert!(ahead.enter(0, LEAST));
                    sender.send(piece).unwrap();
                }
            });
            assert_eq!(receiver.recv(), Ok(0));
            assert!(receiver.recv_timeout(SOON).is_err());
            ahead.leave(0, LEAST);
            assert_eq!(receiver.recv(), Ok(1));
            ahead.leave(0, LEAST);
            ahead.next(1);
            // Another block's piece waits for room.
            scope.spawn(|| sender.send(i32::from(ahead.enter(2, 1))));
            assert!(receiver.recv_timeout(SOON).is_err());
            ahead.leave(1, LEAST);
            assert_eq!(receiver.recv(), Ok(1));
        });
    }

    #[test]
    fn who_rests_while_a_batch_is_put_goes_on_after_it() {
        let ahead = Backpressure::of(0);
        ahead.wait_for_batch();
        std::thread::scope(|scope| {
            let putting = ahead.putting();
            let (sender, receiver) = channel();
            let ahead = &ahead;
            scope.spawn(move || {
                ahead.wait_for_batch();
                sender.send(()).unwrap();
            });
            assert!(receiver.recv_timeout(SOON).is_err());
            drop(putting);
            assert_eq!(receiver.recv(), Ok(()));
        });
    }

    #[test]
    fn nobody_waits_when_it_is_closed() {
        let ahead = Backpressure::of(0);
        // A batch that failed is put no more, and what it was put by can be gone later.
        let _putting = ahead.putting();
        assert!(ahead.enter(1, LEAST) && (0..MOST_FILES).all(|_| ahead.begin_file()));
        std::thread::scope(|scope| {
            let piece = scope.spawn(|| ahead.enter(2, 1));
            let file = scope.spawn(|| ahead.begin_file());
            scope.spawn(|| ahead.wait_for_batch());
            drop(ahead.closing());
            assert_eq!((piece.join().unwrap(), file.join().unwrap()), (false, false));
        });
    }
}
