//! `wa lint`: checks events against best practices and a tracking plan.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::args::values::{self, Limit, SummaryFormat};
use super::args::window::{self, Window};
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::scratch_store::ScratchStore;
use crate::ingest::{self, IngestOptions};
use crate::lint::{COLUMNS, LintOptions, LintReport, Linter, Rule, TrackingPlan};
use crate::render;
use crate::render::lint::lint_table;
use crate::render::numbers::{group_digits, pluralize};
use crate::report::{self, EventQuery, list_events};
use crate::settings::{Retention, Settings};
use crate::shell::quote_file;
use crate::store::columns::Table;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// Check event names and properties, and events against a tracking plan
///
/// Checks the events of logs, or of the store if no log is given. Event names should be snake_case,
/// in the past tense, and specific. Properties should be small, have one type each, and contain no
/// email addresses, phone numbers or card numbers. A tracking plan has a JSON Schema for the
/// properties of each event.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa lint new.ndjson
      check a log before it is ingested; the store is not used
  wa lint --days 7 --ignore name_tense
      check the events of the last week in the store
  wa lint --infer-plan --days 30 > plan.json
      write a tracking plan that the events of the last 30 days match
  wa lint logs/ --plan plan.json --fail-on 0 --format json
      fail if there is any finding, as a check in CI")]
pub(super) struct Args {
    /// Logs to check, as for `wa ingest`. Without logs, the events in the store are checked
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable); with logs, the chatbot of lines without chatbot_id
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// Check the events against this tracking plan
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,

    /// Print a tracking plan that the events match, instead of findings
    #[arg(long, conflicts_with_all = ["plan", "fail_on", "only", "ignore", "limit", "format"])]
    infer_plan: bool,

    /// Check only this rule (repeatable)
    #[arg(long, value_name = "RULE")]
    only: Vec<RuleName>,

    /// Skip this rule (repeatable)
    #[arg(long, value_name = "RULE", hide_possible_values = true)]
    ignore: Vec<RuleName>,

    /// Exit with status 3 if there are more than N findings
    #[arg(long, value_name = "N")]
    fail_on: Option<u64>,

    /// Number of findings in the table, or all
    #[arg(long, value_name = "N", value_parser = values::limit, default_value = "50")]
    limit: Limit,

    /// Output format: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: SummaryFormat,
}

/// A rule, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RuleName(Rule);

