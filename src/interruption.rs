//! Interruption of a process by a signal, between commits.
//!
//! A signal must not end the process during a commit, because the message about the interruption
//! states what is stored. Each commit calls [`begin_commit`]. [`stop_commits`] waits for commits in
//! progress, and prevents further ones.
//!
//! The state is global to the process, as signals are.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static STATE: Mutex<State> =
    Mutex::new(State { active: 0, is_stopped: false, commits: 0, next_events: 0, events: 0 });
static CHANGED: Condvar = Condvar::new();

#[derive(Debug)]
struct State {
    /// Commits that have begun and not ended.
    active: usize,
    is_stopped: bool,
    commits: u64,
    /// Events that are stored once the next commit succeeds.
    next_events: u64,
    /// Events that are stored.
    events: u64,
}

/// The commits of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The number of commits.
    pub commits: u64,
    /// The number of events that the process stored, if [`count_events`] was called before each
    /// commit.
    pub events: u64,
}

/// A commit in progress. Dropping it ends it without success.
#[derive(Debug)]
pub struct Commit(());

impl Commit {
    /// Ends a commit that succeeded.
    pub fn succeeded(self) {
        let mut state = lock();
        state.commits += 1;
        state.events = state.next_events;
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        lock().active -= 1;
        CHANGED.notify_all();
    }
}

/// Begins a commit. If the process is being interrupted, waits for the process to end.
pub fn begin_commit() -> Commit {
    let stopped = |state: &mut State| state.is_stopped;
    let mut state = CHANGED.wait_while(lock(), stopped).unwrap_or_else(PoisonError::into_inner);
    state.active += 1;
    Commit(())
}

/// Sets the number of events that this process will have stored once the next commit succeeds.
pub fn count_events(events: u64) {
    lock().next_events = events;
}

/// Prevents further commits, and waits up to `patience` for those in progress. Returns what is
/// committed; `None` if a commit is still in progress, so that the caller can continue to wait.
pub fn stop_commits(patience: Duration) -> Option<Committed> {
    let mut state = lock();
    state.is_stopped = true;
    let active = |state: &mut State| state.active > 0;
    let (state, _) =
        CHANGED.wait_timeout_while(state, patience, active).unwrap_or_else(PoisonError::into_inner);
    (state.active == 0).then(|| Committed { commits: state.commits, events: state.events })
}

/// If the process is being interrupted, waits up to `patience` for it to end. An interruption
/// removes temporary files, which can make the interrupted command fail; without this wait, that
/// error could decide the exit status instead of the signal.
pub fn wait_for_end(patience: Duration) {
    let stopped = |state: &mut State| state.is_stopped;
    drop(CHANGED.wait_timeout_while(lock(), patience, stopped));
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
