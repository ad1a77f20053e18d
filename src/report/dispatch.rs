//! Computes the reports of a request, of any kind.

use std::collections::HashSet;

use super::active::active;
use super::answer::Answer;
use super::answer::session_report::compare_with_previous;
use super::calendar::heatmap::{HeatmapMetric, heatmap};
use super::calendar::intervals::{TrendInterval, interval_trends};
use super::calendar::periods::Interval;
use super::calendar::retention::{RetentionOptions, retention};
use super::conversations::{ConversationsOptions, conversations};
use super::devices::devices;
use super::events::events;
use super::funnel::{FunnelOptions, funnel};
use super::goals::goals;
use super::locations::locations;
use super::pages::pages;
use super::paths::{PathsOptions, paths};
use super::performance::performance;
use super::query::Query;
use super::query::by_chatbot::ChatbotPartitions;
use super::query::chatbots::check_chatbots;
use super::query::filter::{Field, Where};
use super::query::tables::Tables;
use super::selected::breakdown::{DEFAULT_GROUPS, break_down};
use super::selected::each_chatbot::each_chatbot;
use super::selected::filtered::{note_on_selection, resolve_fields, with_selected_sessions};
use super::sequence::definitions::Definitions;
use super::sessions::{self, SessionsQuery, sessions};
use super::sources::sources;
use super::summary::summary;
use super::timeline::TIMELINE_LIMIT;
use super::trends::trends;
use super::visitors::visitors;
use crate::config::Annotation;
use crate::error::{Error, Result};
use crate::time::Micros;

/// A kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// The main metrics of a window.
    Summary,
    /// A row for each day.
    Trends,
    /// The most frequent event names.
    Events,
    /// Campaign sources, referring domains and channels.
    Sources,
    /// Device types, browsers and operating systems.
    Devices,
    /// Sessions active at a moment.
    Active,
    /// A list of sessions.
    Sessions,
    /// Response times, load times and errors.
    Performance,
    /// Landing pages.
    Pages,
    /// Countries and cities.
    Locations,
    /// New and returning visitors.
    Visitors,
    /// Sessions by weekday and hour.
    Heatmap,
    /// Cohorts of visitors that came back.
    Retention,
    /// Replies, waiting times and ratings of conversations.
    Conversations,
    /// The steps that sessions or visitors pass.
    Funnel,
    /// The goals that the settings define.
    Goals,
    /// The most frequent sequences of events or pages.
    Paths,
    /// All reports.
    All,
}

