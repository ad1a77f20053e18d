//! The global allocator, mimalloc, and the conditions for returning free memory to the kernel.
//!
//! Compared with the system allocator, `report summary` takes 0.8 of the time and an ingest the
//! same. Without huge pages (feature `no_thp`), an ingest takes 0.91 of the time and 39 MiB less at
//! the peak. `docs/benchmark-decisions.md` has the figures.
//!
//! mimalloc returns free memory after a delay. When the process approaches its budget,
//! [`release_free_memory`] therefore returns all of it immediately. An ingest of 1,500,000 shuffled
//! events with a budget of 256 MiB (268 MB) peaks at 252 MB with this, and at 280 MB without.

use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use libmimalloc_sys::mi_collect;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Resident bytes above which free memory is returned.
static RELEASE_THRESHOLD: AtomicU64 = AtomicU64::new(u64::MAX);

/// Resident bytes after free memory was last returned.
static RESIDENT_AFTER_RELEASE: AtomicU64 = AtomicU64::new(0);

/// Minimum distance of [`RELEASE_THRESHOLD`] from the budget, in bytes, which leaves room for
/// allocations until the next call of [`release_free_memory`].
const HEADROOM: u64 = 96 << 20;

/// Minimum interval of the checks of [`release_after_task`]. A change of thousands of days has
/// thousands of tasks, and a task can take as little as 0.02 ms. The kernel takes as long to report
/// the resident size. Within the interval, two threads allocate at most a few megabytes.
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
/// not report the resident size of a process.
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

/// Returns the resident bytes of the process; `None` if the operating system does not report them.
pub fn resident() -> Option<u64> {
    const PATH: &str = "/proc/self/status";
    // A single read returns the whole text, unless the user is in hundreds of groups.
    let mut buffer = [0; 8192];
    let length = std::fs::File::open(PATH).ok()?.read(&mut buffer).ok()?;
    let status = std::str::from_utf8(buffer.get(..length)?).ok()?;
    resident_of(status).or_else(|| resident_of(&std::fs::read_to_string(PATH).ok()?))
}

/// Returns the resident bytes that the text of `/proc/self/status` states.
fn resident_of(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}
