//! Output: results go to standard output, everything else to standard error.
//!
//! With `--quiet`, summaries, notes and warnings are deferred. They are printed at the end if the
//! command fails or needs attention, and dropped otherwise.

pub(super) mod ingest_summary;
pub(super) mod progress;
#[cfg(test)]
mod tests;
mod waiting;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::args::globals::Color;
use crate::error::{Error, ErrorKind, Result};
use crate::render::Style;
use crate::render::text::escape_control;
use crate::store::Store;

/// Prints to the streams of the process.
pub struct Printer {
    quiet: bool,
    /// Whether standard output is colored.
    out_color: bool,
    /// Whether standard error is colored.
    err_color: bool,
    width: Option<usize>,
    terminal: bool,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    /// The output that `--quiet` defers, in order.
    deferred: Mutex<Vec<Deferred>>,
    needs_attention: AtomicBool,
    pipe_closed: AtomicBool,
    bars: Option<MultiProgress>,
    /// Whether the streams belong to the process.
    owns_process: bool,
}

enum Deferred {
    /// A summary, and the committed change that it describes.
    Summary(String, Option<&'static str>),
    /// A message for standard error.
    Message(String),
}

impl Printer {
    /// Creates the printer of the process.
    pub(super) fn new(quiet: bool, color: Color) -> Printer {
        let (out, err) = (io::stdout(), io::stderr());
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let use_color = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !no_color,
        };
        let bars = (err.is_terminal() && !quiet).then(|| {
            let bars = MultiProgress::new();
            bars.set_draw_target(ProgressDrawTarget::stderr());
            bars
        });
        Printer {
            out_color: use_color(out.is_terminal()),
            err_color: use_color(err.is_terminal()),
            width: width(out.is_terminal()),
            terminal: out.is_terminal(),
            bars,
            owns_process: true,
            ..Printer::with_streams(Box::new(out), Box::new(err), quiet)
        }
    }

    /// Creates a printer for streams that are not terminals.
    pub fn with_streams(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, quiet: bool) -> Printer {
        Printer {
            quiet,
            out_color: false,
            err_color: false,
            width: None,
            terminal: false,
            out: Mutex::new(out),
            err: Mutex::new(err),
            deferred: Mutex::default(),
            needs_attention: AtomicBool::new(false),
            pipe_closed: AtomicBool::new(false),
            bars: None,
            owns_process: false,
        }
    }

    /// Returns whether the command is the whole process, rather than a part of another one, such as
    /// a test.
    pub(super) fn owns_process(&self) -> bool {
        self.owns_process
    }

    /// Returns the style of tables. A pipe or a file has no maximum width: no column is omitted,
    /// and no value is shortened.
    pub(super) fn style(&self) -> Style {
        Style { width: self.width.unwrap_or(usize::MAX), color: self.out_color, terminal: self.terminal }
    }

    /// Returns whether standard output is a terminal, which must not receive control characters.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Marks a successful run as one that needs attention, so that `--quiet` drops nothing.
    pub(super) fn needs_attention(&self) {
        self.needs_attention.store(true, Ordering::Relaxed);
    }

    /// Prints a result, such as a report, even with `--quiet`. Adds a missing newline at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Failed`] if standard output cannot be written. A closed pipe is not an error.
    pub(super) fn result(&self, text: &str) -> Result<()> {
        self.stream(|out| {
            out.write_all(text.as_bytes())?;
            if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") }
        })
    }

    /// Prints the summary of a command that changed nothing. `--quiet` defers it, unless the user
    /// gave a format.
    ///
    /// # Errors
    /// Returns the errors of [`Printer::result`].
    pub(super) fn summary(&self, text: &str, format_given: bool) -> Result<()> {
        self.print_or_defer_summary(text, format_given, None)
    }

    /// Prints the summary of a committed change, such as `gc`. If the write fails, the error says
    /// that the change is committed. `--quiet` defers the summary, unless the user gave a format.
    ///
    /// # Errors
    /// Returns the errors of [`Printer::result`].
    pub(super) fn change_summary(&self, text: &str, format_given: bool, change: &'static str) -> Result<()> {
        self.print_or_defer_summary(text, format_given, Some(change))
    }

    fn print_or_defer_summary(
        &self,
        text: &str,
        format_given: bool,
        change: Option<&'static str>,
    ) -> Result<()> {
        if self.quiet && !format_given {
            self.defer(Deferred::Summary(text.to_owned(), change));
            return Ok(());
        }
        self.print_summary(text, change)
    }

    fn print_summary(&self, text: &str, change: Option<&str>) -> Result<()> {
        let Some(change) = change else { return self.result(text) };
        self.result(text).map_err(|error| {
            Error::failed(format!("the {change} is committed, but its summary could not be printed"))
                .caused_by(error)
                .hint("do not run it again; `wa status` shows what the store contains")
        })
    }

