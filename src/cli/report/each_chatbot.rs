//! Prints the report of each chatbot as CSV or JSON, one chatbot at a time.

use std::collections::HashSet;

use super::{Options, request, resolve};
use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::render::each_chatbot::ChatbotWriter;
use crate::report::{self, ReportOutcome};
use crate::store::Store;

/// Size of the text that is printed at once. As long as nothing is printed, the report can start
/// over from a newer snapshot.
const BUFFER_BYTES: usize = 8 << 20;

/// Prints the report of each chatbot. Returns the notes, each once.
///
/// # Errors
/// The error of the report, or of standard output.
pub(super) fn print(options: &Options, printer: &Printer) -> Result<Vec<String>> {
    Store::new(&options.store).read_consistently(|snapshot| {
        let window = resolve(options.window, snapshot, snapshot.zone().day(options.clock.now))?;
        let request = request(options, snapshot, window);
        let mut output = Output {
            writer: ChatbotWriter::new(options.format, printer.style()),
            printer,
            text: String::new(),
            is_started: false,
            notes: Vec::new(),
            seen: HashSet::new(),
        };
        match report::run_each_chatbot(snapshot, &request, &mut |outcome| output.add(&outcome)) {
            Err(error) if output.is_started && error.is_missing_file() => {
                Err(Error::failed("the report is incomplete, because the store changed meanwhile")
                    .caused_by(error)
                    .hint("run it again"))
            }
            Err(error) => Err(error),
            Ok(()) => output.finish(),
        }
    })
}

/// The printed text.
struct Output<'a> {
    writer: ChatbotWriter,
    printer: &'a Printer,
    /// Text that is not printed yet.
    text: String,
    is_started: bool,
    /// The notes of all reports, each once.
    notes: Vec<String>,
    seen: HashSet<String>,
}

impl Output<'_> {
    fn add(&mut self, outcome: &ReportOutcome) -> Result<()> {
        for note in outcome.notes() {
            if self.seen.insert(note.clone()) {
                self.notes.push(note);
            }
        }
        if self.printer.is_pipe_closed() {
            return Ok(());
        }
        self.writer.add(outcome, &mut self.text)?;
        // Print whole lines: the printer ends each text with a line feed.
        let end = self.text.rfind('\n').map_or(0, |at| at + 1);
        if end >= BUFFER_BYTES {
            self.is_started = true;
            self.printer.result(&self.text[..end])?;
            self.text.drain(..end);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<String>> {
        self.writer.finish(&mut self.text);
        // The printer would end an empty text with a line feed.
        if !self.text.is_empty() || !self.is_started {
            self.printer.result(&self.text)?;
        }
        Ok(self.notes)
    }
}
