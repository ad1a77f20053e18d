//! The global allocator, mimalloc, and the conditions for returning free memory to the kernel.
//!
//! With mimalloc, `report summary` takes 0.8 times as long as with the system allocator, and an
//! ingest takes equally long. With huge pages disabled (feature `no_thp`), an ingest takes 0.91
//! times as long, and its peak memory is 39 MiB lower. `docs/benchmark-decisions.md` has the
//! figures.
//!
//! mimalloc returns free memory after a delay. When the process approaches its budget,
//! [`release_free_memory`] therefore returns all of it immediately. An ingest of 1,500,000 shuffled
//! events with a budget of 256 MiB (268 MB) peaks at 252 MB with this, and at 280 MB without.
//!
//! If the operating system provides no memory, the process exits with an error. Rust would abort it
//! with a stack trace. Nothing has to be undone: a change is committed as a whole or not at all.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use libmimalloc_sys::mi_collect;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: ExitingAllocator = ExitingAllocator;

/// Allocates with mimalloc. Exits the process if there is no memory.
struct ExitingAllocator;

// SAFETY: all calls are forwarded to mimalloc with the same arguments. `check` returns the pointer
// that mimalloc returned.
unsafe impl GlobalAlloc for ExitingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(unsafe { MiMalloc.realloc(pointer, layout, size) }, size)
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

/// Returns the pointer of an allocation. If it is null, exits the process, unless more than
/// [`LARGEST_ALLOCATION`] bytes were requested.
#[inline]
fn check(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() && size <= LARGEST_ALLOCATION {
        exit_without_memory(size);
    }
    pointer
}

/// Size above which an allocation may fail. No machine has that much memory, so the size comes from
/// a damaged file or from a test of whether an allocation is possible.
const LARGEST_ALLOCATION: usize = 1 << 46;

/// Exits the process with an error. Does not allocate.
#[cold]
fn exit_without_memory(size: usize) {
    thread_local! {
        static IS_EXITING: Cell<bool> = const { Cell::new(false) };
    }
    static IS_REPORTED: AtomicBool = AtomicBool::new(false);
    if IS_EXITING.replace(true) {
        // The exit itself allocates: let the caller abort the process.
        return;
    }
    if IS_REPORTED.swap(true, Relaxed) {
        // Another thread is exiting.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    // The process exits with this status even if the error cannot be printed.
    let _ = writeln!(
        std::io::stderr(),
        "wa: error: cannot allocate {size} bytes: the operating system provides no more memory\n\
         hint: raise the limit of the address space (`ulimit -v`), lower `--memory`, or use a machine with \
         more memory; changes that are not committed are lost, and the same command repeats them"
    );
    std::process::exit(1);
}

/// Resident set size in bytes above which free memory is returned.
static RELEASE_THRESHOLD: AtomicU64 = AtomicU64::new(u64::MAX);

/// Resident set size in bytes after free memory was last returned.
static RESIDENT_AFTER_RELEASE: AtomicU64 = AtomicU64::new(0);

/// Minimum distance of [`RELEASE_THRESHOLD`] from the budget, in bytes, which leaves room for
/// allocations until the next call of [`release_free_memory`].
const HEADROOM: u64 = 96 << 20;

/// Minimum interval between the checks of [`release_after_task`]. An update of thousands of days
/// runs thousands of tasks. A task can take as little as 0.02 ms, which is also the time of reading
/// the resident set size. Within the interval, two threads allocate at most a few megabytes.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);

/// Calls [`release_free_memory`] after one of many tasks, at most once in `CHECK_INTERVAL`.
pub fn release_after_task() {
    static START: OnceLock<Instant> = OnceLock::new();
    /// Microseconds from the first call to the next check.
    static NEXT_CHECK: AtomicU64 = AtomicU64::new(0);
    let elapsed = START.get_or_init(Instant::now).elapsed();
    if elapsed.as_micros() as u64 >= NEXT_CHECK.load(Relaxed) {
        NEXT_CHECK.store((elapsed + CHECK_INTERVAL).as_micros() as u64, Relaxed);
        release_free_memory();
    }
}

/// Sets the memory budget of the process. [`release_free_memory`] starts to return memory at the
/// budget minus three sixteenths of it, or minus `HEADROOM` if that is more.
pub fn set_budget(bytes: u64) {
    RELEASE_THRESHOLD.store(bytes.saturating_sub(HEADROOM.max(bytes / 16 * 3)), Relaxed);
}

/// Returns free memory to the kernel if the process is near its budget. Returns whether it did.
///
/// Call it after a large amount of memory was freed. It does nothing on operating systems that do
/// not report the resident set size of a process.
pub fn release_free_memory() -> bool {
    let threshold = RELEASE_THRESHOLD.load(Relaxed);
    if threshold == u64::MAX {
        return false;
    }
    // Memory in use cannot be returned. Another attempt only pays off after the process has grown
    // noticeably.
    let grown = RESIDENT_AFTER_RELEASE.load(Relaxed).saturating_add(threshold / 16);
    let due = resident().is_some_and(|bytes| bytes > threshold.max(grown));
    if due {
        // SAFETY: the function takes no pointers and may be called from any thread at any time.
        unsafe { mi_collect(true) };
        RESIDENT_AFTER_RELEASE.store(resident().unwrap_or(0), Relaxed);
    }
    due
}

/// Returns the resident set size of the process in bytes; `None` if the operating system does not
/// report it.
pub fn resident() -> Option<u64> {
    const PATH: &str = "/proc/self/status";
    // A single read returns the whole text, unless the user is in hundreds of groups.
    let mut buffer = [0; 8192];
    let length = std::fs::File::open(PATH).ok()?.read(&mut buffer).ok()?;
    let status = std::str::from_utf8(buffer.get(..length)?).ok()?;
    resident_of(status).or_else(|| resident_of(&std::fs::read_to_string(PATH).ok()?))
}

/// Parses the resident set size in bytes from the text of `/proc/self/status`.
fn resident_of(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}