impl ReportKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [ReportKind; 18] = [
        ReportKind::Summary,
        ReportKind::Trends,
        ReportKind::Events,
        ReportKind::Sources,
        ReportKind::Devices,
        ReportKind::Active,
        ReportKind::Sessions,
        ReportKind::Performance,
        ReportKind::Pages,
        ReportKind::Locations,
        ReportKind::Visitors,
        ReportKind::Heatmap,
        ReportKind::Retention,
        ReportKind::Conversations,
        ReportKind::Funnel,
        ReportKind::Goals,
        ReportKind::Paths,
        ReportKind::All,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ReportKind::Summary => "summary",
            ReportKind::Trends => "trends",
            ReportKind::Events => "events",
            ReportKind::Sources => "sources",
            ReportKind::Devices => "devices",
            ReportKind::Active => "active",
            ReportKind::Sessions => "sessions",
            ReportKind::Performance => "performance",
            ReportKind::Pages => "pages",
            ReportKind::Locations => "locations",
            ReportKind::Visitors => "visitors",
            ReportKind::Heatmap => "heatmap",
            ReportKind::Retention => "retention",
            ReportKind::Conversations => "conversations",
            ReportKind::Funnel => "funnel",
            ReportKind::Goals => "goals",
            ReportKind::Paths => "paths",
            ReportKind::All => "all",
        }
    }

    /// Returns the kind with a name. `traffic-sources` is an alias of `sources`.
    pub fn from_name(name: &str) -> Option<ReportKind> {
        if name == "traffic-sources" {
            return Some(ReportKind::Sources);
        }
        ReportKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the default number of days in a window.
    pub fn default_days(self) -> u32 {
        match self {
            ReportKind::Events => 7,
            // In whole weeks, each weekday occurs equally often.
            ReportKind::Heatmap => 28,
            ReportKind::Retention => Interval::default().default_days(),
            _ => 30,
        }
    }

    /// Returns the default maximum number of rows in a list; `None` for all rows. `for_people` is
    /// true for tables, which have fewer rows than JSON and CSV.
    pub fn default_limit(self, for_people: bool) -> Option<usize> {
        match self {
            ReportKind::Events => Some(10),
            ReportKind::Sessions | ReportKind::Conversations | ReportKind::Paths => {
                Some(sessions::DEFAULT_LIMIT)
            }
            _ if for_people => Some(10),
            _ => None,
        }
    }

    /// Returns whether the report can be compared with the previous period. `active` has no period,
    /// and the sessions that `sessions` lists differ between periods.
    pub fn supports_compare(self) -> bool {
        !matches!(self, ReportKind::Active | ReportKind::Sessions)
    }

    /// Returns the default number of values of a breakdown. `for_people` is true for tables. In
    /// those of some reports, each value takes many lines.
    pub fn default_groups(self, for_people: bool) -> usize {
        match self {
            ReportKind::Heatmap | ReportKind::Retention if for_people => 3,
            _ => DEFAULT_GROUPS,
        }
    }

    /// Returns whether the report supports `--by`. A list of sessions has no figures.
    fn supports_breakdown(self) -> bool {
        self != ReportKind::Sessions
    }

    /// Returns whether the report computes the comparison itself. The answers of all other reports
    /// are compared with their answers for the previous period.
    fn compares_itself(self) -> bool {
        !matches!(
            self,
            ReportKind::Performance
                | ReportKind::Visitors
                | ReportKind::Conversations
                | ReportKind::Funnel
                | ReportKind::Goals
                | ReportKind::Paths
                | ReportKind::Heatmap
                | ReportKind::Retention
        )
    }

    /// Returns whether the report is computed from events, which may be pruned before their
    /// sessions.
    pub(super) fn needs_events(self) -> bool {
        !matches!(
            self,
            ReportKind::Summary
                | ReportKind::Trends
                | ReportKind::Events
                | ReportKind::Sources
                | ReportKind::Devices
                | ReportKind::Active
                | ReportKind::Sessions
                | ReportKind::Pages
                | ReportKind::Locations
                | ReportKind::Visitors
                | ReportKind::Heatmap
                | ReportKind::Retention
        )
    }

    /// Returns whether the report has lists that a limit shortens.
    pub fn has_limit(self) -> bool {
        !matches!(
            self,
            ReportKind::Summary
                | ReportKind::Trends
                | ReportKind::Active
                | ReportKind::Visitors
                | ReportKind::Heatmap
                | ReportKind::Retention
                | ReportKind::Funnel
                | ReportKind::Goals
        )
    }
}

/// A request for a report.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// The kind of report.
    pub kind: ReportKind,
    /// The days, the chatbots, and whether bot sessions are counted.
    pub query: Query,
    /// Whether days were requested. Without them, `sessions` lists all retained sessions.
    pub has_window: bool,
    /// Whether the report is compared with the previous period.
    pub compare: bool,
    /// The maximum number of rows in a list; `None` for the default of JSON: all rows, except 10 in
    /// `events` and 20 in `sessions`, `conversations` and `paths`.
    pub limit: Option<usize>,
    /// Whether lists without a limit have all rows, regardless of the default.
    pub lists_all: bool,
    /// Whether `sessions` and `conversations` leave out the rows of their lists, which the caller
    /// requests day by day.
    pub without_rows: bool,
    /// Whether `all` includes the list of sessions.
    pub with_sessions: bool,
    /// Whether each chatbot has a separate answer.
    pub by_chatbot: bool,
    /// The moment of `active`.
    pub moment: Micros,
    /// The page of `sessions`, from 1.
    pub page: usize,
    /// The session that `sessions` looks up.
    pub session_id: Option<String>,
    /// The visitor whose sessions `sessions` looks up.
    pub visitor: Option<String>,
    /// The maximum number of events of each session that `sessions` looks up; `None` for all.
    pub timeline_limit: Option<usize>,
    /// The metric that tables of `heatmap` show.
    pub heatmap_metric: HeatmapMetric,
    /// The options of `retention`.
    pub retention: RetentionOptions,
    /// The period that a row of `trends` covers.
    pub interval: TrendInterval,
    /// The notes on days, which `trends` shows.
    pub annotations: Vec<Annotation>,
    /// The conditions that all counted sessions satisfy.
    pub conditions: Vec<Where>,
    /// The fields of the breakdown: none, one or two.
    pub by: Vec<Field>,
    /// The maximum number of values in a breakdown; `None` for all.
    pub by_limit: Option<usize>,
    /// The options of reports on sequences of events.
    pub sequences: SequenceOptions,
}

