//! The progress of a check or a rebuild, as a bar.

use super::Progress;
use crate::cli::Printer;

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

impl crate::progress::Progress for Bar {
    fn set_total(&self, bytes: u64) {
        self.bar.set_total(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bar.add(bytes);
    }

    fn set_step(&self, name: &str) {
        self.bar.set_label(&format!("{} {name}", self.command));
    }
}
