//! Signals: reports what is stored after Ctrl-C, and turns an exceeded file size limit into an
//! error.

use super::Printer;

/// How a command changes a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Commits several times, and resumes after an interruption.
    Ingest,
    /// Commits once. The name of the change is for messages.
    Once(&'static str),
    /// Changes only a temporary store.
    Temporary,
}

/// Makes a write beyond the file size limit (`ulimit -f`) fail with an error. By default, the
/// operating system ends the process without a message.
pub(super) fn report_file_size_limit(printer: &Printer) {
    if !printer.owns_process() {
        return;
    }
    #[cfg(unix)]
    {
        // If the signal has a handler, even an empty one, the write fails instead. If the handler
        // cannot be installed, the signal ends the process as by default.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    }
}

/// Handles Ctrl-C and similar signals: ends the process between two commits, with a message that
/// says what is stored. A second signal ends it immediately.
pub(super) fn watch(change: Change, printer: &Printer) {
    // The handlers and their thread remain until the process ends, so they are
    // installed only if the command is the whole process.
    if !printer.owns_process() {
        return;
    }
    #[cfg(unix)]
    signals::watch(change, printer);
    #[cfg(not(unix))]
    let _ = (change, printer);
}

#[cfg(unix)]
mod signals {
    use std::io::Write;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use signal_hook::consts::{SIGINT, SIGTERM, SIGXCPU};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    use super::Change;
    use crate::cli::output::{Printer, error_text};
    use crate::error::Error;
    use crate::ingest::scratch_store;
    use crate::interruption::{Committed, stop_commits};
    use crate::render::numbers::pluralize;

    /// The interval between checks for a second signal.
    const PATIENCE: Duration = Duration::from_millis(50);

    pub(super) fn watch(change: Change, printer: &Printer) {
        let (bars, color) = (printer.bars(), printer.has_error_color());
        let (installed, wait) = channel();
        let run = move || {
            let signals = [SIGINT, SIGTERM, SIGXCPU].into_iter().filter(|signal| !is_ignored(*signal));
            // Without a handler, a signal ends the process without a message.
            let Ok(mut signals) = Signals::new(signals) else { return };
            let _ = installed.send(());
            let Some(signal) = signals.forever().next() else { return };
            let committed = loop {
                match stop_commits(PATIENCE) {
                    Some(committed) => break Some(committed),
                    None if signals.pending().next().is_some() => break None,
                    None => {}
                }
            };
            if let Some(bars) = bars {
                let _ = bars.clear();
            }
            scratch_store::remove_all();
            if let Some(committed) = committed {
                let text = error_text(&message(change, signal, &committed), color);
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
            let _ = emulate_default_handler(signal);
        };
        // If the thread cannot be started, a signal ends the process without a message.
        let _ = std::thread::Builder::new().name("wa-signals".to_owned()).spawn(run);
        // Fails if the handlers are not installed.
        let _ = wait.recv();
    }

    /// Returns whether the process was started with a signal ignored, which stays ignored. Scripts
    /// start background jobs with Ctrl-C ignored.
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        mask >> (signal - 1) & 1 == 1
    }

    /// Returns the message of an interrupted command.
    pub(super) fn message(change: Change, signal: i32, committed: &Committed) -> Error {
        let cause = match signal {
            SIGXCPU => "interrupted by the CPU time limit",
            _ => "interrupted",
        };
        match (change, committed.commits) {
            (Change::Ingest, 0) => {
                Error::failed(format!("{cause}; nothing was stored")).hint("run the same command again")
            }
            (Change::Ingest, _) => {
                let events = pluralize(committed.events, "event is", "events are");
                Error::failed(format!("{cause}; {events} stored, the rest is not"))
                    .hint("run the same command again: it continues where this run stopped")
            }
            (Change::Temporary, _) => Error::failed(cause).hint("run the same command again"),
            (Change::Once(_), 0) => {
                Error::failed(format!("{cause}; nothing was changed")).hint("run the same command again")
            }
            (Change::Once(name), _) => Error::failed(format!(
                "{cause} after the {name} was committed; files that it replaced may remain"
            ))
            .hint("run `wa gc`, which removes them"),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn interrupted_command_says_what_is_stored() {
            let text = |change, signal, commits, events| {
                message(change, signal, &Committed { commits, events }).to_string()
            };
            assert_eq!(text(Change::Ingest, SIGINT, 0, 0), "interrupted; nothing was stored");
            assert_eq!(
                text(Change::Ingest, SIGTERM, 2, 1234),
                "interrupted; 1,234 events are stored, the rest is not"
            );
            assert_eq!(text(Change::Temporary, SIGINT, 3, 99), "interrupted");
            assert_eq!(
                text(Change::Once("gc"), SIGXCPU, 0, 0),
                "interrupted by the CPU time limit; nothing was changed"
            );
            assert_eq!(
                text(Change::Once("erasure"), SIGINT, 1, 0),
                "interrupted after the erasure was committed; files that it replaced may remain"
            );
        }
    }
}
