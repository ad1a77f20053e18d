//! Exact decimal arithmetic: no float lies between a log's digits and a figure of a report.
//!
//! [`integer`] parses JSON numbers as scaled integers, [`compare`] orders numbers by their decimal
//! text, [`fixed`] holds the rounded figures of reports.

pub mod compare;
pub mod fixed;
pub mod integer;
