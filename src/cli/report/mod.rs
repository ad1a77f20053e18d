//! `wa report`: prints reports.

mod flags;

use std::path::PathBuf;

use flags::{CommonArgs, Report};

use super::args::values::ReportFormat;
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::render::{Format, render};
use crate::report::condition::{self, Condition};
use crate::report::{self, Query, ReportKind, ReportOutcome, ReportRequest};
use crate::store::{Snapshot, Store};
use crate::time::{Clock, Day, Micros};

/// Show reports: summary, trends, events, sources, devices and more
///
/// All reports attribute a session to the day on which it started, so their numbers agree. Bot
/// sessions are excluded, and their number is shown.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_value_name = "report",
    subcommand_help_heading = "Reports",
    after_help = "\
Examples:
  wa report summary --days 7 --as-of yesterday --compare
      compare the last seven complete days with the seven days before
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      report on a month, for a wiki or a chat"
)]
pub(super) struct Args {
    #[command(subcommand)]
    report: Report,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    kind: ReportKind,
    /// The days; `None` for all days with data (`active`, and `sessions` without a window).
    window: Option<Window>,
    /// The chatbots without duplicates; empty for all chatbots together.
    chatbots: Vec<String>,
    by_chatbot: bool,
    include_bots: bool,
    compare: bool,
    limit: Option<usize>,
    /// The page of sessions, from 1.
    page: usize,
    session_id: Option<String>,
    visitor: Option<String>,
    /// The time of `active`.
    moment: Micros,
    fail_if: Vec<Condition>,
    format: Format,
}

/// The arguments that only some reports have.
#[derive(Default)]
struct SpecificArgs {
    compare: bool,
    limit: Option<u32>,
    page: Option<u64>,
    session_id: Option<String>,
    visitor: Option<String>,
    moment: Option<Micros>,
    fail_if: Vec<String>,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let (kind, common, specific) = split(self.report);
        let window = match kind {
            ReportKind::Active => None,
            ReportKind::Sessions if common.window.is_empty() => None,
            kind => Some(common.window.validate(kind.default_days())?),
        };
        let mut chatbots = common.scope.chatbot;
        chatbots.sort();
        chatbots.dedup();
        let fail_if =
            specific.fail_if.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>>>()?;
        if common.scope.by_chatbot && !fail_if.is_empty() {
            return Err(Error::usage("--fail-if cannot be combined with --by-chatbot")
                .hint("run the report once per chatbot, with --chatbot ID"));
        }
        // A report uses the settings that the store was created with. Reading the current ones
        // reports invalid settings.
        globals.config()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            kind,
            window,
            chatbots,
            by_chatbot: common.scope.by_chatbot,
            include_bots: common.scope.include_bots,
            compare: specific.compare || fail_if.iter().any(Condition::needs_comparison),
            limit: specific.limit.map(|limit| limit as usize),
            page: specific.page.and_then(|page| usize::try_from(page).ok()).unwrap_or(1),
            session_id: specific.session_id,
            visitor: specific.visitor,
            moment: specific.moment.unwrap_or(globals.clock.now),
            fail_if,
            format: match common.format.format {
                ReportFormat::Table => Format::Table,
                ReportFormat::Json => Format::Json,
                ReportFormat::Csv => Format::Csv,
                ReportFormat::Markdown => Format::Markdown,
            },
        })
    }
}

