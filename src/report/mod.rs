//! Reports: typed, serializable answers computed from the tables.
//!
//! A report is a function of [`Tables`] (a snapshot of the store) and a [`Query`] (days, chatbots,
//! bot sessions). It reads the columns it needs, aggregates file by file in parallel, merges the
//! results and rounds once at the end. An event belongs to its session, and a session belongs to
//! the day on which it started. Therefore all reports agree with each other and with the tables.
//!
//! - [`run`] answers a [`ReportRequest`] of any [`ReportKind`]. Each report is in the module with
//!   its name; `timeline` adds events to looked-up `sessions`.
//! - [`list_events`] lists the events that an [`EventQuery`] selects, for `wa events`; `condition`
//!   evaluates `--fail-if`.
//! - [`run_grid`] answers requests for several chatbots and windows at once.
//! - [`parts`] computes a report in tasks on many machines.
//! - `selected` restricts a report to the sessions that satisfy conditions, and breaks it down.
//! - `query` selects and reads rows, `metric` computes values from them, and `answer` holds the
//!   rows, comparisons and notes of a result. Each of these depends only on the ones before it.
//!   `sequence` reads the events of each session in order.

mod active;
pub(crate) mod answer;
mod calendar;
pub(crate) mod condition;
mod conversations;
mod devices;
mod dispatch;
pub(crate) mod event_query;
mod events;
mod funnel;
mod goals;
mod grid;
mod locations;
pub(crate) mod metric;
mod pages;
pub mod parts;
mod paths;
mod performance;
pub(crate) mod query;
mod selected;
pub(crate) mod sequence;
mod sessions;
mod sources;
pub(crate) mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod trends;
mod visitors;

pub use answer::{Answer, BotSessions, Report, ReportHead};
pub use calendar::heatmap::HeatmapMetric;
pub use calendar::intervals::TrendInterval;
pub use calendar::periods::Interval;
pub use calendar::retention::RetentionOptions;
pub use dispatch::{
    MAX_LIMIT, ReportKind, ReportOutcome, ReportRequest, SequenceOptions, run, run_each_chatbot,
};
pub use event_query::{EventListing, EventQuery, EventSelector, list_events};
pub use funnel::{FunnelOptions, FunnelOrder, FunnelUnit};
pub use grid::{Grid, GridPeriod, GridPosition, GridRequest, run_grid};
pub use paths::{MAX_STEPS as MAX_PATH_STEPS, PathsOptions};
pub use query::Query;
pub use query::chatbots::check_chatbots;
pub use query::filter::{Field, Subject, Where, segment_conditions};
pub use query::tables::{PartKind, TableFacts, Tables};
pub use query::window::Window;
pub use selected::filtered::resolve_fields;
pub use sequence::definitions::{Definitions, Goal};
pub use sequence::event_pattern::EventPattern;
pub(crate) use sessions::ROW_ID_PREFIX;
pub(crate) use timeline::TIMELINE_LIMIT;
