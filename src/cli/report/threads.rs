//! The threads by which a report is computed.
//!
//! A report takes a few milliseconds, and is not to spend them with one thread waiting for the other's processor.
//! A virtual machine's kernel takes a processor that has nothing to do for one that its host has lent to somebody
//! else: it lets a thread that is woken wait for the processor of whoever woke it, though another is free. So the
//! first thread stays where it is, and the others where it is not.

/// Starts the threads. The one that calls this counts too, instead of waiting for the others, which get ready to
/// read meanwhile: one that goes to sleep first is woken late. Where there is a pool already, that one does.
pub fn start() {
    let apart = Apart::from_here();
    let ready = move |thread| {
        // The first is the caller's.
        if thread > 0 {
            apart.go();
        }
        crate::store::prepare_read_buffers();
    };
    let threads = rayon::ThreadPoolBuilder::new().use_current_thread();
    let started = threads.start_handler(ready).build_global().is_ok();
    // Not before: how many threads there are is how many processors this one may run on.
    if started && rayon::current_num_threads() > 1 {
        apart.stay();
    }
}

/// The processor of the thread that made it, and all others that it may run on; `None` where there is no other.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
struct Apart(Option<(rustix::thread::CpuSet, rustix::thread::CpuSet)>);

#[cfg(target_os = "linux")]
impl Apart {
    fn from_here() -> Apart {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu};
        let here = sched_getcpu();
        // Where the numbers of processors go beyond the set, the kernel chooses.
        let allowed = sched_getaffinity(None).ok().filter(|_| here < CpuSet::MAX_CPU);
        Apart(allowed.and_then(|mut others| {
            let mut this = CpuSet::new();
            this.set(here);
            others.unset(here);
            (others.count() > 0).then_some((this, others))
        }))
    }

    /// Keeps the calling thread on that processor.
    fn stay(self) {
        self.0.into_iter().for_each(|(this, _)| keep_on(&this));
    }

    /// Keeps the calling thread on the others.
    fn go(self) {
        self.0.into_iter().for_each(|(_, others)| keep_on(&others));
    }
}

#[cfg(target_os = "linux")]
fn keep_on(processors: &rustix::thread::CpuSet) {
    // Where it is not allowed, the report only takes longer.
    let _ = rustix::thread::sched_setaffinity(None, processors);
}

#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy)]
struct Apart;

#[cfg(not(target_os = "linux"))]
impl Apart {
    fn from_here() -> Apart {
        Apart
    }

    fn stay(self) {}

    fn go(self) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity};

    use super::*;

    /// What a thread that may run on these may run on once it stays or goes.
    fn of_thread(allowed: CpuSet, then: fn(Apart)) -> CpuSet {
        let thread = std::thread::spawn(move || {
            keep_on(&allowed);
            then(Apart::from_here());
            sched_getaffinity(None).unwrap()
        });
        thread.join().unwrap()
    }

    #[test]
    fn one_stays_and_others_go_unless_there_is_but_one_processor() {
        let all = sched_getaffinity(None).unwrap();
        let (one, others) = (of_thread(all, Apart::stay), of_thread(all, Apart::go));
        if all.count() > 1 {
            assert_eq!((one.count(), others.count()), (1, all.count() - 1));
        }
        let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
        let mut alone = CpuSet::new();
        alone.set(first);
        assert_eq!((of_thread(alone, Apart::stay), of_thread(alone, Apart::go)), (alone, alone));
    }
}
