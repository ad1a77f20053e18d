//! Selects sessions by conditions, or by the values of a breakdown.
//!
//! A selection assigns each session to classes: one class for a filter, one per value for a
//! breakdown. [`ClassTables`] are the tables of one class. A report that reads them sees only the
//! sessions of the class, so any report can be filtered and broken down unchanged. Events are not
//! filtered, because a report that reads events looks up their sessions.
//!
//! - [`event_values`] finds the values that events give to their sessions;
//! - [`classes`] classifies sessions, a few days at a time, and caches the result;
//! - [`group_sets`] has the groups of each session;
//! - [`filter`] classifies by conditions, [`breakdown`] by the values of fields;
//! - [`cached_tables`] reads each file once for many classes.

pub(crate) mod breakdown;
pub(crate) mod cached_tables;
mod classes;
mod event_values;
pub(crate) mod filter;
mod group_sets;

pub(crate) use classes::{ClassifiedSessions, FrameClasses};
pub(crate) use event_values::EventClassifier;
pub(crate) use group_sets::{GroupSets, RowSets};
