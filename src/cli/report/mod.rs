//! `wa report`: prints reports.

pub(super) mod dashboard;
pub mod distributed;
mod each_chatbot;
mod flags;
mod funnel_flags;
mod paths_flags;
mod stream;

use std::path::PathBuf;

use flags::{CommonArgs, Report};
use funnel_flags::FunnelArgs;
use paths_flags::PathsArgs;

use super::args::values::{Limit, ReportFormat};
use super::args::window::{self, Moment, Window};
use super::{Globals, Printer};
use crate::config::Annotation;
use crate::error::{Error, Result};
use crate::render::Format;
use crate::render::pieces::print_pieces;
use crate::report::condition::{self, Condition};
use crate::report::{
    self, Definitions, Field, HeatmapMetric, Query, ReportKind, ReportOutcome, ReportRequest,
    RetentionOptions, SequenceOptions, Subject, TrendInterval, Where, segment_conditions,
};
use crate::store::{Snapshot, Store};
use crate::time::{Clock, Day};

/// Show reports: summary (the default), trends, events, sources, devices and more
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
    report: Option<Report>,
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
    /// The conditions that sessions must satisfy.
    conditions: Vec<Where>,
    /// The fields of a breakdown.
    by: Vec<Field>,
    compare: bool,
    /// The number of rows; `None` for the default of the report and the format.
    limit: Option<Limit>,
    /// The page of sessions, from 1.
    page: usize,
    session_id: Option<String>,
    visitor: Option<String>,
    /// The time of `active`.
    moment: Moment,
    heatmap_metric: HeatmapMetric,
    retention: RetentionOptions,
    interval: TrendInterval,
    /// The annotations of `wa.toml`.
    annotations: Vec<Annotation>,
    fail_if: Vec<Condition>,
    sequences: SequenceOptions,
    format: Format,
}

/// The arguments that only some reports have.
#[derive(Default)]
struct SpecificArgs {
    compare: bool,
    limit: Option<Limit>,
    page: Option<u64>,
    session_id: Option<String>,
    visitor: Option<String>,
    moment: Option<Moment>,
    heatmap_metric: HeatmapMetric,
    retention: RetentionOptions,
    interval: TrendInterval,
    fail_if: Vec<String>,
    sequences: SequenceOptions,
    funnel: Option<FunnelArgs>,
    paths: Option<PathsArgs>,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let (kind, common, specific) = split(self.report.unwrap_or_default());
        // In `all`, `--as-of latest` also applies to `active`: the time of the newest event.
        let latest = common.window.is_as_of_latest().then_some(Moment::Latest);
        let window = match kind {
            ReportKind::Active => None,
            ReportKind::Sessions if common.window.is_empty() => None,
            ReportKind::Retention => {
                Some(common.window.validate(specific.retention.interval.default_days())?)
            }
            kind => Some(common.window.validate(kind.default_days())?),
        };
        let conditions = common.scope.conditions.iter();
        let conditions = conditions.map(|text| Where::parse("--where", text, Subject::Sessions));
        let mut conditions = conditions.collect::<Result<Vec<_>>>()?;
        let config = globals.config()?;
        conditions.extend(segment_conditions(&config, &common.scope.segment, Subject::Sessions)?);
        let by = common.scope.by.iter().map(|name| Field::parse(name, Subject::Sessions));
        let by = by.collect::<Result<Vec<_>>>()?;
        let lists = specific.sequences.lists_conversations;
        if kind == ReportKind::Conversations && specific.limit.is_some() && !lists && by.is_empty() {
            return Err(Error::usage("--limit needs --list or --by")
                .hint("add --list to list conversations, or --by FIELD for the figures of each value"));
        }
        let mut chatbots = common.scope.chatbot;
        chatbots.sort();
        chatbots.dedup();
        let fail_if =
            specific.fail_if.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>>>()?;
        if common.scope.by_chatbot && !fail_if.is_empty() {
            return Err(Error::usage("--fail-if cannot be combined with --by-chatbot")
                .hint("run the report once per chatbot, with --chatbot ID"));
        }
        // The manifest has the other settings that a report needs.
        let definitions = Definitions::new(&config)?;
        let paths = specific.paths.unwrap_or_default().validate()?;
        let funnel = specific.funnel.unwrap_or_default().validate(&definitions)?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            kind,
            window,
            chatbots,
            by_chatbot: common.scope.by_chatbot,
            include_bots: common.scope.include_bots,
            conditions,
            by,
            compare: specific.compare || fail_if.iter().any(Condition::needs_comparison),
            limit: specific.limit,
            page: specific.page.and_then(|page| usize::try_from(page).ok()).unwrap_or(1),
            session_id: specific.session_id,
            visitor: specific.visitor,
            moment: specific.moment.or(latest).unwrap_or(Moment::At(globals.clock.now)),
            heatmap_metric: specific.heatmap_metric,
            retention: specific.retention,
            interval: specific.interval,
            annotations: config.annotations,
            fail_if,
            sequences: SequenceOptions { funnel, paths, definitions, ..specific.sequences },
            format: match common.format.format {
                ReportFormat::Table => Format::Table,
                ReportFormat::Json => Format::Json,
                ReportFormat::Csv => Format::Csv,
                ReportFormat::Markdown => Format::Markdown,
                ReportFormat::Html => Format::Html,
            },
        })
    }
}

