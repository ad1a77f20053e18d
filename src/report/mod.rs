//! Reports: typed, serializable answers computed from the tables.
//!
//! A report is a function of [`Tables`] (one state of the store) and a [`Query`] (days, chatbots,
//! bot sessions). It reads the columns it needs, sums file by file in parallel, merges the parts
//! and rounds once at the end. An event belongs to its session, and a session to the day on which
//! it started; therefore all reports agree with each other and with the tables.
//!
//! - [`run`] answers a [`ReportRequest`] of any [`ReportKind`]. Each report is in the module of its
//!   name; `timeline` adds events to looked-up `sessions`.
//! - [`list_events`] lists the events that an [`EventQuery`] selects, for `wa events`; `condition`
//!   evaluates `--fail-if`.
//! - `query` selects and reads rows, `metric` computes values from them, and `answer` holds the
//!   rows, comparisons and notes of a result. Each of these uses only those before it.

mod active;
pub(crate) mod answer;
pub(crate) mod condition;
mod devices;
mod dispatch;
pub(crate) mod event_query;
mod events;
mod locations;
pub(crate) mod metric;
mod pages;
mod performance;
pub(crate) mod query;
mod sessions;
mod sources;
pub(crate) mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod trends;
mod visitors;

pub use answer::{Answer, BotSessions, Report, ReportHead};
pub use dispatch::{ReportKind, ReportOutcome, ReportRequest, run};
pub use event_query::{EventListing, EventQuery, list_events};
pub use query::Query;
pub use query::chatbots::check_chatbots;
pub use query::predicate::Predicate;
pub use query::tables::Tables;
pub use query::window::Window;