    /// Prints the receipt of a committed change. It cannot be printed again later, so it goes to
    /// standard error if standard output does not accept it.
    ///
    /// # Errors
    /// Returns the errors of [`Printer::result`].
    pub(super) fn receipt(&self, text: &str, format_given: bool, change: &str) -> Result<()> {
        let printed = self.summary(text, format_given);
        if printed.is_err() || self.is_pipe_closed() {
            self.print_message(&format!("{}\n", text.trim_end()));
        }
        printed.map_err(|error| {
            Error::failed(format!("the {change} is committed, but its receipt could not be printed"))
                .caused_by(error)
                .hint("save the receipt above from standard error; a second run finds nothing to erase")
        })
    }

    /// Calls `write` with standard output, buffered, for results that do not fit in memory.
    ///
    /// # Errors
    /// Returns the errors of [`Printer::result`].
    pub(super) fn stream(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        if self.is_pipe_closed() {
            return Ok(());
        }
        let mut stream = lock(&self.out);
        let outcome = {
            let mut out = BufWriter::with_capacity(1 << 16, stream.as_mut());
            write(&mut out).and_then(|()| out.flush())
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.pipe_closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(e) => Err(Error::failed("cannot write to standard output").caused_by(e)),
        }
    }

    /// Returns whether the reader of standard output has closed the pipe.
    pub(super) fn is_pipe_closed(&self) -> bool {
        self.pipe_closed.load(Ordering::Relaxed)
    }

    /// Prints a note to standard error.
    pub(super) fn note(&self, text: &str) {
        self.message(format!("wa: {}\n", escape_control(text)));
    }

    /// Prints a warning to standard error.
    pub(super) fn warn(&self, text: &str) {
        let label = label("warning", "33", self.err_color);
        self.message(format!("wa: {label}: {}\n", escape_control(text)));
    }

    /// Prints an error that does not end the command, such as one unreadable file of several.
    pub(super) fn error(&self, error: &Error) {
        self.message(error_text(error, self.err_color));
    }

    /// Ends the run: prints the deferred output if it failed or needs attention, and then the
    /// error.
    ///
    /// # Errors
    /// The kind of the error, for the exit status.
    pub fn finish(&self, outcome: Result<()>) -> Result<(), ErrorKind> {
        if let Some(bars) = &self.bars {
            // The terminal may be closed, and the command has ended.
            let _ = bars.clear();
        }
        let mut outcome = outcome;
        if outcome.is_err() || self.needs_attention.load(Ordering::Relaxed) {
            for deferred in std::mem::take(&mut *lock(&self.deferred)) {
                match deferred {
                    // The first error decides the outcome.
                    Deferred::Summary(text, change) => {
                        outcome = outcome.and(self.print_summary(&text, change));
                    }
                    Deferred::Message(text) => self.print_message(&text),
                }
            }
        }
        outcome.map_err(|error| {
            self.print_message(&error_text(&error, self.err_color));
            error.kind()
        })
    }

    /// Returns a store that reports which process a command waits for.
    pub(super) fn store(&self, dir: &Path) -> Store {
        Store::new(dir).with_wait_observer(Arc::new(waiting::WaitNotice::new(self)))
    }

    /// Returns the progress bars, which other threads must remove before they print a message.
    pub(super) fn bars(&self) -> Option<MultiProgress> {
        self.bars.clone()
    }

    /// Returns whether standard error is colored.
    pub(super) fn has_error_color(&self) -> bool {
        self.err_color
    }

    fn message(&self, text: String) {
        if self.quiet { self.defer(Deferred::Message(text)) } else { self.print_message(&text) }
    }

    /// Prints to standard error, above the progress bars. Errors are ignored, since there is no
    /// other stream to report them on.
    fn print_message(&self, text: &str) {
        let write = || {
            let mut err = lock(&self.err);
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn defer(&self, text: Deferred) {
        lock(&self.deferred).push(text);
    }
}

/// Returns the text of an error and its hint.
pub(super) fn error_text(error: &Error, color: bool) -> String {
    let message = escape_control(&error.to_string()).into_owned();
    let mut text = format!("wa: {}: {message}\n", label("error", "31", color));
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!("{}: {}\n", label("hint", "36", color), escape_control(hint)));
    }
    text
}

fn label(word: &str, color_code: &str, color: bool) -> String {
    if color { format!("\u{1b}[1;{color_code}m{word}\u{1b}[0m") } else { word.to_owned() }
}

/// Returns the width of a terminal: `COLUMNS`, else its size; `None` for other outputs.
fn width(terminal: bool) -> Option<usize> {
    if !terminal {
        return None;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns
        .filter(|columns| *columns > 0)
        .or_else(|| terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0)))
}

/// Locks a mutex. The panic of another thread does not matter, since the mutex guards only text.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
