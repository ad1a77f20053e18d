//! An answer: what every report has in common, whatever its rows.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::metric::Group;
use super::metric::compare::Comparison;
use super::query::Query;
use super::query::tables::Tables;
use super::query::window::Window;
use super::sessions::Page;
use crate::time::{Micros, Zone};

/// What became of the robots' sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Robots {
    /// The report does not ask.
    #[default]
    NotAsked,
    /// So many sessions were left out.
    LeftOut(u64),
    /// So many sessions are counted among the others.
    Included(u64),
}

impl Robots {
    /// Makes the statement for a question.
    pub fn of(query: &Query, sessions: u64) -> Robots {
        if query.include_bots { Robots::Included(sessions) } else { Robots::LeftOut(sessions) }
    }
}

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chatbots; all together where none is named.
    pub chatbots: Vec<String>,
    /// The days; none where a report is about a moment or about everything.
    pub window: Option<Window>,
    /// The time zone in which days are counted.
    pub zone: Zone,
    /// What became of the robots' sessions.
    pub robots: Robots,
    /// The moment a report is about, where it is about one.
    pub moment: Option<Micros>,
    /// The window is written in JSON: not in the reports that have none in the original.
    pub dated: bool,
}

impl Head {
    /// Makes the head of an answer to a question.
    pub fn of(tables: &dyn Tables, query: &Query, bots: u64) -> Head {
        Head {
            chatbots: query.chatbots.clone(),
            window: Some(query.window),
            zone: tables.zone(),
            robots: Robots::of(query, bots),
            moment: None,
            dated: true,
        }
    }
}

impl Serialize for Head {
    /// Writes `chatbot_id` (null for all, a list for several), `period_days`, `from` and `to`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.chatbots.as_slice() {
            [] => map.serialize_entry("chatbot_id", &None::<String>)?,
            [one] => map.serialize_entry("chatbot_id", one)?,
            several => map.serialize_entry("chatbot_id", several)?,
        }
        if let Some(window) = self.window
            && self.dated
        {
            map.serialize_entry("period_days", &window.days())?;
            map.serialize_entry("from", &window.from.to_string())?;
            map.serialize_entry("to", &window.to.to_string())?;
        }
        map.end()
    }
}

/// What is particular to one kind of report.
pub trait Body: Serialize + Send + Sync {
    /// The report's name on the command line.
    const NAME: &'static str;

    /// Returns the parts that consist of figures.
    fn groups(&self) -> Vec<Group<'_>>;

    /// Returns the page of sessions, for the report that is one.
    fn page(&self) -> Option<&Page> {
        None
    }
}

/// An answer with its head, and what is to be said beside it.
#[derive(Clone, Debug, Serialize)]
pub struct Report<B> {
    /// What the answer is about.
    #[serde(flatten)]
    pub head: Head,
    /// The answer.
    #[serde(flatten)]
    pub body: B,
    /// The period before, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Sentences for standard error: what the answer leaves out, and why.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl<B: Body> Report<B> {
    /// Makes an answer without a comparison.
    pub fn new(head: Head, body: B) -> Report<B> {
        Report { head, body, comparison: None, notes: Vec::new() }
    }
}

/// An answer of any kind: what renderers see.
pub trait Answer: erased_serde::Serialize + Send + Sync {
    /// Returns the report's name on the command line.
    fn name(&self) -> &'static str;
    /// Returns what the answer is about.
    fn head(&self) -> &Head;
    /// Returns the parts that consist of figures.
    fn groups(&self) -> Vec<Group<'_>>;
    /// Returns the page of sessions, for the report that is one.
    fn page(&self) -> Option<&Page>;
    /// Returns the comparison with the period before.
    fn comparison(&self) -> Option<&Comparison>;
    /// Returns the sentences for standard error.
    fn notes(&self) -> &[String];
}

erased_serde::serialize_trait_object!(Answer);

impl<B: Body> Answer for Report<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn groups(&self) -> Vec<Group<'_>> {
        self.body.groups()
    }

    fn page(&self) -> Option<&Page> {
        self.body.page()
    }

    fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
