//! `wa ingest`: ingest logs.

pub(super) mod formats;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::maps;
use super::args::values::{self, SummaryFormat};
use super::output::ingest_summary;
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::config::ResolvedConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::explanation::Explanation;
use crate::ingest::{self, FileSummary, RejectReason, SharedMap};
use crate::render::numbers::{group_digits, pluralize};
use crate::shell::quote_file;
use crate::time::{Clock, Zone};

/// Ingest logs: NDJSON files, folders, globs or standard input, plain or compressed
///
/// A map reads logs in another format. It is detected from the first records of each file, or named
/// by --map; `wa formats` lists the built-in maps.
///
/// No event is stored twice, so the command can run every night over the whole folder. An invalid
/// line is rejected, counted, and stored with its reason. The ingest summary at the end counts the
/// outcomes of all events. With --quiet, it is printed only after an error or if lines were newly
/// rejected. Rejected lines do not change the exit status, unless all lines are rejected: then it
/// is 4, and the output describes the lines. It is also 4 if a detected map ignores all records.
///
/// The first ingest creates the store and writes its settings, including --ip, --geoip and
/// --memory, to wa.toml.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa ingest logs/*.ndjson
      ingest the same folder every night; only new lines are read
  wa ingest logs/ archive/2026-*.ndjson.gz
      ingest a folder recursively, and compressed logs
  zcat access.gz | wa ingest - --chatbot shop
      ingest standard input, whose lines have no chatbot_id
  wa ingest export.csv --map my.toml --chatbot shop
      ingest a log in another format, with a custom map
  wa ingest new.ndjson --max-rejects 100 --format json
      commit nothing if more than 100 lines are rejected; print JSON")]
pub struct Args {
    /// Files, folders (*.ndjson, *.jsonl, *.json, *.log, *.csv, *.tsv, also .gz, .zst, .xz, .bz2),
    /// globs, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Chatbot of lines without chatbot_id
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Option<String>,

    /// Output format: table or json; if given, --quiet does not hide the output
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT")]
    format: Option<SummaryFormat>,

    /// Map that reads the files: a built-in one (wa formats lists them) or a TOML file [default:
    /// detected from the first records of each file]
    #[arg(long, value_name = "NAME|FILE")]
    map: Option<String>,

    /// Time zone of times without an offset [default: the zone of the map, else
    /// UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// Read files even if they are unchanged (no event is stored twice)
    #[arg(long)]
    force: bool,

    /// Commit once, at the end: everything that can be read, or nothing
    #[arg(long)]
    atomic: bool,

    /// Commit nothing and exit with status 3 if more than N lines are rejected
    #[arg(long, value_name = "N")]
    max_rejects: Option<u64>,

    /// Memory budget, at least 256M [default: 512M]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// Print the time per stage on standard error
    #[arg(long, hide = true)]
    profile: bool,

    /// Wait this long for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// MaxMind-format database that maps IP addresses to country and city
    #[arg(long, value_name = "FILE")]
    geoip: Option<String>,

    /// Keep, truncate or drop IP addresses [default: keep]
    #[arg(long, value_name = "POLICY")]
    ip: Option<String>,
}

/// The validated arguments and settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Path of the store, which is created if it does not exist.
    pub store: PathBuf,
    /// The current time.
    pub clock: Clock,
    /// The settings. The first ingest writes them to `wa.toml`.
    pub config: ResolvedConfig,
    /// Files, folders, globs, or `-`; at least one.
    pub inputs: Vec<PathBuf>,
    /// The chatbot of lines without `chatbot_id`.
    pub chatbot: Option<String>,
    /// The map that reads the files; `None` to detect the map of each file.
    pub map: Option<SharedMap>,
    /// The zone of times without an offset; `None` for the zone of the map.
    pub timezone: Option<Zone>,
    /// Whether to read files even if they are unchanged.
    pub force: bool,
    /// Whether to commit once, at the end.
    pub atomic: bool,
    /// Whether to print the time per stage.
    pub profile: bool,
    /// The maximum number of rejected lines; `None` for no maximum.
    pub max_rejects: Option<u64>,
    /// The maximum wait for another writer.
    pub lock_timeout: Duration,
    /// Format of the ingest summary.
    pub format: SummaryFormat,
    /// Whether the user gave a format. The summary is then printed even with `--quiet`.
    pub format_given: bool,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if settings or arguments are invalid.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let mut config = globals.config()?;
        // A relative path in wa.toml is relative to the store.
        let geoip = self.geoip.as_deref().map(Path::new).map(values::absolute_path).transpose()?;
        let flags = [
            ("memory", self.memory, "--memory"),
            ("geoip", geoip, "--geoip"),
            ("privacy.ip", self.ip, "--ip"),
        ];
        for (name, value, flag) in flags {
            if let Some(value) = value {
                config.set_flag(name, &value, flag)?;
            }
        }
        config.check()?;
        config.check_key_file()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            config,
            inputs: self.inputs,
            chatbot: self.chatbot,
            map: self.map.as_deref().map(maps::load).transpose()?,
            timezone: self.timezone.as_deref().map(maps::timezone).transpose()?,
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

