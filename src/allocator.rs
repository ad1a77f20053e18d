//! The program's memory: where it comes from, and when it goes back.
//!
//! Threads that read, parse and write pass large buffers to each other. The system's allocator gives
//! them back to the kernel and takes them anew all the time, and the kernel clears every page again.
//! mimalloc can keep what is freed, and huge pages are switched off (the feature `no_thp`): clearing two
//! megabytes for the first few bytes costs more than it saves. `docs/benchmarks.md` has the figures.
//!
//! What is kept is not always of use again: a large buffer needs a large gap. So where the process has come
//! near its budget, all that is free goes back to the kernel at once ([`give_back`]).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libmimalloc_sys::{mi_collect, mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// For how many milliseconds freed memory is kept, unless it is given back: a week. `wa` does one thing and
/// ends; what it gives back between two batches it needs again, cleared by the kernel, for the next.
const KEEP: std::ffi::c_long = 7 * 24 * 3_600_000;

/// Tells the allocator to keep what is freed.
pub fn keep_freed_memory() {
    // SAFETY: the call stores a number in a table of options, of which 15 is one; it is made before
    // any other thread is started.
    unsafe { mi_option_set(PURGE_DELAY, KEEP) };
}

/// What the option is where freed memory is never given back.
const NEVER: std::ffi::c_long = -1;

/// Tells the allocator that the process is about to end: it would give back each piece of freed memory, which
/// the kernel then takes back as a whole anyway. To be called when there is nothing left to do.
pub fn leave_freed_memory() {
    // SAFETY: the call stores a number in a table of options, of which 15 is one; threads that still run only
    // read it, as a whole.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) };
}

/// What the process may hold before free memory is given back, and what it held when that was last done.
static ALLOWED: AtomicU64 = AtomicU64::new(u64::MAX);
static HELD: AtomicU64 = AtomicU64::new(0);

/// What is left of the budget when memory is given back: room for what comes until that is done again.
const ROOM: u64 = 96 << 20;

/// Sets the process's budget, by which [`give_back`] goes: three sixteenths of it are left free, or 96 MiB if that is
/// more.
pub fn set_budget(bytes: u64) {
    ALLOWED.store(bytes.saturating_sub(ROOM.max(bytes / 16 * 3)), Relaxed);
}

/// Gives free memory back to the system where the process has come near its budget, and tells whether it
/// did. To be called wherever something large has just been freed. On systems that do not say what a process
/// holds, it does nothing.
pub fn give_back() -> bool {
    let allowed = ALLOWED.load(Relaxed);
    if allowed == u64::MAX {
        return false;
    }
    // What is in use cannot be given back: it is tried again when as much as may be worth it has come since.
    let worth = allowed.max(HELD.load(Relaxed).saturating_add(allowed / 16));
    let due = resident().is_some_and(|bytes| bytes > worth);
    if due {
        // SAFETY: it takes no pointers, and may be called from any thread at any time.
        unsafe { mi_collect(true) };
        HELD.store(resident().unwrap_or(0), Relaxed);
    }
    due
}

/// Returns the bytes of memory that the process holds; `None` where the system does not say.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    held.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_is_kept_or_left_once_it_is_said_so() {
        // SAFETY: reads a number from a table of options.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        // A second is this option's default, and no other's: the number is the right one.
        assert_eq!(get(), 1000);
        keep_freed_memory();
        assert_eq!(get(), KEEP);
        leave_freed_memory();
        assert_eq!(get(), NEVER);
        keep_freed_memory();
    }
}
