//! Tests of reports: on small tables, with results counted by hand; on random tables, on which all
//! reports must agree; and of the JSON against its schemas.

pub(crate) mod agreement;
mod comparison;
mod conversations;
mod event_query;
pub(crate) mod fixtures;
mod heatmap;
pub(crate) mod memory_tables;
mod notes;
mod ordered_json;
mod performance;
mod reports;
mod retention;
mod schemas;
mod selections;
mod sessions;
