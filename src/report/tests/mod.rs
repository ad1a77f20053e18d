//! Tests of reports: on small tables, with results counted by hand; on random tables, where all
//! reports must agree; and of the JSON against its schemas.

mod agreement;
mod comparison;
mod event_query;
mod fixtures;
pub(crate) mod memory_tables;
mod notes;
mod ordered_json;
mod performance;
mod reports;
mod schemas;
mod sessions;
