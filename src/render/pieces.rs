//! Prints an outcome in pieces of whole lines, so that a breakdown by a field with many values is
//! never in memory as text.

use std::io::{self, Write};

use super::text::escape_json_control;
use super::{Format, Style, csv, render};
use crate::error::{Error, Result};
use crate::report::ReportOutcome;

/// The size from which a piece is printed.
pub(super) const PIECE_BYTES: usize = 1 << 20;

/// Receives a text of whole lines.
type Print<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// Passes the text that [`render`] returns to `print`, in pieces of whole lines.
///
/// # Errors
/// Returns the errors of `render` and of `print`.
pub(crate) fn print_pieces(
    outcome: &ReportOutcome,
    format: Format,
    style: &Style,
    print: Print<'_>,
) -> Result<()> {
    match format {
        Format::Json => print_json(outcome, print),
        Format::Csv => csv::print(outcome, style.terminal, print),
        _ => print(&render(outcome, format, style)?),
    }
}

fn print_json(outcome: &ReportOutcome, print: Print<'_>) -> Result<()> {
    let mut lines = JsonLines { text: Vec::new(), print, error: None };
    let written = serde_json::to_writer_pretty(&mut lines, outcome);
    let written = written.map_err(io::Error::from).and_then(|()| lines.write_all(b"\n"));
    match (written.and_then(|()| lines.print_lines()), lines.error.take()) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(Error::failed("cannot write the report as JSON").caused_by(error)),
        (Ok(()), None) => Ok(()),
    }
}

/// Collects JSON and prints its whole lines when there are enough of them.
struct JsonLines<'a> {
    text: Vec<u8>,
    print: Print<'a>,
    /// The error of `print`.
    error: Option<Error>,
}

impl JsonLines<'_> {
    fn print_lines(&mut self) -> io::Result<()> {
        let end = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.text.split_off(end);
        let lines = String::from_utf8(std::mem::replace(&mut self.text, rest)).map_err(io::Error::other)?;
        (self.print)(&escape_json_control(lines)).map_err(|error| {
            self.error = Some(error);
            io::Error::other("the report is not printed")
        })
    }
}

impl Write for JsonLines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.len() >= PIECE_BYTES && bytes.contains(&b'\n') {
            self.print_lines()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_printed_in_whole_lines() {
        let mut printed: Vec<String> = Vec::new();
        let mut print = |text: &str| {
            printed.push(text.to_owned());
            Ok(())
        };
        let mut lines = JsonLines { text: Vec::new(), print: &mut print, error: None };
        let line = "x".repeat(PIECE_BYTES / 2);
        for _ in 0..5 {
            lines.write_all(line.as_bytes()).unwrap();
            lines.write_all("\u{9b}\n".as_bytes()).unwrap();
        }
        lines.print_lines().unwrap();
        let expected = format!("{line}\\u009b\n");
        assert_eq!(printed, [expected.repeat(2), expected.repeat(2), expected]);
    }

    #[test]
    fn error_of_the_output_is_returned() {
        let mut print = |_: &str| Err(Error::failed("cannot write to standard output"));
        let mut lines = JsonLines { text: Vec::new(), print: &mut print, error: None };
        assert!(lines.print_lines().is_err());
        let error = lines.error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("cannot write to standard output"));
    }
}