/// The options of the reports on sequences of events.
#[derive(Clone, Debug, Default)]
pub struct SequenceOptions {
    /// The goals, funnels and events of conversations that the settings define.
    pub definitions: Definitions,
    /// Whether `conversations` lists conversations.
    pub lists_conversations: bool,
    /// The options of `funnel`.
    pub funnel: FunnelOptions,
    /// The options of `paths`.
    pub paths: PathsOptions,
}

impl ReportRequest {
    /// Returns a request with the defaults of JSON output.
    pub fn new(kind: ReportKind, query: Query, moment: Micros) -> ReportRequest {
        ReportRequest {
            kind,
            query,
            has_window: true,
            compare: false,
            limit: kind.default_limit(false),
            lists_all: false,
            without_rows: false,
            with_sessions: true,
            by_chatbot: false,
            moment,
            page: 1,
            session_id: None,
            visitor: None,
            timeline_limit: Some(TIMELINE_LIMIT),
            heatmap_metric: HeatmapMetric::default(),
            retention: RetentionOptions::default(),
            interval: TrendInterval::default(),
            annotations: Vec::new(),
            sequences: SequenceOptions::default(),
            conditions: Vec::new(),
            by: Vec::new(),
            by_limit: Some(DEFAULT_GROUPS),
        }
    }

    /// Returns the maximum number of rows in the lists of a report; `None` for all rows.
    pub(super) fn list_limit(&self, kind: ReportKind) -> Option<usize> {
        let default_limit = if self.lists_all { None } else { kind.default_limit(false) };
        self.limit.or(default_limit)
    }

    fn check(&self) -> Result<()> {
        let name = self.kind.name();
        if self.compare && !self.kind.supports_compare() {
            return Err(Error::usage(format!("{name} does not support --compare")).hint(match self.kind {
                ReportKind::Active => {
                    "a moment has no previous period; compare days with `wa report summary`"
                }
                _ => "each period has its own sessions; compare their number with `wa report summary`",
            }));
        }
        if !self.by.is_empty() {
            self.check_breakdown()?;
        }
        if self.compare && self.sequences.lists_conversations {
            return Err(Error::usage("--list does not support --compare")
                .hint("each period has its own conversations; compare their figures, without --list"));
        }
        if let Some(limit) = self.limit
            && (limit == 0 || limit > MAX_LIMIT)
        {
            return Err(Error::usage(format!("--limit {limit} is not between 1 and {MAX_LIMIT}"))
                .hint("use --limit all for all rows"));
        }
        if self.kind != ReportKind::Sessions && (self.session_id.is_some() || self.visitor.is_some()) {
            return Err(Error::usage(format!("{name} does not support --session-id and --visitor")).hint(
                format!("use `wa report sessions`, or --where session_id=ID with `wa report {name}`"),
            ));
        }
        Ok(())
    }

    fn check_breakdown(&self) -> Result<()> {
        let name = self.kind.name();
        if self.by.len() > 2 {
            return Err(
                Error::usage("--by can be given twice at most").hint("filter by further fields with --where")
            );
        }
        if self.sequences.lists_conversations {
            return Err(Error::usage("--list does not support --by")
                .hint("list the conversations of one value, with --where FIELD=VALUE --list"));
        }
        if !self.kind.supports_breakdown() {
            return Err(Error::usage(format!("{name} does not support --by")).hint(
                "count sessions with `wa report summary --by`, or list those of one value with --where",
            ));
        }
        if self.by_chatbot {
            return Err(Error::usage("--by cannot be combined with --by-chatbot")
                .hint("use --by chatbot_id, and a second --by"));
        }
        if self.compare {
            return Err(Error::usage("--by cannot be combined with --compare")
                .hint("compare one value at a time, with --where FIELD=VALUE --compare"));
        }
        Ok(())
    }
}

/// The answers to a request.
pub enum ReportOutcome {
    /// One answer.
    One(Box<dyn Answer>),
    /// All reports, in order. In JSON, an object by report name.
    All(Vec<Box<dyn Answer>>),
    /// The answers for each chatbot. In JSON, a list.
    ByChatbot(Vec<ReportOutcome>),
}

