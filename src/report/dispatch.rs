//! One door to all reports: a request becomes answers.

use super::active::active;
use super::answer::{Answer, Head, Robots};
use super::devices::devices;
use super::events::events;
use super::locations::places;
use super::metric::by_chatbot::{Split, ranked};
use super::pages::pages;
use super::performance::performance;
use super::query::tables::Tables;
use super::query::{Query, check_chatbots};
use super::sessions::{self, SessionsQuery, sessions};
use super::sources::sources;
use super::summary::summary;
use super::trends::trends;
use super::visitors::visitors;
use crate::error::{Error, Result};
use crate::time::Micros;

/// The kinds of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A window in a dozen figures.
    Summary,
    /// A row a day.
    Trends,
    /// The most frequent events.
    Events,
    /// Where visits came from.
    Sources,
    /// What visitors came with.
    Devices,
    /// Sessions going on at a moment.
    Active,
    /// The sessions themselves.
    Sessions,
    /// Response and load times, errors.
    Performance,
    /// Landing pages.
    Pages,
    /// Countries and cities.
    Places,
    /// New and returning visitors.
    Visitors,
    /// All of them.
    All,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Kind; 12] = [
        Kind::Summary,
        Kind::Trends,
        Kind::Events,
        Kind::Sources,
        Kind::Devices,
        Kind::Active,
        Kind::Sessions,
        Kind::Performance,
        Kind::Pages,
        Kind::Places,
        Kind::Visitors,
        Kind::All,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Summary => "summary",
            Kind::Trends => "trends",
            Kind::Events => "events",
            Kind::Sources => "sources",
            Kind::Devices => "devices",
            Kind::Active => "active",
            Kind::Sessions => "sessions",
            Kind::Performance => "performance",
            Kind::Pages => "pages",
            Kind::Places => "places",
            Kind::Visitors => "visitors",
            Kind::All => "all",
        }
    }

    /// Reads a name, `traffic-sources` too.
    pub fn from_name(name: &str) -> Option<Kind> {
        if name == "traffic-sources" {
            return Some(Kind::Sources);
        }
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns how many days a window has where none are named: the original's defaults.
    pub fn default_days(self) -> u32 {
        if self == Kind::Events { 7 } else { 30 }
    }

    /// Returns how many rows a list has where no limit is named: `for_people` in tables, which are
    /// read by eye; else in JSON and CSV.
    pub fn default_limit(self, for_people: bool) -> Option<usize> {
        match self {
            Kind::Events => Some(10),
            Kind::Sessions => Some(sessions::DEFAULT_LIMIT),
            _ if for_people => Some(10),
            _ => None,
        }
    }

    /// Tells whether the report can be set beside that of the period before.
    pub fn compares(self) -> bool {
        matches!(
            self,
            Kind::Summary | Kind::Trends | Kind::Events | Kind::Sources | Kind::Devices | Kind::All
        )
    }

    /// Tells whether the report has lists that a limit cuts.
    pub fn has_limit(self) -> bool {
        !matches!(self, Kind::Summary | Kind::Trends | Kind::Active | Kind::Visitors)
    }
}

/// A request for a report.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which report.
    pub kind: Kind,
    /// Which days, chatbots, robots.
    pub query: Query,
    /// The days were named: without, `sessions` lists all that are held.
    pub dated: bool,
    /// Beside the period before.
    pub compare: bool,
    /// The most rows of a list: see [`Kind::default_limit`].
    pub limit: Option<usize>,
    /// An answer for each chatbot.
    pub by_chatbot: bool,
    /// The moment, for `active`.
    pub moment: Micros,
    /// The page, for `sessions`, from 1.
    pub page: usize,
    /// The session to look up, for `sessions`.
    pub session_id: Option<String>,
    /// The visitor to look up, for `sessions`.
    pub visitor: Option<String>,
}

impl Request {
    /// Makes a plain request.
    pub fn new(kind: Kind, query: Query, moment: Micros) -> Request {
        Request {
            kind,
            query,
            dated: true,
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
        if self.compare && !self.kind.compares() {
            return Err(Error::usage(format!("--compare makes nothing of {name}"))
                .hint("it is for summary, trends, events, sources and devices"));
        }
        if let Some(limit) = self.limit
            && (limit == 0 || limit > 100)
        {
            return Err(Error::usage(format!("--limit {limit} is not between 1 and 100"))
                .hint("sources, devices, pages and places have all rows in JSON and CSV without --limit"));
        }
        if self.kind != Kind::Sessions && (self.session_id.is_some() || self.visitor.is_some()) {
            return Err(Error::usage(format!("{name} looks up no session and no visitor"))
                .hint("`wa report sessions` and `wa events` do"));
        }
        Ok(())
    }
}

/// What came of a request.
pub enum Outcome {
    /// One answer.
    One(Box<dyn Answer>),
    /// All reports, in order: an object by name in JSON.
    All(Vec<Box<dyn Answer>>),
    /// An answer for each chatbot: a list in JSON.
    ByChatbot(Vec<Outcome>),
}

impl Outcome {
    /// Returns the answers, in order.
    pub fn answers(&self) -> Vec<&dyn Answer> {
        match self {
            Outcome::One(answer) => vec![answer.as_ref()],
            Outcome::All(answers) => answers.iter().map(Box::as_ref).collect(),
            Outcome::ByChatbot(outcomes) => outcomes.iter().flat_map(Outcome::answers).collect(),
        }
    }

