//! `wa report`: figures of a window of days.

pub(crate) mod flags;
pub(crate) mod threads;

use std::path::PathBuf;

use flags::{Common, Report};

use super::args::values::ReportFormat;
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::render::{Format, Style, render};
use crate::report::condition::Condition;
use crate::report::{self, Query, ReportKind, ReportOutcome, ReportRequest};
use crate::store::{Snapshot, Store};
use crate::time::{Clock, Day, Micros};

/// Show figures: summary, trends, events, sources, devices, and more
///
/// Every count belongs to the day on which its session started, so all reports agree. Robots are
/// left out, and their number is shown.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_value_name = "report",
    subcommand_help_heading = "Reports",
    after_help = "\
Examples:
  wa report summary --days 30
      the last 30 days, today included
  wa report summary --days 7 --as-of yesterday --compare
      the last seven whole days beside the seven before
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      a month, to be pasted"
)]
pub struct Args {
    #[command(subcommand)]
    report: Report,
}

/// What a report needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// Which report.
    pub kind: ReportKind,
    /// The days; `None` for all that are kept (sessions without days, and active).
    pub window: Option<Window>,
    /// The chatbots; all together where empty. Each is named once.
    pub chatbots: Vec<String>,
    /// One report for each chatbot.
    pub by_chatbot: bool,
    /// Count robots too.
    pub include_bots: bool,
    /// Beside the period before.
    pub compare: bool,
    /// How many rows a list has at most.
    pub limit: Option<usize>,
    /// Which page, from 1.
    pub page: usize,
    /// The session to look up.
    pub session_id: Option<String>,
    /// The visitor to look up.
    pub visitor: Option<String>,
    /// The time to look from, for active.
    pub moment: Micros,
    /// Conditions under which the run fails.
    pub fail_if: Vec<Condition>,
    /// How to write it.
    pub format: ReportFormat,
}

/// What only some reports take.
#[derive(Default)]
struct Extra {
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
    /// [`crate::ErrorKind::Usage`] where they make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let plain = Extra::default;
        let (kind, common, extra) = match self.report {
            Report::Summary { common, compare, fail_if } => {
                (ReportKind::Summary, common, Extra { compare: compare.compare, fail_if, ..plain() })
            }
            Report::Trends { common, compare } => {
                (ReportKind::Trends, common, Extra { compare: compare.compare, ..plain() })
            }
            Report::Events { common, compare, limit } => (
                ReportKind::Events,
                common,
                Extra { compare: compare.compare, limit: Some(limit), ..plain() },
            ),
            Report::Sources { common, compare, limit } => (
                ReportKind::Sources,
                common,
                Extra { compare: compare.compare, limit: limit.limit, ..plain() },
            ),
            Report::Devices { common, compare, limit } => (
                ReportKind::Devices,
                common,
                Extra { compare: compare.compare, limit: limit.limit, ..plain() },
            ),
            Report::Active { scope, shape, as_of } => {
                let common = Common { window: window::Args::default(), scope, shape };
                (ReportKind::Active, common, Extra { moment: as_of, ..plain() })
            }
            Report::Sessions { common, page, limit, session_id, visitor } => {
                let (page, limit) = (Some(page), Some(limit));
                (ReportKind::Sessions, common, Extra { page, limit, session_id, visitor, ..plain() })
            }
            Report::Performance { common, limit } => {
                (ReportKind::Performance, common, Extra { limit: limit.limit, ..plain() })
            }
            Report::Pages { common, limit } => {
                (ReportKind::Pages, common, Extra { limit: limit.limit, ..plain() })
            }
            Report::Locations { common, limit } => {
                (ReportKind::Locations, common, Extra { limit: limit.limit, ..plain() })
            }
            Report::Visitors { common } => (ReportKind::Visitors, common, plain()),
            Report::All { common } => (ReportKind::All, common, plain()),
        };
        let window = match kind {
            ReportKind::Active => None,
            ReportKind::Sessions if common.window.is_empty() => None,
            kind => Some(common.window.validate(kind.default_days())?),
        };
        let mut chatbots = common.scope.chatbot;
        chatbots.sort();
        chatbots.dedup();
        let fail_if = extra.fail_if.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>>>()?;
        if common.scope.by_chatbot && !fail_if.is_empty() {
            return Err(Error::usage("--fail-if looks at one summary, --by-chatbot makes several")
                .hint("run it once for each chatbot, with --chatbot ID"));
        }
        // Reports go by the settings that the store was made with, but wrong ones are said at once.
        globals.settings()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            kind,
            window,
            chatbots,
            by_chatbot: common.scope.by_chatbot,
            include_bots: common.scope.include_bots,
            compare: extra.compare || fail_if.iter().any(Condition::needs_comparison),
            limit: extra.limit.map(|limit| limit as usize),
            page: extra.page.and_then(|page| usize::try_from(page).ok()).unwrap_or(1),
            session_id: extra.session_id,
            visitor: extra.visitor,
            moment: extra.moment.unwrap_or(globals.clock.now),
            fail_if,
            format: common.shape.format,
        })
    }
}