impl ReportOutcome {
    /// Returns all answers, in order.
    pub fn answers(&self) -> Vec<&dyn Answer> {
        match self {
            ReportOutcome::One(answer) => vec![answer.as_ref()],
            ReportOutcome::All(answers) => answers.iter().map(Box::as_ref).collect(),
            ReportOutcome::ByChatbot(outcomes) => outcomes.iter().flat_map(ReportOutcome::answers).collect(),
        }
    }

    /// Adds notes to the first answer.
    fn add_notes(&mut self, notes: Vec<String>) {
        match self {
            ReportOutcome::One(answer) => answer.add_notes(notes),
            ReportOutcome::All(answers) => {
                answers.iter_mut().take(1).for_each(|answer| answer.add_notes(notes.clone()));
            }
            ReportOutcome::ByChatbot(outcomes) => {
                outcomes.iter_mut().take(1).for_each(|outcome| outcome.add_notes(notes.clone()));
            }
        }
    }

    /// Returns the notes of all answers, each once.
    pub fn notes(&self) -> Vec<String> {
        let answers = self.answers();
        let mut seen = HashSet::new();
        let notes = answers.iter().flat_map(|answer| answer.notes()).filter(|note| seen.insert(*note));
        notes.cloned().collect()
    }
}

impl serde::Serialize for ReportOutcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            ReportOutcome::One(answer) => answer.serialize(serializer),
            ReportOutcome::All(answers) => {
                serializer.collect_map(answers.iter().map(|answer| (answer.name(), answer)))
            }
            ReportOutcome::ByChatbot(outcomes) => serializer.collect_seq(outcomes),
        }
    }
}

/// The maximum value of a limit.
pub const MAX_LIMIT: usize = 100;

/// The reports of `all`, in order.
const REPORTS_OF_ALL: [ReportKind; 17] = [
    ReportKind::Summary,
    ReportKind::Trends,
    ReportKind::Heatmap,
    ReportKind::Visitors,
    ReportKind::Retention,
    ReportKind::Sources,
    ReportKind::Pages,
    ReportKind::Locations,
    ReportKind::Devices,
    ReportKind::Events,
    ReportKind::Conversations,
    ReportKind::Goals,
    ReportKind::Funnel,
    ReportKind::Paths,
    ReportKind::Performance,
    ReportKind::Active,
    ReportKind::Sessions,
];

/// Computes the requested report.
///
/// # Errors
/// Returns a usage error for unknown chatbots and fields, and for options that the report does not
/// support.
pub fn run(tables: &dyn Tables, request: &ReportRequest) -> Result<ReportOutcome> {
    request.check()?;
    check_chatbots(tables, &request.query.chatbots)?;
    let mut request = request.clone();
    let mut notes = resolve_fields(tables, &mut request)?;
    let (mut outcome, note) =
        with_selected_sessions(tables, &request, |tables| run_selected(tables, &request))?;
    notes.extend(note);
    outcome.add_notes(notes);
    Ok(outcome)
}

/// Computes the requested report for each chatbot, in descending order of their sessions, and
/// passes the reports to `each` one by one. With very many chatbots, all reports together would
/// take gigabytes.
///
/// # Errors
/// Returns the errors of [`run`] and of `each`.
pub fn run_each_chatbot(
    tables: &dyn Tables,
    request: &ReportRequest,
    each: &mut (dyn FnMut(ReportOutcome) -> Result<()> + Send),
) -> Result<()> {
    request.check()?;
    check_chatbots(tables, &request.query.chatbots)?;
    let mut request = request.clone();
    let mut notes = resolve_fields(tables, &mut request)?;
    notes.extend(note_on_selection(tables, &request));
    let mut with_notes = |mut outcome: ReportOutcome| {
        outcome.add_notes(std::mem::take(&mut notes));
        each(outcome)
    };
    with_selected_sessions(tables, &request, |tables| each_chatbot(tables, &request, &mut with_notes))
        .map(|_| ())
}

/// Computes a report on all sessions of the tables.
fn run_selected(tables: &dyn Tables, request: &ReportRequest) -> Result<ReportOutcome> {
    if !request.by_chatbot {
        return run_together(tables, request);
    }
    let mut outcomes = Vec::new();
    each_chatbot(tables, request, &mut |outcome| {
        outcomes.push(outcome);
        Ok(())
    })?;
    Ok(ReportOutcome::ByChatbot(outcomes))
}

