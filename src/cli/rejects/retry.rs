//! `wa rejects --retry`: ingests rejected lines again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cli::args::{maps, values};
use crate::cli::output::ingest_summary;
use crate::cli::output::progress::Bar;
use crate::cli::{Globals, Printer};
use crate::config::ResolvedConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::stored_reject::Unreadable;
use crate::ingest::{self, IngestOptions, IngestSummary, RetryReport};
use crate::maintenance::reject_list::RejectFilter;
use crate::render::numbers::{group_digits, pluralize};
use crate::render::text::escape_control;

/// The maximum number of files with unread lines that are listed.
const MAX_UNREAD: usize = 10;

/// The arguments of a retry.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Ingest again")]
pub(super) struct Args {
    /// Ingest the selected lines again
    #[arg(long, conflicts_with = "limit")]
    retry: bool,

    /// Map that reads the lines [default: the map that read them before]
    #[arg(long, value_name = "NAME|FILE", requires = "retry")]
    map: Option<String>,

    /// Chatbot of lines without chatbot_id
    #[arg(long, value_name = "ID", value_parser = values::chatbot, requires = "retry")]
    chatbot: Option<String>,

    /// Time zone of times without an offset
    #[arg(long, value_name = "ZONE", requires = "retry")]
    timezone: Option<String>,

    /// Wait this long for another writer [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = values::duration, requires = "retry")]
    lock_timeout: Option<Duration>,
}

/// The validated options.
pub(super) struct Options {
    config: ResolvedConfig,
    ingest: IngestOptions,
}

impl Args {
    /// Returns whether lines are ingested again.
    pub(super) fn is_given(&self) -> bool {
        self.retry
    }

    /// Checks the arguments and reads the settings; `None` without `--retry`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Option<Options>> {
        if !self.retry {
            return Ok(None);
        }
        let config = globals.config()?;
        config.check()?;
        config.check_key_file()?;
        let ingest = IngestOptions {
            inputs: Vec::new(),
            chatbot: self.chatbot,
            map: self.map.as_deref().map(maps::load).transpose()?,
            timezone: self.timezone.as_deref().map(maps::timezone).transpose()?,
            force: false,
            atomic: true,
            max_rejects: None,
            clock: globals.clock,
            lock_timeout: self.lock_timeout.unwrap_or(Duration::from_secs(60)),
            key_file: config.settings.key_file.clone(),
            batch_bytes: None,
            batches_per_commit: ingest::BATCHES_PER_COMMIT,
        };
        Ok(Some(Options { config, ingest }))
    }
}

/// The JSON form of the report.
#[derive(Serialize)]
struct Json<'a> {
    lines: u64,
    accepted: u64,
    rejected_again: u64,
    unreadable: BTreeMap<Unreadable, u64>,
    #[serde(flatten)]
    summary: &'a IngestSummary,
}

/// Ingests the lines again and prints their outcomes.
///
/// # Errors
/// The errors of the ingest; [`ErrorKind::PartialInput`] if lines could not be read.
pub(super) fn run(
    options: &Options,
    store: &Path,
    filter: &RejectFilter,
    as_json: bool,
    printer: &Printer,
) -> Result<()> {
    let bar = Bar::new(printer, "retry");
    let selects = |reject: &_| filter.contains(reject);
    let report = ingest::retry(&printer.store(store), &options.config, &options.ingest, &selects, &bar)?;
    bar.finish();
    let text = match as_json {
        true => json(&report)?,
        false => format!("{}\n{}", ingest_summary::table(&report.ingest, &printer.style()), lines(&report)),
    };
    printer.change_summary(&text, as_json, "retry")?;
    let unread = unread_error(&report);
    if report.lines == 0 {
        super::note_empty_filter(filter, printer);
    } else if report.accepted == 0 && report.rejected > 0 && report.unreadable.is_empty() {
        let lines = if report.lines == 1 { "the line" } else { "every line" };
        printer.note(&format!(
            "{lines} was rejected again; run `wa preview FILE` to see what is wrong, and retry with \
             --chatbot or --map"
        ));
    }
    report.ingest.failure.or(unread).map_or(Ok(()), Err)
}

fn json(report: &RetryReport) -> Result<String> {
    let mut unreadable = BTreeMap::new();
    for ((cause, _), unread) in &report.unreadable {
        *unreadable.entry(*cause).or_default() += unread.lines;
    }
    let json = Json {
        lines: report.lines,
        accepted: report.accepted,
        rejected_again: report.rejected,
        unreadable,
        summary: &report.ingest.summary,
    };
    crate::render::json(&json, "summary")
}

/// Returns the outcomes of the lines as text.
fn lines(report: &RetryReport) -> String {
    let mut text = format!(
        "{} of {} no longer rejected\n",
        group_digits(report.accepted),
        pluralize(report.lines, "line is", "lines are")
    );
    for ((cause, file), unread) in report.unreadable.iter().take(MAX_UNREAD) {
        let lines = pluralize(unread.lines, "line", "lines");
        let cause = explanation(*cause, file, unread.error.as_deref().unwrap_or_default());
        text.push_str(&format!("{lines} of {} not read: {}\n", escape_control(file), escape_control(&cause)));
    }
    let others = report.unreadable.len().saturating_sub(MAX_UNREAD) as u64;
    if others > 0 {
        text.push_str(&format!("lines of {} more not read\n", pluralize(others, "file", "files")));
    }
    text
}

/// Returns why lines of a file were not read. `error` is the error of the file, or the map.
fn explanation(cause: Unreadable, file: &str, error: &str) -> String {
    // The stored name can be relative. The absolute path shows where the file was searched.
    let path =
        || std::path::absolute(file).map_or_else(|_| file.to_owned(), |path| path.display().to_string());
    match cause {
        Unreadable::NoFile => format!("{} does not exist", path()),
        Unreadable::FileChanged => {
            format!("{} no longer contains them, or the map divides it into other records", path())
        }
        Unreadable::ReadFailed => error.to_owned(),
        Unreadable::NotAFile => "it was not a file".to_owned(),
        Unreadable::UnknownMap => format!("the map {error} cannot be read"),
    }
}

/// Returns the error of lines that were not read, with a hint for the most frequent cause.
fn unread_error(report: &RetryReport) -> Option<Error> {
    let lines: u64 = report.unreadable.values().map(|unread| unread.lines).sum();
    let ((cause, _), _) = report.unreadable.iter().max_by_key(|(_, unread)| unread.lines)?;
    let message = format!(
        "{} not read, because the store does not contain all of the text",
        pluralize(lines, "rejected line was", "rejected lines were")
    );
    let hint = match cause {
        Unreadable::NoFile | Unreadable::FileChanged => {
            "put the original file back and retry, or ingest a copy of it: wa ingest FILE"
        }
        Unreadable::ReadFailed => "make the file readable and retry",
        Unreadable::NotAFile => "save the input to a file and ingest it: wa ingest FILE",
        Unreadable::UnknownMap => {
            let message = message.split(',').next().unwrap_or_default().to_owned();
            let error = Error::new(ErrorKind::PartialInput, message);
            return Some(
                error.hint("choose a map with --map NAME|FILE; `wa formats` lists the built-in maps"),
            );
        }
    };
    Some(Error::new(ErrorKind::PartialInput, message).hint(hint))
}
