//! Answers: the common form of every report's result.
//!
//! A [`Report`] consists of a [`ReportHead`] (scope: chatbots, days, bot sessions), a body whose
//! type is specific to the report, notes and, on request, a [`Comparison`] with the previous
//! period. Renderers access it as an [`Answer`]: groups of rows, without the body's type.
//!
//! - [`rows`] declares rows of dimensions and metrics, and groups them for renderers;
//! - [`broken_down`] holds the answers for each value of a field;
//! - [`comparison`] compares two answers of the same report;
//! - [`matrix`] holds a metric by two dimensions, which tables draw with shading;
//! - [`session_page`] holds the page of sessions that `sessions` returns;
//! - [`session_report`] builds the reports that count the sessions of a window;
//! - [`diagnostics`] writes the notes on empty windows, pruned days and incomplete periods.

pub mod broken_down;
pub mod comparison;
pub mod diagnostics;
pub mod matrix;
pub mod rows;
pub(crate) mod session_page;
pub(crate) mod session_report;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::query::Query;
use super::query::tables::Tables;
use super::query::window::Window;
use crate::config::Annotation;
use crate::time::{Micros, Zone};
use broken_down::BrokenDown;
use comparison::Comparison;
use matrix::Matrix;
use rows::{Group, RowFigure};
use session_page::SessionPage;

/// How a report treats bot sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BotSessions {
    /// The report does not count them.
    #[default]
    NotCounted,
    /// This many sessions are excluded.
    Excluded(u64),
    /// This many sessions are counted with the others.
    Included(u64),
}

impl BotSessions {
    /// Returns the variant for a query that found `sessions` bot sessions.
    pub(crate) fn new(query: &Query, sessions: u64) -> BotSessions {
        if query.include_bots { BotSessions::Included(sessions) } else { BotSessions::Excluded(sessions) }
    }
}

/// The scope of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportHead {
    /// The chatbots; empty for all chatbots together.
    pub chatbots: Vec<String>,
    /// The days; `None` for a report on one point in time or on all days.
    pub window: Option<Window>,
    /// The time zone of the days.
    pub zone: Zone,
    /// How bot sessions are treated.
    pub bot_sessions: BotSessions,
    /// The time, for a report on one point in time.
    pub moment: Option<Micros>,
    /// Whether JSON contains the window. `active` and `sessions` omit it.
    pub window_in_json: bool,
}

impl ReportHead {
    /// Returns the head of an answer to a query that found `bots` bot sessions.
    pub(crate) fn new(tables: &dyn Tables, query: &Query, bots: u64) -> ReportHead {
        ReportHead {
            chatbots: query.chatbots.clone(),
            window: Some(query.window),
            zone: tables.zone(),
            bot_sessions: BotSessions::new(query, bots),
            moment: None,
            window_in_json: true,
        }
    }

    /// Returns the head of a list of events (`wa events`), which is not a report.
    pub fn for_event_list(tables: &dyn Tables, query: &Query) -> ReportHead {
        ReportHead { bot_sessions: BotSessions::NotCounted, ..ReportHead::new(tables, query, 0) }
    }
}

impl Serialize for ReportHead {
    /// Writes `chatbot_id` (null for all chatbots, a list for several), then `period_days`, `from`
    /// and `to`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.chatbots.as_slice() {
            [] => map.serialize_entry("chatbot_id", &None::<String>)?,
            [one] => map.serialize_entry("chatbot_id", one)?,
            several => map.serialize_entry("chatbot_id", several)?,
        }
        if let Some(window) = self.window
            && self.window_in_json
        {
            map.serialize_entry("period_days", &window.days())?;
            map.serialize_entry("from", &window.from.to_string())?;
            map.serialize_entry("to", &window.to.to_string())?;
        }
        map.end()
    }
}

/// A note on a day, from `[annotations]` in `wa.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayNote {
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// The note.
    pub text: String,
}

/// The part of a report that is specific to its kind.
pub trait ReportBody: Serialize + Send + Sync {
    /// The report's name on the command line.
    const NAME: &'static str;

    /// Returns the groups of rows.
    fn groups(&self) -> Vec<Group<'_>>;

    /// Returns figures of the whole report that are in no group, such as the number of sessions
    /// that a funnel counts; `None` if there are none.
    fn totals(&self) -> Option<Group<'static>> {
        None
    }

    /// Returns the groups that are compared with the previous period. Excludes groups by day, since
    /// two periods have different days, groups by hour or weekday, whose long lists would hide the
    /// figures, and trees, whose rows have no unique names.
    fn compared_groups(&self) -> Vec<Group<'_>> {
        let is_time = |key: &&str| matches!(*key, "stat_date" | "hour" | "weekday");
        let is_compared = |group: &Group<'_>| group.name != "tree" && !group.dimensions.iter().any(is_time);
        self.groups().into_iter().filter(is_compared).collect()
    }

    /// Returns the matrix of changes that tables draw below the matrix of values; `None` for most
    /// reports.
    fn change_matrix(&self, comparison: &Comparison) -> Option<Matrix> {
        let _ = comparison;
        None
    }

    /// Returns the page of sessions; `None` for all reports except `sessions`.
    fn session_page(&self) -> Option<&SessionPage> {
        None
    }

    /// Returns the figures of rows that `--fail-if` can name. It can also name the metrics of
    /// groups with a single row.
    fn figures(&self) -> Vec<RowFigure> {
        Vec::new()
    }

    /// Returns sentences about the scope, for formats that people read.
    fn facts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the matrix that tables draw instead of the groups; `None` for most reports.
    fn matrix(&self) -> Option<Matrix> {
        None
    }
}