impl ValueEnum for RuleName {
    fn value_variants<'a>() -> &'a [RuleName] {
        const NAMES: [RuleName; Rule::ALL.len()] = {
            let mut names = [RuleName(Rule::NameCase); Rule::ALL.len()];
            let mut index = 0;
            while index < names.len() {
                names[index] = RuleName(Rule::ALL[index]);
                index += 1;
            }
            names
        };
        &NAMES
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

/// The validated options.
pub(super) struct Options {
    clock: Clock,
    source: Source,
    lint: LintOptions,
    fail_on: Option<u64>,
    limit: Option<usize>,
    format: SummaryFormat,
}

/// The source of the events.
enum Source {
    /// Logs, which are read into a temporary store.
    Logs { inputs: Vec<PathBuf>, chatbot: Option<String>, settings: Box<Settings> },
    /// A window of the store.
    Store { store: PathBuf, window: Window, chatbots: Vec<String> },
}

impl Args {
    /// Checks the arguments and reads the plan.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if arguments, settings or the plan are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let settings = globals.config()?.settings;
        let plan = self.plan.as_deref().map(TrackingPlan::read).transpose()?;
        let source = if self.inputs.is_empty() {
            let window = self.window.validate(30)?;
            Source::Store { store: globals.store.clone(), window, chatbots: self.chatbot }
        } else {
            if !self.window.is_empty() {
                return Err(Error::usage(
                    "--days, --from, --to and --as-of select events of the store, not of logs",
                )
                .hint("leave these flags out, or ingest the logs first"));
            }
            let mut chatbots = self.chatbot.into_iter();
            let chatbot = chatbots.next();
            if chatbots.next().is_some() {
                return Err(Error::usage("--chatbot is given more than once")
                    .hint("with logs, it is the chatbot of all lines without chatbot_id"));
            }
            // Check events of any age, and look up no locations.
            let settings =
                Settings { event_retention: Retention::Forever, geoip: None, key_file: None, ..settings };
            Source::Logs { inputs: self.inputs, chatbot, settings: Box::new(settings) }
        };
        let rules = |names: Vec<RuleName>| names.into_iter().map(|name| name.0).collect();
        Ok(Options {
            clock: globals.clock,
            source,
            lint: LintOptions {
                only: rules(self.only),
                ignored: rules(self.ignore),
                plan,
                infer_plan: self.infer_plan,
            },
            fail_on: self.fail_on,
            limit: self.limit.rows(),
            format: self.format,
        })
    }
}

/// Checks the events and prints the findings, or prints the inferred plan.
///
/// # Errors
/// [`ErrorKind::ConditionMet`] if there are more findings than `--fail-on` allows;
/// [`ErrorKind::PartialInput`] if a log cannot be read to its end, or no event can be read; the
/// errors of reading.
pub(super) fn run(options: Options, printer: &Printer) -> Result<()> {
    let Options { clock, source, lint, fail_on, limit, format } = options;
    let infer_plan = lint.infer_plan;
    let mut linter = Linter::new(lint);
    let mut problems = 0;
    let scope = match source {
        Source::Store { store, window, chatbots } => {
            lint_store(&Store::new(store), &mut linter, clock, Some(window), &chatbots, printer)?
        }
        Source::Logs { inputs, chatbot, settings } => {
            let scratch = ScratchStore::new()?;
            let store = scratch.store();
            let read = read_logs(&store, inputs, chatbot, &settings, clock, printer)?;
            problems = read.problems;
            if read.events > 0 {
                lint_store(&store, &mut linter, clock, None, &[], printer)?;
            }
            vec!["logs".to_owned()]
        }
    };
    if infer_plan {
        let plan = linter.into_plan();
        if plan.is_incomplete() {
            printer.note("the plan is incomplete: there are too many different events or properties");
        }
        printer.result(&render::text::escape_json_control(plan.to_json()))?;
    } else {
        let report = linter.finish();
        printer.result(&match format {
            SummaryFormat::Json => render::json(&report, "findings")?,
            SummaryFormat::Table => lint_table(&report, scope, limit, &printer.style()),
        })?;
        check(&report, fail_on)?;
    }
    match problems {
        0 => Ok(()),
        n => Err(Error::new(
            ErrorKind::PartialInput,
            format!("{} could not be read to the end", pluralize(n, "input", "inputs")),
        )
        .hint("see the errors above")),
    }
}

fn check(report: &LintReport, fail_on: Option<u64>) -> Result<()> {
    let findings = report.findings.len() as u64;
    match fail_on.filter(|most| findings > *most) {
        Some(most) => Err(Error::new(
            ErrorKind::ConditionMet,
            format!("{}, more than --fail-on {most}", pluralize(findings, "finding", "findings")),
        )),
        None => Ok(()),
    }
}

/// The logs that were read.
struct ReadLogs {
    /// The number of events to check.
    events: u64,
    /// The number of inputs that could not be read to their end.
    problems: u64,
}

/// Ingests logs into a temporary store.
///
/// # Errors
/// [`ErrorKind::PartialInput`] if there are lines or damaged inputs, but no event.
fn read_logs(
    store: &Store,
    inputs: Vec<PathBuf>,
    chatbot: Option<String>,
    settings: &Settings,
    clock: Clock,
    printer: &Printer,
) -> Result<ReadLogs> {
    let first = inputs.first().map_or_else(String::new, |input| input.display().to_string());
    let options = IngestOptions {
        map: None,
        timezone: None,
        inputs,
        chatbot,
        force: false,
        atomic: false,
        max_rejects: None,
        clock,
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: None,
        batches_per_commit: ingest::BATCHES_PER_COMMIT,
    };
    let bar = Bar::new(printer, "read");
    let report = ingest::run(store, &settings.clone().into(), &options, &bar);
    bar.finish();
    let report = report?;
    report.problems.iter().for_each(|problem| printer.error(problem));
    if let Some(failure) = report.failure {
        return Err(failure);
    }
    let total = &report.summary.total;
    let problems = report.problems.len() as u64;
    if total.stored == 0 && (total.read > 0 || problems > 0) {
        let outcomes = [(total.rejected_total(), "rejected"), (total.ignored, "ignored")];
        let outcomes = outcomes.into_iter().filter(|(lines, _)| *lines > 0);
        let outcomes: Vec<String> =
            outcomes.map(|(lines, outcome)| format!("{} {outcome}", group_digits(lines))).collect();
        let message = match outcomes.is_empty() {
            true => "no event could be read; nothing was checked".to_owned(),
            false => format!("no event could be read ({}); nothing was checked", outcomes.join(", ")),
        };
        let preview = quote_file(&first);
        let error = Error::new(ErrorKind::PartialInput, message);
        return Err(match total.read {
            0 => error,
            _ => error.hint(format!("run `wa preview {preview}` to see how the file is read")),
        });
    }
    let rejected = total.rejected_total();
    if rejected > 0 {
        printer.note(&format!(
            "{} rejected and not checked: `wa ingest` shows why",
            pluralize(rejected, "line was", "lines were")
        ));
    }
    Ok(ReadLogs { events: total.stored, problems })
}

/// Checks the events of a window of a store, or all, oldest first. Returns the parts of the title.
fn lint_store(
    store: &Store,
    linter: &mut Linter,
    clock: Clock,
    window: Option<Window>,
    chatbots: &[String],
    printer: &Printer,
) -> Result<Vec<String>> {
    let snapshot = store.snapshot()?;
    let window = resolve(&snapshot, clock, window)?;
    report::check_chatbots(&snapshot, chatbots)?;
    let snapshot = &snapshot.pin_files(Table::Events, Some(window.utc_dates(snapshot.zone())))?;
    let query = EventQuery { chatbots: chatbots.to_vec(), newest_first: false, ..EventQuery::all(window) };
    let list = list_events(snapshot, &query, &COLUMNS, &mut |frame| {
        linter.add(frame)?;
        Ok(ControlFlow::Continue(()))
    })?;
    list.notes.iter().for_each(|note| printer.note(note));
    let chatbots = if chatbots.is_empty() { "all chatbots".to_owned() } else { chatbots.join(", ") };
    Ok(vec![crate::render::text::escape_control(&chatbots).into_owned(), window.to_string()])
}

fn resolve(snapshot: &Snapshot, clock: Clock, window: Option<Window>) -> Result<report::Window> {
    let today = snapshot.zone().day(clock.now);
    let days = snapshot.event_days().or(snapshot.days());
    let (from, to) = match window {
        Some(window) => window.resolve(today, days.map(|(_, last)| last))?,
        None => days.unwrap_or((today, today)),
    };
    Ok(report::Window { from, to, today })
}
