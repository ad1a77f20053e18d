//! Reports: typed, serializable answers computed from the tables.
//!
//! A report is a function of [`Tables`] (one state of the store) and a [`Query`] (days, chatbots,
//! bot sessions). It reads the columns it needs, sums file by file in parallel, merges the parts
//! and rounds once at the end. An event belongs to its session, and a session to the day on which
//! it started; therefore all reports agree with each other and with the tables.
//!
//! - [`run`] answers a [`ReportRequest`] for any [`ReportKind`]; each report is in the module of
//!   its name, and [`timeline`] adds the events of a session to `sessions`;
//! - [`event_query`] lists events, for `wa events`; [`condition`] evaluates `--fail-if`;
//! - [`query`] selects and reads rows, [`metric`] computes values from them, and [`answer`] holds
//!   the rows, comparisons and notes of a result. Each uses only those before it.

pub mod active;
pub mod answer;
pub mod condition;
pub mod devices;
mod dispatch;
pub mod event_query;
pub mod events;
pub mod locations;
pub mod metric;
pub mod pages;
pub mod performance;
pub mod query;
pub mod sessions;
pub mod sources;
pub mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
pub mod trends;
pub mod visitors;

pub use answer::{Answer, BotSessions, Report, ReportHead};
pub use dispatch::{ReportKind, ReportOutcome, ReportRequest, run};
pub use query::Query;
pub use query::chatbots::{chatbots, check_chatbots};
pub use query::tables::Tables;
pub use query::window::Window;
