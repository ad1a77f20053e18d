//! `wa rejects --retry`: ingests rejected lines again.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::cli::args::{maps, values};
use crate::cli::output::ingest_summary;
use crate::cli::output::progress::Bar;
use crate::cli::{Globals, Printer};
use crate::config::ResolvedConfig;
use crate::error::Result;
use crate::ingest::stored_reject::Unreadable;
use crate::ingest::{self, IngestOptions, IngestSummary, RetryReport};
use crate::maintenance::reject_list::RejectFilter;
use crate::render::numbers::{group_digits, pluralize};

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
    unreadable: &'a std::collections::BTreeMap<Unreadable, u64>,
    #[serde(flatten)]
    summary: &'a IngestSummary,
}

/// Ingests the lines again and prints their outcomes.
///
/// # Errors
/// The errors of the ingest.
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
    let unreadable: u64 = report.unreadable.values().sum();
    if unreadable > 0 {
        printer.note(
            "to ingest the lines that the store cannot provide, ingest their files again: wa ingest FILE",
        );
    }
    report.ingest.failure.map_or(Ok(()), Err)
}

fn json(report: &RetryReport) -> Result<String> {
    let json = Json {
        lines: report.lines,
        accepted: report.accepted,
        rejected_again: report.rejected,
        unreadable: &report.unreadable,
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
    for (cause, lines) in &report.unreadable {
        text.push_str(&format!(
            "{} not read: {}\n",
            pluralize(*lines, "line was", "lines were"),
            cause.describe()
        ));
    }
    text
}
