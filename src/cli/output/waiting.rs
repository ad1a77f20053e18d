//! Reports which process a command waits for.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Printer, lock};
use crate::render::text::escape_control;
use crate::store::lock::{LockWait, WaitObserver};
use crate::time::{Micros, SECOND, format_utc};

/// The wait after which a line is printed if standard error is not a terminal.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Shows the wait for another writer: two lines on a terminal until the wait ends, one note
/// elsewhere.
pub(super) struct WaitNotice {
    quiet: bool,
    bars: Option<MultiProgress>,
    /// The lines on a terminal. A line longer than the width would be truncated.
    lines: Mutex<Option<[ProgressBar; 2]>>,
    is_noted: AtomicBool,
}

impl WaitNotice {
    pub(super) fn new(printer: &Printer) -> WaitNotice {
        let (quiet, bars) = (printer.quiet, printer.bars());
        WaitNotice { quiet, bars, lines: Mutex::default(), is_noted: AtomicBool::new(false) }
    }
}

impl std::fmt::Debug for WaitNotice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WaitNotice")
    }
}

impl WaitObserver for WaitNotice {
    fn waiting(&self, wait: &LockWait) {
        if let Some(bars) = &self.bars {
            let mut lines = lock(&self.lines);
            let [time, since] = lines.get_or_insert_with(|| [(); 2].map(|()| add_line(bars)));
            let (waited, timeout) = (wait.waited.as_secs(), wait.timeout.as_secs());
            let holder = escape_control(&wait.holder);
            time.set_message(format!("waiting for {holder}, {waited} s of at most {timeout} s"));
            if let Some(start) = wait.since {
                since.set_message(format!("it has been writing since {}", format_start(start)));
            }
        } else if !self.quiet && wait.waited >= SHORT_WAIT && !self.is_noted.swap(true, Ordering::Relaxed) {
            let _ = std::io::stderr().write_all(format!("wa: {}\n", describe(wait)).as_bytes());
        }
    }

    fn ended(&self) {
        for line in lock(&self.lines).take().into_iter().flatten() {
            line.finish_and_clear();
        }
    }
}

/// Adds a line of text below the bars.
fn add_line(bars: &MultiProgress) -> ProgressBar {
    // A bar that is drawn before it is added to the other bars would never be removed.
    let line = bars.add(ProgressBar::hidden());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        line.set_style(style);
    }
    line
}

/// Formats the time of a lock without its fraction of a second.
fn format_start(time: Micros) -> String {
    format_utc(time / SECOND * SECOND)
}

/// Returns a sentence about a wait: `waiting for process 12 (wa ingest), which has been writing
/// since 2026-11-09T14:03:05Z; 7 s of at most 60 s`.
fn describe(wait: &LockWait) -> String {
    let since = wait.since.map(|start| format!(", which has been writing since {}", format_start(start)));
    format!(
        "waiting for {}{}; {} s of at most {} s",
        escape_control(&wait.holder),
        since.unwrap_or_default(),
        wait.waited.as_secs(),
        wait.timeout.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_names_the_holder_and_both_times() {
        let mut wait = LockWait {
            holder: "process 12 (wa ingest)\u{9b}".to_owned(),
            since: Some(crate::time::DAY + 1),
            waited: Duration::from_millis(7_900),
            timeout: Duration::from_secs(60),
        };
        assert_eq!(
            describe(&wait),
            "waiting for process 12 (wa ingest)\\u{9b}, which has been writing since 1970-01-02T00:00:00Z; \
             7 s of at most 60 s"
        );
        wait.since = None;
        assert!(describe(&wait).starts_with("waiting for process 12 (wa ingest)\\u{9b}; 7 s"));
    }
}