    /// Returns the sentences for standard error, each once.
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

impl serde::Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Outcome::One(answer) => answer.serialize(serializer),
            Outcome::All(answers) => {
                serializer.collect_map(answers.iter().map(|answer| (answer.name(), answer)))
            }
            Outcome::ByChatbot(outcomes) => serializer.collect_seq(outcomes),
        }
    }
}

/// The reports of `all`, in order: how much, who, from where, on what, what they did, how it went.
const EVERY: [Kind; 11] = [
    Kind::Summary,
    Kind::Trends,
    Kind::Visitors,
    Kind::Sources,
    Kind::Pages,
    Kind::Places,
    Kind::Devices,
    Kind::Events,
    Kind::Performance,
    Kind::Active,
    Kind::Sessions,
];

/// Answers a request.
///
/// # Errors
/// Of kind usage: unknown chatbots, wishes that the report cannot fulfil.
pub fn run(tables: &dyn Tables, request: &Request) -> Result<Outcome> {
    request.check()?;
    check_chatbots(tables, &request.query.chatbots)?;
    if !request.by_chatbot {
        return answer(tables, request);
    }
    let chatbots = ranked(tables, &request.query, request.compare)?;
    let of_each = |kind: Kind| -> Result<Vec<Box<dyn Answer>>> {
        let split = Split::new(tables);
        let answer = |chatbot: &String| {
            let mut request = request.clone();
            request.query.chatbots = vec![chatbot.clone()];
            one(&split.of(chatbot), &request, kind)
        };
        chatbots.iter().map(answer).collect()
    };
    let mut outcomes: Vec<Outcome> = match request.kind {
        Kind::All => {
            // Report by report, so that what is kept of its reads goes before the next.
            let mut all: Vec<Vec<Box<dyn Answer>>> = chatbots.iter().map(|_| Vec::new()).collect();
            for kind in EVERY {
                all.iter_mut().zip(of_each(kind)?).for_each(|(answers, answer)| answers.push(answer));
            }
            all.into_iter().map(Outcome::All).collect()
        }
        kind => of_each(kind)?.into_iter().map(Outcome::One).collect(),
    };
    if outcomes.is_empty() {
        // No chatbot has a session: the answer about all says so.
        outcomes.push(answer(tables, request)?);
    }
    Ok(Outcome::ByChatbot(outcomes))
}

fn answer(tables: &dyn Tables, request: &Request) -> Result<Outcome> {
    if request.kind != Kind::All {
        return Ok(Outcome::One(one(tables, request, request.kind)?));
    }
    let answers = EVERY.into_iter().map(|kind| one(tables, request, kind)).collect::<Result<_>>()?;
    Ok(Outcome::All(answers))
}

fn one(tables: &dyn Tables, request: &Request, kind: Kind) -> Result<Box<dyn Answer>> {
    let query = &request.query;
    let (limit, compare) = (request.limit, request.compare && kind.compares());
    Ok(match kind {
        Kind::Summary => Box::new(summary(tables, query, compare)?),
        Kind::Trends => Box::new(trends(tables, query, compare)?),
        Kind::Events => Box::new(events(tables, query, limit.or(kind.default_limit(true)), compare)?),
        Kind::Sources => Box::new(sources(tables, query, limit, compare)?),
        Kind::Devices => Box::new(devices(tables, query, limit, compare)?),
        Kind::Active => Box::new(active(tables, &query.chatbots, query.include_bots, request.moment)?),
        Kind::Sessions => {
            let wanted = SessionsQuery {
                window: request.dated.then_some(query.window),
                chatbots: query.chatbots.clone(),
                include_bots: query.include_bots,
                page: request.page,
                limit: limit.unwrap_or(sessions::DEFAULT_LIMIT),
                session_id: request.session_id.clone(),
                visitor: request.visitor.clone(),
            };
            Box::new(sessions(tables, &wanted)?)
        }
        Kind::Performance => Box::new(performance(tables, query, limit)?),
        Kind::Pages => Box::new(pages(tables, query, limit)?),
        Kind::Places => Box::new(places(tables, query, limit)?),
        Kind::Visitors => Box::new(visitors(tables, query)?),
        Kind::All => return Err(Error::failed("there is no single report of that name")),
    })
}

/// Makes the head of a list that has no answer of its own: `wa events`.
pub fn head_of_list(tables: &dyn Tables, query: &Query) -> Head {
    Head { robots: Robots::NotAsked, ..Head::of(tables, query, 0) }
}
