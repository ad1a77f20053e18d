//! What goes to which stream: results to standard output, all else to standard error; what is held
//! back when quiet; colour, width and progress bars.

pub(crate) mod ingest_summary;
pub(crate) mod progress;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::globals::Color;
use crate::error::{Error, ErrorKind, Result};
use crate::render::text::escape_control;

/// The streams of the process, and what may go to them.
pub struct Printer {
    quiet: bool,
    /// Whether standard output and standard error take colours.
    color: (bool, bool),
    width: Option<usize>,
    terminal: bool,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    /// What was not printed for the sake of quiet, in order, for the case that all does not go well.
    held: Mutex<Vec<Held>>,
    /// Somebody should look, though it is no failure: what was held back is printed.
    attention: AtomicBool,
    pipe_closed: AtomicBool,
    bars: Option<MultiProgress>,
}

enum Held {
    /// An account, and what is done that it is of.
    Out(String, Option<&'static str>),
    Err(String),
}

impl Printer {
    /// Makes the printer of the process.
    pub fn new(quiet: bool, color: Color) -> Printer {
        let (out, err) = (io::stdout(), io::stderr());
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let colored = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        let bars = (err.is_terminal() && !quiet).then(|| {
            let bars = MultiProgress::new();
            bars.set_draw_target(ProgressDrawTarget::stderr());
            bars
        });
        Printer {
            quiet,
            color: (colored(out.is_terminal()), colored(err.is_terminal())),
            width: width(out.is_terminal()),
            terminal: out.is_terminal(),
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            held: Mutex::default(),
            attention: AtomicBool::new(false),
            pipe_closed: AtomicBool::new(false),
            bars,
        }
    }

    /// Makes a printer that writes to the given streams, for tests: no terminal, no colour.
    pub fn with_streams(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, quiet: bool) -> Printer {
        Printer {
            quiet,
            color: (false, false),
            width: None,
            terminal: false,
            out: Mutex::new(out),
            err: Mutex::new(err),
            held: Mutex::default(),
            attention: AtomicBool::new(false),
            pipe_closed: AtomicBool::new(false),
            bars: None,
        }
    }

    /// Tells whether standard output takes colours.
    pub fn color(&self) -> bool {
        self.color.0
    }

    /// Returns the columns of the terminal, or of `COLUMNS`; `None` in a pipe.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Tells whether standard output is a terminal, to which no control character may go.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Tells whether nothing is to be printed while all goes well.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Says that all did not go well, though nothing failed: quiet holds nothing back.
    pub fn needs_attention(&self) {
        self.attention.store(true, Ordering::Relaxed);
    }

    /// Prints a result, quiet or not: a report, a list. It ends with a newline.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Failed`] where standard output cannot be written; a closed pipe is no error.
    pub fn result(&self, text: &str) -> Result<()> {
        self.stream(|out| {
            out.write_all(text.as_bytes())?;
            if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") }
        })
    }

    /// Prints the account of what was done: held back when quiet, unless it was asked for (by a
    /// format).
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub fn summary(&self, text: &str, asked: bool) -> Result<()> {
        self.summary_of(text, asked, None)
    }

    fn summary_of(&self, text: &str, asked: bool, done: Option<&'static str>) -> Result<()> {
        if self.quiet && !asked {
            self.hold(Held::Out(text.to_owned(), done));
            return Ok(());
        }
        self.print_summary(text, done)
    }

    fn print_summary(&self, text: &str, done: Option<&str>) -> Result<()> {
        let Some(done) = done else { return self.result(text) };
        self.result(text).map_err(|error| {
            Error::failed(format!("{done} and committed, but what it did could not be printed"))
                .caused_by(error)
                .hint("there is no need to run it again; `wa status` says what the store holds")
        })
    }

    /// Prints the account of a change of the store that is made: where that fails, the error says that it is
    /// made. `done`: "the gc is done".
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub fn change_summary(&self, text: &str, asked: bool, done: &'static str) -> Result<()> {
        self.summary_of(text, asked, Some(done))
    }

    /// Prints what is there only this once, such as a receipt; to standard error where standard output
    /// does not take it. `done` as before.
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub fn receipt(&self, text: &str, asked: bool, done: &str) -> Result<()> {
        let printed = self.summary(text, asked);
        if printed.is_err() || self.pipe_closed() {
            self.print(&format!("{}\n", text.trim_end()));
        }
        printed.map_err(|error| {
            Error::failed(format!("{done} and committed, but its receipt could not be printed")).caused_by(error).hint(
                "the receipt stands above, on standard error; there is no need to run it again, and another one would count nothing",
            )
        })
    }

