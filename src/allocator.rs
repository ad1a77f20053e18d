//! The allocator of the program.
//!
//! Threads that read, parse and write pass large buffers to each other. The system's allocator gives
//! them back to the kernel and takes them anew all the time, and the kernel clears every page again.
//! mimalloc can keep what is freed, and huge pages are switched off (the feature `no_thp`): clearing two
//! megabytes for the first few bytes costs more than it saves. `docs/benchmarks.md` has the figures.

use libmimalloc_sys::{mi_option_set, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// For how many milliseconds freed memory is kept: for ever. `wa` does one thing and ends; memory that
/// it gives back between two batches it needs again, cleared by the kernel, for the next.
const KEEP: std::ffi::c_long = -1;

/// Tells the allocator to keep what is freed.
pub fn keep_freed_memory() {
    // SAFETY: the call stores a number in a table of options, of which 15 is one; it is made before
    // any other thread is started.
    unsafe { mi_option_set(PURGE_DELAY, KEEP) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_memory_is_kept_once_it_is_said_so() {
        // SAFETY: reads a number from a table of options.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        // A second is this option's default, and no other's: the number is the right one.
        assert_eq!(get(), 1000);
        keep_freed_memory();
        assert_eq!(get(), KEEP);
    }
}