/// Ingests the logs and prints the ingest summary.
///
/// # Errors
/// The errors of the ingest; [`crate::ErrorKind::PartialInput`] if an input could not be read to
/// its end; [`crate::ErrorKind::TooManyRejected`] if more lines were rejected than allowed.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let store = printer.store(&options.store);
    let is_new = !store.exists();
    let bar = Bar::new(printer, "ingest");
    let ingest_options = ingest::IngestOptions {
        map: options.map.clone(),
        timezone: options.timezone,
        inputs: options.inputs.clone(),
        chatbot: options.chatbot.clone(),
        force: options.force,
        atomic: options.atomic,
        max_rejects: options.max_rejects,
        clock: options.clock,
        lock_timeout: options.lock_timeout,
        key_file: options.config.settings.key_file.clone(),
        batch_bytes: None,
        batches_per_commit: ingest::BATCHES_PER_COMMIT,
    };
    let report = ingest::run(&store, &options.config, &ingest_options, &bar)?;
    bar.finish();
    if is_new && store.exists() {
        printer.note(&format!("created the store {}", options.store.display()));
    }
    let text = match options.format {
        SummaryFormat::Json => ingest_summary::json(&report)?,
        SummaryFormat::Table => {
            ingest_summary::table(&report, &printer.style()) + &ingest_summary::next_step(&report)
        }
    };
    let printed = match (&report.failure, report.committed) {
        (None, true) => printer.change_summary(&text, options.format_given, "ingest"),
        _ => printer.summary(&text, options.format_given),
    };
    for problem in &report.problems {
        printer.error(problem);
    }
    ingest_summary::notes(&report, options.config.settings.timezone, options.map.is_some(), printer);
    if report.new_rejects > 0 {
        // If the format of a log changes, all its lines are rejected, and cron must report that.
        printer.needs_attention();
    }
    if options.profile {
        for (stage, spent) in report.timings.iter() {
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

/// Returns the error of an ingest that rejected everything.
fn all_rejected(explanation: &Explanation, events: u64) -> Error {
    let file = explanation.samples.first().map_or("-", |sample| sample.file.as_str());
    let hint = match (explanation.reason, file) {
        (RejectReason::NoChatbotId, _) => "name the chatbot of the lines: --chatbot ID".to_owned(),
        (_, "-") => "save the input to a file, and run `wa preview FILE` to see how it is read".to_owned(),
        (_, file) => {
            format!("run `wa preview {}` to see how the file is read, and a draft of a map", quote_file(file))
        }
    };
    let message = match events {
        1 => "the only event was rejected; nothing was stored".to_owned(),
        _ => format!("all {} events were rejected; nothing was stored", group_digits(events)),
    };
    Error::new(ErrorKind::PartialInput, message).hint(hint)
}

/// Returns the error of an ingest whose records were all ignored by a detected map.
fn all_ignored(file: &FileSummary, records: u64) -> Error {
    let map = file.map.as_deref().unwrap_or("wa");
    let name = match file.file.as_str() {
        "-" => "standard input",
        name => name,
    };
    let message = match records {
        1 => format!("the only record was ignored; nothing was stored: the map '{map}' reads {name}"),
        _ => format!(
            "all {} records were ignored; nothing was stored: the map '{map}' reads {name}",
            group_digits(records)
        ),
    };
    let preview = match file.file.as_str() {
        "-" => "save the input to a file, and run `wa preview FILE` to see how it is read".to_owned(),
        name => format!("run `wa preview {}` to see how the file is read", quote_file(name)),
    };
    Error::new(ErrorKind::PartialInput, message)
        .hint(format!("{preview}; if the map is right, name it: --map {}", quote_file(map)))
}

/// Returns the outcome of the command.
fn outcome(report: ingest::IngestReport, options: &Options) -> Result<()> {
    let total = &report.summary.total;
    if let Some(failure) = report.failure {
        return Err(failure);
    }
    if !report.problems.is_empty() && report.summary.files.is_empty() {
        return Err(Error::failed("no input could be read; nothing was ingested")
            .hint("see the errors above; `wa ingest --help` lists the kinds of inputs"));
    }
    if report.too_many_rejected {
        return Err(Error::new(
            ErrorKind::TooManyRejected,
            format!(
                "{} rejected, more than --max-rejects {}; nothing was committed",
                pluralize(total.rejected_total(), "line was", "lines were"),
                options.max_rejects.unwrap_or(0)
            ),
        )
        .hint("the summary lists the first of them; correct the log, or allow more with --max-rejects N"));
    }
    if let Some(explanation) = &report.explanation {
        return Err(all_rejected(explanation, total.rejected_total()));
    }
    if let Some(file) = ingest_summary::ignored_file(&report, options.map.is_some()) {
        return Err(all_ignored(file, total.ignored));
    }
    match report.problems.len() {
        0 => Ok(()),
        n => Err(Error::new(
            ErrorKind::PartialInput,
            match (pluralize(n as u64, "input", "inputs"), total.read) {
                (inputs, 0) => format!("{inputs} could not be read; nothing was stored"),
                (inputs, _) => format!("{inputs} could not be read to the end; the rest is stored"),
            },
        )
        .hint("see the errors above; run the same command again after correcting them")),
    }
}
