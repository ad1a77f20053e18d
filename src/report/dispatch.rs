//! Report dispatch: from a request of any kind to answers.

use super::active::active;
use super::answer::Answer;
use super::devices::devices;
use super::events::events;
use super::locations::locations;
use super::pages::pages;
use super::performance::performance;
use super::query::Query;
use super::query::by_chatbot::ChatbotPartitions;
use super::query::chatbots::{check_chatbots, ranked_chatbots};
use super::query::tables::Tables;
use super::sessions::{self, SessionsQuery, sessions};
use super::sources::sources;
use super::summary::summary;
use super::trends::trends;
use super::visitors::visitors;
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
    /// All reports.
    All,
}

impl ReportKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [ReportKind; 12] = [
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
            ReportKind::All => "all",
        }
    }

    /// Returns the kind of a name. `traffic-sources` is another name of `sources`.
    pub fn from_name(name: &str) -> Option<ReportKind> {
        if name == "traffic-sources" {
            return Some(ReportKind::Sources);
        }
        ReportKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the default number of days in a window.
    pub fn default_days(self) -> u32 {
        if self == ReportKind::Events { 7 } else { 30 }
    }

    /// Returns the default maximum number of rows in a list; `None` for all rows. `for_people` says
    /// that the output is a table, which has fewer rows than JSON and CSV.
    pub fn default_limit(self, for_people: bool) -> Option<usize> {
        match self {
            ReportKind::Events => Some(10),
            ReportKind::Sessions => Some(sessions::DEFAULT_LIMIT),
            _ if for_people => Some(10),
            _ => None,
        }
    }

    /// Returns whether the report can be compared with the previous period.
    pub fn supports_compare(self) -> bool {
        matches!(
            self,
            ReportKind::Summary
                | ReportKind::Trends
                | ReportKind::Events
                | ReportKind::Sources
                | ReportKind::Devices
                | ReportKind::All
        )
    }

    /// Returns whether the report has lists that a limit shortens.
    pub fn has_limit(self) -> bool {
        !matches!(self, ReportKind::Summary | ReportKind::Trends | ReportKind::Active | ReportKind::Visitors)
    }
}