/// A report's result: head, body, comparison and notes.
#[derive(Clone, Debug, Serialize)]
pub struct Report<B> {
    /// The scope.
    #[serde(flatten)]
    pub head: ReportHead,
    /// The metrics and lists.
    #[serde(flatten)]
    pub body: B,
    /// The notes on days of the window, if `wa.toml` has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<DayNote>,
    /// The comparison with the previous period, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The figures for each value of a field, if requested.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub broken_down: Option<BrokenDown>,
    /// Notes for standard error, such as the reason why data is missing.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl<B: ReportBody> Report<B> {
    /// Returns a report without comparison and notes.
    pub(crate) fn new(head: ReportHead, body: B) -> Report<B> {
        Report { head, body, annotations: Vec::new(), comparison: None, broken_down: None, notes: Vec::new() }
    }

    /// Adds the annotations on days of the window.
    pub(crate) fn with_annotations(mut self, annotations: &[Annotation]) -> Report<B> {
        let is_shown = |note: &&Annotation| self.head.window.is_some_and(|window| window.contains(note.day));
        let note = |note: &Annotation| DayNote { date: note.day.to_string(), text: note.text.clone() };
        self.annotations = annotations.iter().filter(is_shown).map(note).collect();
        self
    }
}

/// A report of any kind, in the form that renderers need.
pub trait Answer: erased_serde::Serialize + Send + Sync {
    /// Returns the report's name on the command line.
    fn name(&self) -> &'static str;
    /// Returns the scope.
    fn head(&self) -> &ReportHead;
    /// Returns the groups of rows.
    fn groups(&self) -> Vec<Group<'_>>;
    /// Returns figures of the whole report that are in no group.
    fn totals(&self) -> Option<Group<'static>>;
    /// Returns the groups that are compared with the previous period.
    fn compared_groups(&self) -> Vec<Group<'_>>;
    /// Returns the matrix of changes that tables draw; `None` without a comparison, and for most
    /// reports.
    fn change_matrix(&self) -> Option<Matrix>;
    /// Returns the page of sessions; `None` for all reports except `sessions`.
    fn session_page(&self) -> Option<&SessionPage>;
    /// Returns the figures of rows that `--fail-if` can name.
    fn figures(&self) -> Vec<RowFigure>;
    /// Returns sentences about the scope, for formats that people read.
    fn facts(&self) -> Vec<String>;
    /// Returns the matrix that tables draw instead of the groups; `None` for most reports.
    fn matrix(&self) -> Option<Matrix>;
    /// Returns the notes on days of the window.
    fn annotations(&self) -> &[DayNote];
    /// Returns the comparison with the previous period.
    fn comparison(&self) -> Option<&Comparison>;
    /// Returns the body without head, comparison and notes, for JSON.
    fn body(&self) -> &dyn erased_serde::Serialize;
    /// Returns the figures for each value of a field.
    fn broken_down(&self) -> Option<&BrokenDown>;
    /// Sets the figures for each value of a field.
    fn set_broken_down(&mut self, broken_down: BrokenDown);
    /// Sets the comparison with the previous period.
    fn set_comparison(&mut self, comparison: Comparison);
    /// Returns the notes for standard error.
    fn notes(&self) -> &[String];
    /// Adds notes for standard error.
    fn add_notes(&mut self, notes: Vec<String>);
}

erased_serde::serialize_trait_object!(Answer);

impl<B: ReportBody> Answer for Report<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn head(&self) -> &ReportHead {
        &self.head
    }

    fn groups(&self) -> Vec<Group<'_>> {
        self.body.groups()
    }

    fn totals(&self) -> Option<Group<'static>> {
        self.body.totals()
    }

    fn compared_groups(&self) -> Vec<Group<'_>> {
        self.body.compared_groups()
    }

    fn change_matrix(&self) -> Option<Matrix> {
        self.body.change_matrix(self.comparison.as_ref()?)
    }

    fn session_page(&self) -> Option<&SessionPage> {
        self.body.session_page()
    }

    fn figures(&self) -> Vec<RowFigure> {
        self.body.figures()
    }

    fn facts(&self) -> Vec<String> {
        self.body.facts()
    }

    fn matrix(&self) -> Option<Matrix> {
        self.body.matrix()
    }

    fn annotations(&self) -> &[DayNote] {
        &self.annotations
    }

    fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    fn body(&self) -> &dyn erased_serde::Serialize {
        &self.body
    }

    fn broken_down(&self) -> Option<&BrokenDown> {
        self.broken_down.as_ref()
    }

    fn set_broken_down(&mut self, broken_down: BrokenDown) {
        self.broken_down = Some(broken_down);
    }

    fn set_comparison(&mut self, comparison: Comparison) {
        self.comparison = Some(comparison);
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn add_notes(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }
}
