//! `wa ingest`: take in logs.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::output::Progress;
use super::output::ingest_summary;
use super::{Globals, Printer};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::pipeline;
use crate::render::numbers::pluralize;
use crate::settings::Settings;
use crate::store::Store;
use crate::time::Clock;

/// Take in logs: NDJSON files, folders, globs or standard input, plain, gzip or zstd
///
/// Nothing is stored twice: run it every night over the whole folder. A line that makes no sense is
/// refused, counted and kept in the store's rejects; the account at the end says what became of every
/// event. With --quiet it is printed only where something went wrong or lines were newly refused, which
/// leaves the exit status at 0.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa ingest logs/*.ndjson
      every night over the same folder: only what is new is read
  wa ingest logs/ archive/2026-*.ndjson.gz
      folders with all below them, and globs of compressed logs
  zcat access.gz | wa ingest - --chatbot shop
      standard input, whose lines name no chatbot
  wa ingest new.ndjson --max-rejects 100 --format json
      all or nothing where more than 100 lines are refused; a JSON account")]
pub struct Args {
    /// Files, folders (*.ndjson, *.jsonl, *.json, *.log, also .gz and .zst), globs, or - for
    /// standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// The chatbot for lines that name none
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Option<String>,

    /// How to write the account: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,

    /// Read files again even if they were taken in whole before (nothing is stored twice)
    #[arg(long)]
    force: bool,

    /// Commit once, at the end: all that can be read, or nothing
    #[arg(long)]
    atomic: bool,

    /// Commit nothing and exit with status 3 if more than N lines are refused
    #[arg(long, value_name = "N")]
    max_rejects: Option<u64>,

    /// How much memory to use, 256M or more [default: 512M]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// Say on standard error where the time went
    #[arg(long, hide = true)]
    profile: bool,

    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::wait, default_value = "1m")]
    lock_timeout: Duration,

    /// A MaxMind-format database for looking up where an address is
    #[arg(long, value_name = "FILE")]
    geoip: Option<String>,

    /// What to store of addresses: keep, truncate or drop
    #[arg(long, value_name = "POLICY")]
    ip: Option<String>,
}

/// What an ingest needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store; it is made if need be.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// Files, folders, globs, `-`; at least one.
    pub inputs: Vec<PathBuf>,
    /// The chatbot of lines that name none.
    pub chatbot: Option<String>,
    /// Read files that are recognised as taken in.
    pub force: bool,
    /// Commit once, at the end.
    pub atomic: bool,
    /// Say where the time went.
    pub profile: bool,
    /// How many lines may be refused.
    pub max_rejects: Option<u64>,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write the account.
    pub format: SummaryFormat,
    /// Whether a form was asked for: then quiet does not hold the account back.
    pub format_given: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where settings or arguments make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let mut resolved = globals.settings()?;
        let flags = [
            ("memory", &self.memory, "--memory"),
            ("geoip", &self.geoip, "--geoip"),
            ("privacy.ip", &self.ip, "--ip"),
        ];
        for (name, value, flag) in flags {
            if let Some(value) = value {
                resolved.set_flag(name, value, flag)?;
            }
        }
        resolved.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: resolved.settings,
            inputs: self.inputs,
            chatbot: self.chatbot,
            force: self.force,
            atomic: self.atomic || self.max_rejects.is_some(),
            max_rejects: self.max_rejects,
            profile: self.profile,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Takes in the logs and prints the account.
///
/// # Errors
/// What the ingest returns; [`crate::ErrorKind::PartialInput`] where some inputs could not be read, and
/// [`crate::ErrorKind::TooManyRejected`] where more lines were refused than allowed.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let store = Store::new(&options.store);
    let is_new = !store.exists();
    let bar = Bar(printer.bytes_bar("ingest", Some(0)));
    let told = pipeline::IngestOptions {
        inputs: options.inputs.clone(),
        chatbot: options.chatbot.clone(),
        force: options.force,
        atomic: options.atomic,
        max_rejects: options.max_rejects,
        clock: options.clock,
        lock_timeout: options.lock_timeout,
        key_file: options.settings.key_file.clone(),
        batch_bytes: None,
    };
    let report = pipeline::run(&store, &options.settings, &told, &bar)?;
    bar.0.finish();
    if is_new && store.exists() {
        printer.note(&format!("made the store {}", options.store.display()));
    }
    let text = match options.format {
        SummaryFormat::Json => ingest_summary::json(&report)?,
        SummaryFormat::Table => ingest_summary::table(&report, printer.width()),
    };
    let printed = match (&report.failure, report.committed) {
        (None, true) => printer.change_summary(&text, options.format_given, "the ingest is done"),
        _ => printer.summary(&text, options.format_given),
    };
    for problem in &report.problems {
        printer.error(problem);
    }
    ingest_summary::notes(&report, printer);
    if report.new_rejects > 0 {
        // A log whose format has changed is refused line by line, and else nobody would ever know.
        printer.needs_attention();
    }
    if options.profile {
        for (stage, spent) in report.stages.list() {
            printer.note(&format!("{:>8} {:7.3} s", stage.name(), spent.as_secs_f64()));
        }
    }
    match (printed, outcome(report, options)) {
        (Err(unprinted), Err(failure)) => {
            printer.error(&unprinted);
            Err(failure)
        }
        (printed, outcome) => printed.and(outcome),
    }
}

/// Turns what an ingest came to into success or failure.
fn outcome(report: pipeline::IngestReport, options: &Options) -> Result<()> {
    let total = &report.summary.total;
    if let Some(failure) = report.failure {
        return Err(failure);
    }
    if !report.problems.is_empty() && report.summary.files.is_empty() {
        return Err(Error::failed("none of the inputs is there to be read: nothing was taken in")
            .hint("see the errors above; `wa ingest --help` says what can be named"));
    }
    if report.too_many_rejected {
        return Err(Error::new(
            ErrorKind::TooManyRejected,
            format!(
                "{} refused, more than --max-rejects {}; nothing was committed",
                pluralize(total.rejected_total(), "line was", "lines were"),
                options.max_rejects.unwrap_or(0)
            ),
        )
        .hint(
            "the account says where the first of them are; mend the log, or allow more with --max-rejects N",
        ));
    }
    match report.problems.len() {
        0 => Ok(()),
        n => Err(Error::new(
            ErrorKind::PartialInput,
            format!("{n} of the inputs could not be read to the end; what could be read is stored"),
        )
        .hint("see the errors above; the same command takes in the rest once they are mended")),
    }
}

struct Bar(Progress);

impl crate::progress::Progress for Bar {
    fn set_total(&self, bytes: u64) {
        self.0.set_total(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.add(bytes);
    }

    fn set_step(&self, name: &str) {
        self.0.set_label(name);
    }
}
