//! The progress bar of long commands.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::Printer;
use crate::render::text::escape_control;

/// The bar, once the number of bytes is known.
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes}{rate}";
/// The line before the number of bytes is known. A bar over no bytes would look finished.
const LABEL: &str = "{msg}";

/// A progress bar over bytes, labeled with the command and its current step. It is removed when it
/// is dropped.
pub(in crate::cli) struct Bar {
    command: &'static str,
    bar: ProgressBar,
    /// Position, length and message before the current phase.
    before_phase: Mutex<Option<(u64, Option<u64>, String)>>,
}

impl Bar {
    /// Shows the bar if standard error is a terminal and the command is not quiet.
    pub(in crate::cli) fn new(printer: &Printer, command: &'static str) -> Bar {
        // A bar that is drawn before it is added to the bars of the printer would never be removed.
        let bar =
            printer.bars.as_ref().map_or_else(ProgressBar::hidden, |bars| bars.add(ProgressBar::hidden()));
        set_template(&bar, LABEL);
        bar.set_message(command);
        Bar { command, bar, before_phase: Mutex::default() }
    }

    /// Removes the bar.
    pub(in crate::cli) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

fn set_template(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        let rate = |state: &ProgressState, text: &mut dyn Write| {
            let _ = text.write_str(&rate(state.pos(), state.per_sec(), state.eta()));
        };
        bar.set_style(style.with_key("rate", rate));
    }
}

/// Returns the rate in bytes per second and the remaining time, as text that follows a position.
/// Empty until bytes have been processed, since the remaining time is unknown before.
fn rate(position: u64, per_second: f64, remaining: Duration) -> String {
    match position > 0 && per_second >= 1.0 {
        true => format!(" {}/s, {:#} left", HumanBytes(per_second as u64), HumanDuration(remaining)),
        false => String::new(),
    }
}

impl crate::progress::Progress for Bar {
    fn set_total(&self, bytes: u64) {
        self.bar.set_length(bytes);
        set_template(&self.bar, BAR);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn set_step(&self, name: &str) {
        self.bar.set_message(format!("{} {}", self.command, escape_control(name)));
    }

    fn begin_phase(&self, name: &str, bytes: u64) {
        let before = (self.bar.position(), self.bar.length(), self.bar.message());
        *self.before_phase.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        self.bar.set_position(0);
        self.bar.set_length(bytes);
        // The rate and the remaining time are those of the phase.
        self.bar.reset_eta();
        self.set_step(name);
    }

    fn end_phase(&self) {
        let before = self.before_phase.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((position, length, message)) = before else { return };
        self.bar.set_position(position);
        self.bar.set_length(length.unwrap_or(position));
        self.bar.reset_eta();
        self.bar.set_message(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;

    #[test]
    fn rate_is_empty_until_bytes_are_processed() {
        assert_eq!(rate(0, 0.0, Duration::ZERO), "");
        assert_eq!(rate(0, 5000.0, Duration::from_secs(3)), "");
        assert_eq!(rate(10, 0.0, Duration::ZERO), "");
        assert_eq!(rate(10, 2048.0, Duration::from_secs(3)), " 2.00 KiB/s, 3s left");
    }

    #[test]
    fn phase_is_counted_separately_and_earlier_progress_continues() {
        let bar = Bar { command: "ingest", bar: ProgressBar::hidden(), before_phase: Mutex::default() };
        let shown = || (bar.bar.message(), bar.bar.position(), bar.bar.length());
        bar.set_total(100);
        bar.set_step("a.ndjson");
        bar.advance(40);
        bar.begin_phase("writing days", 7);
        assert_eq!(shown(), ("ingest writing days".to_owned(), 0, Some(7)));
        bar.advance(7);
        assert_eq!(shown(), ("ingest writing days".to_owned(), 7, Some(7)));
        bar.end_phase();
        assert_eq!(shown(), ("ingest a.ndjson".to_owned(), 40, Some(100)));
        bar.advance(60);
        assert_eq!(shown(), ("ingest a.ndjson".to_owned(), 100, Some(100)));
    }
}
