//! The progress of a check or a rebuild, as a bar.

use super::Progress;
use crate::cli::Printer;
use crate::maintenance;

/// A bar over the bytes that are gone through.
pub struct Bar {
    command: &'static str,
    bar: Progress,
}

impl Bar {
    /// Shows it, where there is a terminal.
    pub fn new(printer: &Printer, command: &'static str) -> Bar {
        Bar { command, bar: printer.bytes_bar(command, Some(0)) }
    }

    /// Takes it away.
    pub fn finish(&self) {
        self.bar.finish();
    }
}

impl maintenance::Progress for Bar {
    fn total(&self, bytes: u64) {
        self.bar.set_total(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.add(bytes);
    }

    fn at(&self, what: &str) {
        self.bar.set_label(&format!("{} {what}", self.command));
    }
}