/// Splits the arguments of a report into the common and the specific ones.
fn split(report: Report) -> (ReportKind, CommonArgs, SpecificArgs) {
    let none = SpecificArgs::default;
    match report {
        Report::Summary { common, limit, compare, fail } => {
            let specific = SpecificArgs {
                compare: compare.compare,
                fail_if: fail.fail_if,
                limit: limit.limit,
                ..none()
            };
            (ReportKind::Summary, common, specific)
        }
        Report::Trends { common, limit, compare, interval } => {
            let (compare, interval) = (compare.compare, interval.into());
            (ReportKind::Trends, common, SpecificArgs { compare, limit: limit.limit, interval, ..none() })
        }
        Report::Events { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit, ..none() };
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
        Report::Active { scope, fail, format, as_of } => {
            let common = CommonArgs { window: window::Args::default(), scope, format };
            (ReportKind::Active, common, SpecificArgs { moment: as_of, fail_if: fail.fail_if, ..none() })
        }
        Report::Sessions { common, page, limit, session_id, visitor } => {
            (ReportKind::Sessions, common, SpecificArgs { page, limit, session_id, visitor, ..none() })
        }
        Report::Performance { common, compare, fail, limit } => {
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            (ReportKind::Performance, common, SpecificArgs { limit: limit.limit, ..specific })
        }
        Report::Pages { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit: limit.limit, ..none() };
            (ReportKind::Pages, common, specific)
        }
        Report::Locations { common, compare, limit } => {
            let specific = SpecificArgs { compare: compare.compare, limit: limit.limit, ..none() };
            (ReportKind::Locations, common, specific)
        }
        Report::Visitors { common, limit, compare, fail } => {
            let specific = SpecificArgs {
                compare: compare.compare,
                fail_if: fail.fail_if,
                limit: limit.limit,
                ..none()
            };
            (ReportKind::Visitors, common, specific)
        }
        Report::Heatmap { common, compare, values, metric } => {
            let specific = SpecificArgs { heatmap_metric: metric.into(), limit: values.limit, ..none() };
            (ReportKind::Heatmap, common, SpecificArgs { compare: compare.compare, ..specific })
        }
        Report::Retention { common, compare, fail, values, interval, unbounded, return_event } => {
            let retention = RetentionOptions { interval: interval.into(), unbounded, return_event };
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            let specific = SpecificArgs { limit: values.limit, ..specific };
            (ReportKind::Retention, common, SpecificArgs { retention, ..specific })
        }
        Report::Conversations { common, compare, fail, list, limit } => {
            let sequences = SequenceOptions { lists_conversations: list, ..SequenceOptions::default() };
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            (ReportKind::Conversations, common, SpecificArgs { limit, sequences, ..specific })
        }
        Report::Funnel { common, compare, fail, values, funnel } => {
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            let (funnel, limit) = (Some(funnel), values.limit);
            (ReportKind::Funnel, common, SpecificArgs { funnel, limit, ..specific })
        }
        Report::Goals { common, compare, fail, values } => {
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            (ReportKind::Goals, common, SpecificArgs { limit: values.limit, ..specific })
        }
        Report::Paths { common, compare, fail, paths, limit } => {
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            (ReportKind::Paths, common, SpecificArgs { paths: Some(paths), limit, ..specific })
        }
        Report::All { common, compare, fail, limit } => {
            let specific = SpecificArgs { compare: compare.compare, fail_if: fail.fail_if, ..none() };
            (ReportKind::All, common, SpecificArgs { limit: limit.limit, ..specific })
        }
    }
}

