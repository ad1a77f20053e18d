//! The progress bar of `ingest`, `verify` and `rebuild`.

use indicatif::ProgressBar;

use super::Printer;
use crate::render::text::escape_control;

/// A progress bar over bytes, labeled with the command and its current step.
pub(in crate::cli) struct Bar {
    command: &'static str,
    bar: ProgressBar,
}

impl Bar {
    /// Shows the bar if standard error is a terminal.
    pub(in crate::cli) fn new(printer: &Printer, command: &'static str) -> Bar {
        Bar { command, bar: printer.progress_bar(command) }
    }

    /// Removes the bar.
    pub(in crate::cli) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl crate::progress::Progress for Bar {
    fn set_total(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn set_step(&self, name: &str) {
        self.bar.set_message(format!("{} {}", self.command, escape_control(name)));
    }
}