pub(super) fn reports_of_all(request: &ReportRequest) -> impl Iterator<Item = ReportKind> {
    let with_sessions = request.with_sessions;
    let has_goals = !request.sequences.definitions.goals.is_empty();
    REPORTS_OF_ALL.into_iter().filter(move |kind| match kind {
        ReportKind::Sessions => with_sessions,
        ReportKind::Goals => has_goals,
        _ => true,
    })
}

/// Computes the requested report for all its chatbots together.
pub(super) fn run_together(tables: &dyn Tables, request: &ReportRequest) -> Result<ReportOutcome> {
    if request.kind != ReportKind::All {
        return Ok(ReportOutcome::One(run_kind(tables, request, request.kind)?));
    }
    // The reports share the columns that they read. A breakdown has a cache of its own.
    let partitions = ChatbotPartitions::new(tables);
    let answer = |kind| {
        partitions.start_report();
        match request.by.is_empty() {
            true => run_kind(&partitions.all(), request, kind),
            false => run_kind(tables, request, kind),
        }
    };
    Ok(ReportOutcome::All(reports_of_all(request).map(answer).collect::<Result<_>>()?))
}

pub(super) fn run_kind(
    tables: &dyn Tables,
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<Box<dyn Answer>> {
    if !request.by.is_empty() && kind.supports_breakdown() {
        return break_down(tables, request, kind);
    }
    let (query, compare) = (&request.query, request.compare && kind.supports_compare());
    if !compare || kind.compares_itself() {
        return answer(tables, request, kind, query, compare);
    }
    let run = |query: &Query| answer(tables, request, kind, query, false);
    let mut answer = run(query)?;
    compare_with_previous(tables, query, answer.as_mut(), kind.needs_events(), run)?;
    Ok(answer)
}

/// Computes a report of one kind for a query.
fn answer(
    tables: &dyn Tables,
    request: &ReportRequest,
    kind: ReportKind,
    query: &Query,
    compare: bool,
) -> Result<Box<dyn Answer>> {
    let limit = request.list_limit(kind);
    Ok(match kind {
        ReportKind::Summary => Box::new(summary(tables, query, compare)?),
        ReportKind::Trends if request.interval != TrendInterval::Day => {
            let report = interval_trends(tables, query, request.interval, request.moment, compare)?;
            Box::new(report.with_annotations(&request.annotations))
        }
        ReportKind::Trends => {
            Box::new(trends(tables, query, compare)?.with_annotations(&request.annotations))
        }
        ReportKind::Events => Box::new(events(tables, query, limit, compare)?),
        ReportKind::Sources => Box::new(sources(tables, query, limit, compare)?),
        ReportKind::Devices => Box::new(devices(tables, query, limit, compare)?),
        ReportKind::Active => Box::new(active(tables, &query.chatbots, query.include_bots, request.moment)?),
        ReportKind::Sessions => {
            let sessions_query = SessionsQuery {
                window: request.has_window.then_some(query.window),
                chatbots: query.chatbots.clone(),
                include_bots: query.include_bots,
                page: request.page,
                limit,
                without_rows: request.without_rows,
                session_id: request.session_id.clone(),
                visitor: request.visitor.clone(),
                timeline_limit: request.timeline_limit,
            };
            Box::new(sessions(tables, &sessions_query)?)
        }
        ReportKind::Performance => Box::new(performance(tables, query, limit)?),
        ReportKind::Pages => Box::new(pages(tables, query, limit, compare)?),
        ReportKind::Locations => Box::new(locations(tables, query, limit, compare)?),
        ReportKind::Visitors => Box::new(visitors(tables, query)?),
        ReportKind::Heatmap => Box::new(heatmap(tables, query, request.heatmap_metric)?),
        ReportKind::Retention => Box::new(retention(tables, query, &request.retention)?),
        ReportKind::Conversations => {
            let lists = request.sequences.lists_conversations && request.kind == kind;
            let limit = if request.without_rows { Some(0) } else { limit };
            let options = ConversationsOptions { lists, limit };
            Box::new(conversations(tables, query, &request.sequences.definitions.conversations, &options)?)
        }
        ReportKind::Goals => Box::new(goals(tables, query, &request.sequences.definitions.goals)?),
        ReportKind::Paths => Box::new(paths(tables, query, &request.sequences.paths, limit)?),
        ReportKind::Funnel => Box::new(funnel(tables, query, &request.sequences.funnel)?),
        ReportKind::All => return Err(Error::failed("`all` is several reports")),
    })
}
