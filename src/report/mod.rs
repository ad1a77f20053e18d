//! Reports: from the tables and a window to typed, serialisable answers.
//!
//! Every report is a pure function of [`Tables`] (one state of the store) and a [`Query`]: it
//! reads the columns it needs, sums file by file in parallel, merges, and rounds once at the end.
//! The one rule of attribution holds everywhere: an event belongs to its session, a session to the
//! day on which it started; so all the reports agree.
//!
//! - [`run`] answers a [`Request`] of any [`Kind`]; each report is also a function of its own, in
//!   the module of its name;
//! - an [`Answer`] is written as JSON by its `Serialize`, and by [`render`](crate::render) as a
//!   table, CSV or Markdown;
//! - [`listing`] lists raw events, [`condition`] holds a summary against `--fail-if`.

pub mod active;
pub mod answer;
pub mod devices;
pub(crate) mod dispatch;
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
pub mod timeline;
pub mod trends;
pub mod visitors;

pub use answer::{Answer, Head, Report, Robots};
pub use dispatch::{Kind, Outcome, Request, head_of_list, run};
pub use query::tables::Tables;
pub use query::window::Window;
pub use query::{Query, chatbots, check_chatbots};
