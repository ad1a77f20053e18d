//! Checks events against best practices and a tracking plan, for `wa lint`.
//!
//! - `event_names` checks the names of events;
//! - `properties` walks the properties of an event;
//! - `personal_data` finds and masks email addresses, phone numbers and card numbers;
//! - `plan` checks properties against a JSON Schema per event, and `infer` writes such a plan;
//! - `linter` applies all rules to events and collects `findings`.
//!
//! Memory is bounded: the linter tracks a maximum number of event names, properties and findings.
//! The report counts the events beyond these limits.

mod event_names;
mod findings;
mod infer;
mod linter;
mod personal_data;
mod plan;
mod properties;
#[cfg(test)]
mod tests;

pub use findings::{Finding, LintReport, Rule, Sample};
pub use infer::InferredPlan;
pub use linter::{COLUMNS, LintOptions, Linter};
pub use plan::TrackingPlan;