impl Options {
    /// Returns whether lists have all rows.
    fn lists_all(&self) -> bool {
        self.limit == Some(Limit::All) || (self.limit.is_none() && self.format == Format::Csv)
    }

    /// Returns whether the report lists sessions or conversations that may not fit in memory.
    fn is_long_list(&self) -> bool {
        let is_look_up = self.session_id.is_some() || self.visitor.is_some();
        let is_list = match self.kind {
            ReportKind::Sessions => !is_look_up && self.page == 1,
            ReportKind::Conversations => self.sequences.lists_conversations && self.is_figures_only(),
            _ => false,
        };
        is_list && self.lists_all() && matches!(self.format, Format::Csv | Format::Json) && !self.by_chatbot
    }

    /// Returns whether the report of each chatbot is printed separately, since all reports together
    /// may not fit in memory. No `--fail-if` condition needs them, because that option cannot be
    /// combined with `--by-chatbot`.
    fn prints_each_chatbot(&self) -> bool {
        self.by_chatbot && self.kind != ReportKind::All && matches!(self.format, Format::Csv | Format::Json)
    }

    /// Returns whether nothing but the figures of the window is requested.
    fn is_figures_only(&self) -> bool {
        !self.compare && self.by.is_empty() && self.fail_if.is_empty()
    }
}

/// Computes and prints the report.
///
/// # Errors
/// The error of the report; [`crate::ErrorKind::ConditionMet`] if a `--fail-if` condition is met.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    if options.is_long_list() {
        stream::list(options, printer)?.iter().for_each(|note| printer.note(note));
        return Ok(());
    }
    if options.prints_each_chatbot() {
        each_chatbot::print(options, printer)?.iter().for_each(|note| printer.note(note));
        return Ok(());
    }
    if options.format == Format::Html && printer.is_terminal() {
        return Err(Error::usage("HTML cannot be shown on a terminal")
            .hint("redirect it, as in `wa report --format html > report.html`"));
    }
    let computed = Store::new(&options.store).read_consistently(|snapshot| compute(options, snapshot))?;
    print_pieces(&computed.outcome, options.format, &printer.style(), &mut |text| printer.result(text))?;
    computed.outcome.notes().iter().for_each(|note| printer.note(note));
    if options.kind == ReportKind::All && options.format == Format::Csv {
        printer.note("sessions are not included; use `wa report sessions --format csv`");
    }
    for warning in &computed.undecided {
        // A condition that cannot be evaluated must be reported even with `--quiet`.
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
    let window = resolve(options.window, snapshot, snapshot.zone().day(options.clock.now))?;
    let request = request(options, snapshot, window);
    let outcome = report::run(snapshot, &request)?;
    let (undecided, condition_met) = condition::evaluate(&options.fail_if, snapshot, &request, &outcome)?;
    Ok(Computed { outcome, undecided, condition_met })
}

/// Returns the request that the options describe.
fn request(options: &Options, snapshot: &Snapshot, window: report::Window) -> ReportRequest {
    let query = Query { window, chatbots: options.chatbots.clone(), include_bots: options.include_bots };
    let moment = options.moment.resolve(options.clock.now, snapshot.newest_event());
    ReportRequest {
        has_window: options.window.is_some(),
        compare: options.compare,
        limit: match options.limit {
            None if options.format == Format::Csv => None,
            None => options.kind.default_limit(options.format.is_for_people()),
            Some(Limit::All) => None,
            Some(Limit::First(rows)) => Some(rows),
        },
        lists_all: options.lists_all(),
        // The CSV of `all` has one row per metric, so it cannot contain a list of sessions.
        with_sessions: options.format != Format::Csv,
        by_chatbot: options.by_chatbot,
        page: options.page,
        session_id: options.session_id.clone(),
        visitor: options.visitor.clone(),
        timeline_limit: match (options.format, options.limit) {
            // CSV has no events.
            (Format::Csv, _) => Some(0),
            (_, Some(Limit::All)) => None,
            _ => Some(report::TIMELINE_LIMIT),
        },
        heatmap_metric: options.heatmap_metric,
        retention: options.retention.clone(),
        interval: options.interval,
        annotations: options.annotations.clone(),
        sequences: options.sequences.clone(),
        conditions: options.conditions.clone(),
        by: options.by.clone(),
        by_limit: match options.limit {
            None => Some(options.kind.default_groups(options.format.is_for_people())),
            Some(limit) => limit.rows(),
        },
        ..ReportRequest::new(options.kind, query, moment)
    }
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