/// Computes the report and prints it.
///
/// # Errors
/// What the report returns; [`crate::ErrorKind::ConditionMet`] where a `--fail-if` holds.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let format = match options.format {
        ReportFormat::Table => Format::Table,
        ReportFormat::Json => Format::Json,
        ReportFormat::Csv => Format::Csv,
        ReportFormat::Markdown => Format::Markdown,
    };
    let (outcome, unknown_conditions, failed) = Store::new(&options.store).read_consistently(|snapshot| {
        // Not before there is something to count.
        threads::start();
        compute(options, snapshot, format.is_for_people())
    })?;
    printer.result(&render(&outcome, format, &style(printer))?)?;
    outcome.notes().iter().for_each(|note| printer.note(note));
    if options.kind == ReportKind::All && format == Format::Csv {
        printer
            .note("the list of sessions has columns of its own: `wa report sessions --format csv` writes it");
    }
    for unknown in &unknown_conditions {
        // Whoever waits for an alarm is told that there can be none.
        printer.needs_attention();
        printer.warn(unknown);
    }
    failed.map_or(Ok(()), Err)
}

/// Returns how tables look on this output.
pub(crate) fn style(printer: &Printer) -> Style {
    Style {
        width: printer.width().unwrap_or(PIPE_WIDTH),
        colour: printer.color(),
        terminal: printer.is_terminal(),
    }
}

/// Cells of a table in a pipe.
const PIPE_WIDTH: usize = 100;

fn compute(
    options: &Options,
    snapshot: &Snapshot,
    for_people: bool,
) -> Result<(ReportOutcome, Vec<String>, Option<Error>)> {
    let today = snapshot.zone().day(options.clock.now);
    let window = resolve(options.window, snapshot, today)?;
    let query = Query { window, chatbots: options.chatbots.clone(), include_bots: options.include_bots };
    let request = ReportRequest {
        has_window: options.window.is_some(),
        compare: options.compare,
        limit: options.limit.or(options.kind.default_limit(for_people)),
        by_chatbot: options.by_chatbot,
        page: options.page,
        session_id: options.session_id.clone(),
        visitor: options.visitor.clone(),
        ..ReportRequest::new(options.kind, query, options.moment)
    };
    if options.fail_if.is_empty() {
        return Ok((report::run(snapshot, &request)?, Vec::new(), None));
    }
    report::check_chatbots(snapshot, &request.query.chatbots)?;
    let summary = report::summary::summary(snapshot, &request.query, request.compare)?;
    let (unknown_conditions, failed) = report::condition::evaluate(&options.fail_if, &summary);
    Ok((ReportOutcome::One(Box::new(summary)), unknown_conditions, failed))
}

/// Returns the days that were asked for; all that hold data, where none were.
pub(crate) fn resolve(window: Option<Window>, snapshot: &Snapshot, today: Day) -> Result<report::Window> {
    let held = snapshot.days();
    let (from, to) = match window {
        Some(window) => window.resolve(today, held.map(|(_, last)| last))?,
        None => held.unwrap_or((today, today)),
    };
    Ok(report::Window { from, to, today })
}
