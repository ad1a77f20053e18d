//! The global allocator, mimalloc, and when it returns free memory to the kernel.
//!
//! Threads that read, parse and write pass large buffers to each other. The default allocator of the
//! operating system returns freed buffers to the kernel and requests them again, and the kernel
//! clears every page each time. mimalloc can retain freed memory. Huge pages are disabled (feature
//! `no_thp`): clearing 2 MiB for the first few bytes costs more than it saves.
//! `docs/benchmark-decisions.md` has the figures.
//!
//! Retained memory cannot always be reused, because a large buffer needs a large gap. When the
//! process approaches its budget, [`release_free_memory`] therefore returns all free memory to the
//! kernel.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libmimalloc_sys::{mi_collect, mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3, for which the bindings have no name.
const PURGE_DELAY: mi_option_t = 15;

/// Milliseconds for which freed memory is retained: a week, which is longer than any command runs.
/// Memory that is freed after one batch is needed again for the next.
const RETAIN_MILLIS: std::ffi::c_long = 7 * 24 * 3_600_000;

/// Makes the allocator retain freed memory.
pub fn keep_freed_memory() {
    // SAFETY: the call stores a number in a table of options that has an entry 15. No other thread
    // has been started yet.
    unsafe { mi_option_set(PURGE_DELAY, RETAIN_MILLIS) };
}

/// The value of the option for which freed memory is never returned.
const NEVER: std::ffi::c_long = -1;

/// Stops returning freed memory to the kernel. Call it at the end of the process: the kernel then
/// reclaims all memory at once, so returning it piece by piece would only cost time.
pub fn stop_releasing_memory() {
    // SAFETY: the call stores a number in a table of options that has an entry 15. Threads that are
    // still running only read that number, atomically.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) };
}

/// Resident bytes above which free memory is returned.
static RELEASE_THRESHOLD: AtomicU64 = AtomicU64::new(u64::MAX);

/// Resident bytes after free memory was last returned.
static RESIDENT_AFTER_RELEASE: AtomicU64 = AtomicU64::new(0);

/// Minimum distance of [`RELEASE_THRESHOLD`] from the budget, in bytes: room for allocations until
/// the next call of [`release_free_memory`].
const HEADROOM: u64 = 96 << 20;

/// Sets the memory budget of the process. [`release_free_memory`] starts to return memory at the
/// budget less three sixteenths of it, or less [`HEADROOM`] if that is more.
pub fn set_budget(bytes: u64) {
    RELEASE_THRESHOLD.store(bytes.saturating_sub(HEADROOM.max(bytes / 16 * 3)), Relaxed);
}

/// Returns free memory to the kernel if the process is near its budget. Returns whether it did.
///
/// Call it after a large amount of memory was freed. It does nothing on operating systems that do
/// not report the resident size of a process.
pub fn release_free_memory() -> bool {
    let threshold = RELEASE_THRESHOLD.load(Relaxed);
    if threshold == u64::MAX {
        return false;
    }
    // Memory in use cannot be returned, so another attempt only pays off after the process has
    // grown noticeably.
    let grown = RESIDENT_AFTER_RELEASE.load(Relaxed).saturating_add(threshold / 16);
    let due = resident().is_some_and(|bytes| bytes > threshold.max(grown));
    if due {
        // SAFETY: the function takes no pointers and may be called from any thread at any time.
        unsafe { mi_collect(true) };
        RESIDENT_AFTER_RELEASE.store(resident().unwrap_or(0), Relaxed);
    }
    due
}

/// Returns the resident bytes of the process; `None` if the operating system does not report them.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purge_delay_is_set_by_both_functions() {
        // SAFETY: reads a number from a table of options.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        // No other option has a default of 1000, so this confirms the number of the option.
        assert_eq!(get(), 1000);
        keep_freed_memory();
        assert_eq!(get(), RETAIN_MILLIS);
        stop_releasing_memory();
        assert_eq!(get(), NEVER);
        keep_freed_memory();
    }
}
