//! Starts threads within the limits of the operating system.
//!
//! A limit on processes (`ulimit -u`, `pids.max` of a container) or on address space makes the
//! start of a thread fail. Parallel work then runs on the threads that could be started. A command
//! that needs a further thread fails with [`start_error`].

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle, available_parallelism};

use rayon::{ThreadBuilder, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Starts the thread pool: one thread per processor, or the number in `RAYON_NUM_THREADS`, or fewer
/// if the operating system allows no more. Later calls do nothing.
///
/// The pool is smaller if `reserved` further threads could not be started otherwise, but it has at
/// least one thread. Returns whether all reserved threads can be started.
///
/// Without this call, rayon starts its threads at the first parallel work, and panics if it cannot.
///
/// # Errors
/// Fails if no thread can be started.
pub fn start_pool(reserved: usize) -> Result<bool> {
    let size = pool_size();
    let mut waiting = Vec::new();
    for _ in 0..size + reserved {
        match start_waiting() {
            Ok(thread) => waiting.push(thread),
            Err(e) if waiting.is_empty() => return Err(start_error(e)),
            Err(_) => break,
        }
    }
    let spare = waiting.split_off(waiting.len().saturating_sub(reserved).max(1));
    let has_reserved = spare.len() >= reserved;
    for (work, thread) in spare {
        drop(work);
        // The thread counts towards the limit until it has ended.
        let _ = thread.join();
    }
    let mut waiting: Vec<Sender<ThreadBuilder>> = waiting.into_iter().map(|(work, _)| work).collect();
    // All threads are already running, so creating the pool cannot fail for lack of threads.
    let pool = ThreadPoolBuilder::new().num_threads(waiting.len()).spawn_handler(|work| {
        let thread = waiting.pop().ok_or(io::ErrorKind::NotFound)?;
        thread.send(work).map_err(|_| io::ErrorKind::NotConnected.into())
    });
    // Fails if there is already a pool, in which case the threads end.
    let _ = pool.build_global();
    Ok(has_reserved)
}

/// Starts a thread that waits for its work in the pool.
fn start_waiting() -> io::Result<(Sender<ThreadBuilder>, JoinHandle<()>)> {
    let (sender, receiver) = channel::<ThreadBuilder>();
    let run = move || {
        if let Ok(work) = receiver.recv() {
            work.run();
        }
    };
    Builder::new().name("wa-pool".to_owned()).spawn(run).map(|thread| (sender, thread))
}

fn pool_size() -> usize {
    let variable = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    variable.filter(|threads| *threads > 0).unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

/// Returns the error of a thread that cannot be started.
pub fn start_error(cause: io::Error) -> Error {
    Error::failed("cannot start a thread").caused_by(cause).hint(
        "raise the process limit (`ulimit -u`, or `pids.max` of the container) or the address space limit \
         (`ulimit -v`), or end other processes of this user",
    )
}
