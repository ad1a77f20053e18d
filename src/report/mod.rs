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
pub mod compare;
pub mod condition;
pub mod devices;
pub mod events;
pub mod figure;
pub mod listing;
pub mod number;
pub mod pages;
pub mod percentile;
pub mod performance;
pub mod places;
pub mod predicate;
pub mod query;
pub mod record;
pub mod sessions;
pub mod sources;
pub mod summary;
pub mod tables;
pub mod timeline;
pub mod trends;
pub mod visitors;
pub mod window;

mod audience;
mod decimal;
mod event_counts;
mod keys;
mod nearest;
pub mod notes;
mod over_sessions;
mod property;
mod pruned;
mod run;
mod shares;
mod snapshot;
mod split;
mod tally;
mod tokens;
mod totals;

pub use answer::{Answer, Head, Report, Robots};
pub use query::{Query, chatbots, check_chatbots};
pub use run::{Kind, Outcome, Request, head_of_list, run};
pub use tables::Tables;
pub use window::Window;

#[cfg(test)]
pub(crate) mod tests;