/// Splits the arguments of a report into the common and the specific ones.
fn split(report: Report) -> (ReportKind, CommonArgs, SpecificArgs) {
    let none = SpecificArgs::default;
    match report {
        Report::Summary { common, compare, fail_if } => {
            (ReportKind::Summary, common, SpecificArgs { compare: compare.compare, fail_if, ..none() })
        }
        Report::Trends { common, compare } => {
            (ReportKind::Trends, common, SpecificArgs { compare: compare.compare, ..none() })
        }
        Report::Events { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit: Some(limit), ..none() };
            (ReportKind::Events, common, specific)
        }
        Report::Sources { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit: limit.limit, ..none() };
            (ReportKind::Sources, common, specific)
        }
        Report::Devices { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit: limit.limit, ..none() };
            (ReportKind::Devices, common, specific)
        }
        Report::Active { scope, format, as_of } => {
            let common = CommonArgs { window: window::Args::default(), scope, format };
            (ReportKind::Active, common, SpecificArgs { moment: as_of, ..none() })
        }
        Report::Sessions { common, page, limit, session_id, visitor } => {
            let (page, limit) = (Some(page), Some(limit));
            (ReportKind::Sessions, common, SpecificArgs { page, limit, session_id, visitor, ..none() })
        }
        Report::Performance { common, limit } => {
            (ReportKind::Performance, common, SpecificArgs { limit: limit.limit, ..none() })
        }
        Report::Pages { common, limit } => {
            (ReportKind::Pages, common, SpecificArgs { limit: limit.limit, ..none() })
        }
        Report::Locations { common, limit } => {
            (ReportKind::Locations, common, SpecificArgs { limit: limit.limit, ..none() })
        }
        Report::Visitors { common } => (ReportKind::Visitors, common, none()),
        Report::All { common } => (ReportKind::All, common, none()),
    }
}

/// Computes and prints the report.
///
/// # Errors
/// The error of the report; [`crate::ErrorKind::ConditionMet`] if a `--fail-if` condition is met.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let computed = Store::new(&options.store).read_consistently(|snapshot| compute(options, snapshot))?;
    printer.result(&render(&computed.outcome, options.format, &printer.style())?)?;
    computed.outcome.notes().iter().for_each(|note| printer.note(note));
    if options.kind == ReportKind::All && options.format == Format::Csv {
        printer.note("sessions are not included; use `wa report sessions --format csv`");
    }
    for warning in &computed.undecided {
        // An alarm that cannot fire must not be silent with `--quiet`.
        printer.needs_attention();
        printer.warn(warning);
    }
    computed.condition_met.map_or(Ok(()), Err)
}

/// A report, and the outcome of `--fail-if`.
struct Computed {
    outcome: ReportOutcome,
    /// Warnings about conditions on unknown values.
    undecided: Vec<String>,
    /// The error if a condition is met.
    condition_met: Option<Error>,
}

fn compute(options: &Options, snapshot: &Snapshot) -> Result<Computed> {
    let today = snapshot.zone().day(options.clock.now);
    let window = resolve(options.window, snapshot, today)?;
    let query = Query { window, chatbots: options.chatbots.clone(), include_bots: options.include_bots };
    let request = ReportRequest {
        has_window: options.window.is_some(),
        compare: options.compare,
        limit: options.limit.or(options.kind.default_limit(options.format.is_for_people())),
        by_chatbot: options.by_chatbot,
        page: options.page,
        session_id: options.session_id.clone(),
        visitor: options.visitor.clone(),
        ..ReportRequest::new(options.kind, query, options.moment)
    };
    if options.fail_if.is_empty() {
        let outcome = report::run(snapshot, &request)?;
        return Ok(Computed { outcome, undecided: Vec::new(), condition_met: None });
    }
    report::check_chatbots(snapshot, &request.query.chatbots)?;
    let summary = report::summary::summary(snapshot, &request.query, request.compare)?;
    let (undecided, condition_met) = condition::evaluate(&options.fail_if, &summary);
    Ok(Computed { outcome: ReportOutcome::One(Box::new(summary)), undecided, condition_met })
}

/// Returns the selected days, or all days with data.
fn resolve(window: Option<Window>, snapshot: &Snapshot, today: Day) -> Result<report::Window> {
    let days = snapshot.days();
    let (from, to) = match window {
        Some(window) => window.resolve(today, days.map(|(_, last)| last))?,
        None => days.unwrap_or((today, today)),
    };
    Ok(report::Window { from, to, today })
}
