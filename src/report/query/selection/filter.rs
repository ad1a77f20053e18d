//! Classifies sessions by conditions: the class [`SELECTED`] contains the sessions that satisfy all
//! conditions.

use super::classes::{Classifier, FrameClasses, SessionEvents};
use super::event_values::{EventClassifier, RowValues};
use crate::error::Result;
use crate::report::query::filter::{Conditions, Where};
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;
use crate::time::Zone;

/// The class of the sessions that satisfy the conditions.
pub(crate) const SELECTED: u32 = 0;

/// The conditions of all `--where` options, split into conditions on sessions and on events.
pub struct SessionFilter {
    zone: Zone,
    on_sessions: Conditions,
    /// For each `--where` with conditions on events, the conditions that one event must satisfy.
    on_events: Vec<EventConditions>,
}

impl SessionFilter {
    /// Returns the filter of conditions whose fields are resolved. Times without an offset are read
    /// in `zone`.
    pub(crate) fn new(conditions: &[Where], zone: Zone) -> SessionFilter {
        let on_events = conditions.iter().map(Where::on_events).filter(|on_events| !on_events.is_empty());
        SessionFilter {
            zone,
            on_sessions: Conditions::join(conditions.iter().map(Where::on_sessions)),
            on_events: on_events.map(|conditions| EventConditions { conditions, zone }).collect(),
        }
    }

    /// Returns whether a condition needs events, which may be pruned.
    pub(crate) fn needs_events(&self) -> bool {
        !self.on_events.is_empty()
    }

    /// Returns the time zone of times without an offset.
    pub(crate) fn zone(&self) -> Zone {
        self.zone
    }

    /// Returns the conditions on sessions.
    pub(crate) fn on_sessions(&self) -> &Conditions {
        &self.on_sessions
    }

    /// Returns whether each row of a frame of sessions satisfies the conditions on sessions.
    pub(crate) fn selected_rows(&self, frame: &Frame) -> Result<Vec<bool>> {
        let mut conditions = self.on_sessions.bind(frame, self.zone)?;
        Ok((0..frame.height()).map(|row| conditions.matches(row)).collect())
    }

    /// Returns the conditions on events of each `--where` that has some.
    pub(crate) fn on_events(&self) -> impl Iterator<Item = &Conditions> {
        self.on_events.iter().map(|on_events| &on_events.conditions)
    }

    /// Returns whether at most 32 `--where` options have conditions on events, so that each has a
    /// bit in a `u32`.
    pub(crate) fn has_few_conditions(&self) -> bool {
        self.on_events.len() <= u32::BITS as usize
    }
}

/// A selection whose sessions are not classified yet. A report that reads the events of all
/// sessions can evaluate the conditions in the same read.
#[derive(Clone, Copy)]
pub struct Unclassified<'a> {
    /// The tables with all sessions.
    pub(crate) tables: &'a dyn Tables,
    /// The conditions, for which [`SessionFilter::has_few_conditions`] returns `true`.
    pub(crate) filter: &'a SessionFilter,
}

impl Classifier for SessionFilter {
    fn columns(&self) -> Vec<&'static str> {
        self.on_sessions.columns()
    }

    fn events(&self) -> Vec<&dyn EventClassifier> {
        self.on_events.iter().map(|conditions| conditions as &dyn EventClassifier).collect()
    }

    fn as_filter(&self) -> Option<&SessionFilter> {
        Some(self)
    }

    fn classify(&self, frame: &Frame, events: &mut SessionEvents<'_>) -> Result<FrameClasses> {
        let mut on_sessions = self.on_sessions.bind(frame, self.zone)?;
        let mut has_events = |row: usize| {
            (0..self.on_events.len()).all(|index| {
                let mut found = false;
                events.visit(index, row, |_| {
                    found = true;
                    false
                });
                found
            })
        };
        let mut rows = on_sessions.rows(frame.height());
        if self.needs_events() {
            rows.retain(|row| has_events(*row as usize));
        }
        Ok(FrameClasses(vec![(SELECTED, rows)]))
    }
}

/// Conditions that must hold together for an event.
struct EventConditions {
    conditions: Conditions,
    zone: Zone,
}

impl EventClassifier for EventConditions {
    fn columns(&self) -> Vec<&'static str> {
        self.conditions.columns()
    }

    fn classify(&self, frame: &Frame) -> Result<RowValues> {
        let mut conditions = self.conditions.bind(frame, self.zone)?;
        Ok(conditions.rows(frame.height()).into_iter().map(|row| (row, 0)).collect())
    }
}