    /// Lends standard output, buffered, for a result too long to be held in memory. The work stops
    /// at the first write that fails; where that is because the reader has gone, it is no error.
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub fn stream(&self, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        if self.pipe_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stream = lock(&self.out);
        let outcome = {
            let mut out = BufWriter::with_capacity(1 << 16, stream.as_mut());
            work(&mut out).and_then(|()| out.flush())
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

    /// Tells whether the reader of standard output has gone: nothing more needs to be computed.
    pub fn pipe_closed(&self) -> bool {
        self.pipe_closed.load(Ordering::Relaxed)
    }

    /// Says something by the way on standard error.
    pub fn note(&self, text: &str) {
        self.say(format!("wa: {}\n", escape_control(text)));
    }

    /// Warns on standard error: the work goes on, but somebody should look.
    pub fn warn(&self, text: &str) {
        self.say(format!("wa: {}: {}\n", self.paint("warning", "33"), escape_control(text)));
    }

    /// Reports a failure that does not end the work, such as one unreadable file among many.
    pub fn error(&self, error: &Error) {
        self.say(self.describe(error));
    }

    /// Ends the run: where it failed, or somebody should look, prints all that was held back; then reports
    /// the failure, if it is one. Returns the exit status.
    pub fn finish(&self, outcome: Result<()>) -> Result<(), ErrorKind> {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
        let mut outcome = outcome;
        if outcome.is_err() || self.attention.load(Ordering::Relaxed) {
            for held in std::mem::take(&mut *lock(&self.held)) {
                match held {
                    // What cannot be written any more leaves an earlier failure what it is.
                    Held::Out(text, done) => outcome = outcome.and(self.print_summary(&text, done)),
                    Held::Err(text) => self.print(&text),
                }
            }
        }
        let Err(error) = outcome else { return Ok(()) };
        self.print(&self.describe(&error));
        Err(error.kind())
    }

    /// Shows the progress of work over `bytes` bytes (`None`: nobody knows how many), with rate
    /// and time left; only on a terminal, not when quiet.
    pub fn bytes_bar(&self, label: &str, bytes: Option<u64>) -> Progress {
        let form = match bytes {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
            None => "{msg} {spinner} {bytes} {bytes_per_sec}",
        };
        self.bar(label, bytes, form)
    }

    /// Shows the progress of work over `steps` steps, likewise.
    pub fn steps_bar(&self, label: &str, steps: u64) -> Progress {
        self.bar(label, Some(steps), "{msg} {wide_bar} {pos}/{len}, {eta} left")
    }

    fn bar(&self, label: &str, length: Option<u64>, form: &str) -> Progress {
        let Some(bars) = &self.bars else { return Progress(ProgressBar::hidden()) };
        let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_message(escape_control(label).into_owned());
        Progress(bars.add(bar))
    }

    fn describe(&self, error: &Error) -> String {
        let mut text = format!("wa: {}: {}\n", self.paint("error", "31"), escape_control(&error.to_string()));
        if let Some(hint) = error.hint_text() {
            text.push_str(&format!("{}: {}\n", self.paint("hint", "36"), escape_control(hint)));
        }
        text
    }

    fn paint(&self, word: &str, color: &str) -> String {
        if self.color.1 { format!("\u{1b}[1;{color}m{word}\u{1b}[0m") } else { word.to_owned() }
    }

    fn say(&self, text: String) {
        if self.quiet { self.hold(Held::Err(text)) } else { self.print(&text) }
    }

    /// Prints to standard error, above the progress bars. Nobody is left to be told where that
    /// fails.
    fn print(&self, text: &str) {
        let write = || {
            let mut err = lock(&self.err);
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn hold(&self, held: Held) {
        lock(&self.held).push(held);
    }
}

/// A progress bar, or nothing where none is to be seen. It can be told of progress from any thread.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Adds to what is done.
    pub fn add(&self, done: u64) {
        self.0.inc(done);
    }

    /// Says how much there is in all, where it turned out to be another amount.
    pub fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// Says what the work is at.
    pub fn set_label(&self, label: &str) {
        self.0.set_message(escape_control(label).into_owned());
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Returns the columns to write in: of `COLUMNS`, else of the terminal.
fn width(terminal: bool) -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.filter(|columns| *columns > 0).or_else(|| {
        let (columns, _) = terminal.then(terminal_size::terminal_size)??;
        Some(usize::from(columns.0))
    })
}

/// Locks a mutex, whether or not a thread has panicked with it: what it guards is only text.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
