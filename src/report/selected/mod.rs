//! Reports on a selection of sessions.
//!
//! - [`filtered`] restricts a report to the sessions that satisfy conditions;
//! - [`breakdown`] computes a report for each value of a field;
//! - [`each_chatbot`] computes a report for each chatbot.

pub(super) mod breakdown;
pub(super) mod each_chatbot;
pub(super) mod filtered;