/// A request for a report.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// The kind of report.
    pub kind: ReportKind,
    /// The days and chatbots.
    pub query: Query,
    /// Whether days were requested. Without them, `sessions` lists all retained sessions.
    pub has_window: bool,
    /// Whether the report is compared with the previous period.
    pub compare: bool,
    /// The maximum number of rows in a list; `None` for all.
    pub limit: Option<usize>,
    /// Whether there is an answer for each chatbot.
    pub by_chatbot: bool,
    /// The moment of `active`.
    pub moment: Micros,
    /// The page of `sessions`, from 1.
    pub page: usize,
    /// The session that `sessions` looks up.
    pub session_id: Option<String>,
    /// The visitor whose sessions `sessions` looks up.
    pub visitor: Option<String>,
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
            by_chatbot: false,
            moment,
            page: 1,
            session_id: None,
            visitor: None,
        }
    }

    fn check(&self) -> Result<()> {
        let name = self.kind.name();
        if self.compare && !self.kind.supports_compare() {
            return Err(Error::usage(format!("{name} does not support --compare"))
                .hint("use it with summary, trends, events, sources or devices"));
        }
        if let Some(limit) = self.limit
            && (limit == 0 || limit > 100)
        {
            return Err(Error::usage(format!("--limit {limit} is not between 1 and 100")).hint(
                "without --limit, sources, devices, pages and locations have all rows in JSON and CSV",
            ));
        }
        if self.kind != ReportKind::Sessions && (self.session_id.is_some() || self.visitor.is_some()) {
            return Err(Error::usage(format!("{name} does not support --session-id and --visitor"))
                .hint("use `wa report sessions` or `wa events`"));
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

    /// Returns the notes of all answers, each once.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = Vec::new();
        for note in self.answers().iter().flat_map(|answer| answer.notes()) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        notes
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

/// The reports of `all`, in order.
const REPORTS_OF_ALL: [ReportKind; 11] = [
    ReportKind::Summary,
    ReportKind::Trends,
    ReportKind::Visitors,
    ReportKind::Sources,
    ReportKind::Pages,
    ReportKind::Locations,
    ReportKind::Devices,
    ReportKind::Events,
    ReportKind::Performance,
    ReportKind::Active,
    ReportKind::Sessions,
];

/// Computes the requested report.
///
/// # Errors
/// Returns a usage error for unknown chatbots and for options that the report does not support.
pub fn run(tables: &dyn Tables, request: &ReportRequest) -> Result<ReportOutcome> {
    request.check()?;
    check_chatbots(tables, &request.query.chatbots)?;
    if !request.by_chatbot {
        return run_together(tables, request);
    }
    let chatbots = ranked_chatbots(tables, &request.query, request.compare)?;
    let run_each = |kind: ReportKind| -> Result<Vec<Box<dyn Answer>>> {
        let partitions = ChatbotPartitions::new(tables);
        let answer = |chatbot: &String| {
            let mut request = request.clone();
            request.query.chatbots = vec![chatbot.clone()];
            run_kind(&partitions.chatbot(chatbot), &request, kind)
        };
        chatbots.iter().map(answer).collect()
    };
    let mut outcomes: Vec<ReportOutcome> = match request.kind {
        ReportKind::All => {
            // Report by report, so that the cached reads of one are dropped before the next.
            let mut all: Vec<Vec<Box<dyn Answer>>> = chatbots.iter().map(|_| Vec::new()).collect();
            for kind in REPORTS_OF_ALL {
                all.iter_mut().zip(run_each(kind)?).for_each(|(answers, answer)| answers.push(answer));
            }
            all.into_iter().map(ReportOutcome::All).collect()
        }
        kind => run_each(kind)?.into_iter().map(ReportOutcome::One).collect(),
    };
    if outcomes.is_empty() {
        // No chatbot has a session. The answer for all chatbots has the notes that explain it.
        outcomes.push(run_together(tables, request)?);
    }
    Ok(ReportOutcome::ByChatbot(outcomes))
}

/// Computes the requested report for all its chatbots together.
fn run_together(tables: &dyn Tables, request: &ReportRequest) -> Result<ReportOutcome> {
    if request.kind != ReportKind::All {
        return Ok(ReportOutcome::One(run_kind(tables, request, request.kind)?));
    }
    let answers =
        REPORTS_OF_ALL.into_iter().map(|kind| run_kind(tables, request, kind)).collect::<Result<_>>()?;
    Ok(ReportOutcome::All(answers))
}

fn run_kind(tables: &dyn Tables, request: &ReportRequest, kind: ReportKind) -> Result<Box<dyn Answer>> {
    let query = &request.query;
    let (limit, compare) = (request.limit, request.compare && kind.supports_compare());
    Ok(match kind {
        ReportKind::Summary => Box::new(summary(tables, query, compare)?),
        ReportKind::Trends => Box::new(trends(tables, query, compare)?),
        ReportKind::Events => Box::new(events(tables, query, limit.or(kind.default_limit(true)), compare)?),
        ReportKind::Sources => Box::new(sources(tables, query, limit, compare)?),
        ReportKind::Devices => Box::new(devices(tables, query, limit, compare)?),
        ReportKind::Active => Box::new(active(tables, &query.chatbots, query.include_bots, request.moment)?),
        ReportKind::Sessions => {
            let sessions_query = SessionsQuery {
                window: request.has_window.then_some(query.window),
                chatbots: query.chatbots.clone(),
                include_bots: query.include_bots,
                page: request.page,
                limit: limit.unwrap_or(sessions::DEFAULT_LIMIT),
                session_id: request.session_id.clone(),
                visitor: request.visitor.clone(),
            };
            Box::new(sessions(tables, &sessions_query)?)
        }
        ReportKind::Performance => Box::new(performance(tables, query, limit)?),
        ReportKind::Pages => Box::new(pages(tables, query, limit)?),
        ReportKind::Locations => Box::new(locations(tables, query, limit)?),
        ReportKind::Visitors => Box::new(visitors(tables, query)?),
        ReportKind::All => return Err(Error::failed("`all` is several reports")),
    })
}
