//! Conditions on sessions and events: `--where`, segments, goals and steps of funnels.
//!
//! A [`Where`] is one `--where`: conditions joined by ` and `, such as `country_code=DE|AT and
//! properties.plan=pro`. A session satisfies a [`Where`] if its columns satisfy the conditions on
//! sessions, and one of its events satisfies all conditions on events. [`Conditions`] are
//! conditions on the rows of one table. Bound to a frame, they decide for each row whether it
//! satisfies them.
//!
//! - [`syntax`] splits the text, [`field`] finds the columns, [`value`] and [`condition`] compare;
//! - [`reader`] reads the values of a field, for conditions and breakdowns;
//! - [`names`] finds fields that exist only as properties in the store.

mod condition;
pub(crate) mod field;
mod names;
pub(crate) mod reader;
mod segments;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

use super::tables::Tables;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Zone};
use condition::{BoundCondition, Condition};
pub use field::{Field, Subject};
pub(crate) use names::find_names;
pub use segments::segment_conditions;

/// The conditions of one `--where`.
#[derive(Clone, Debug)]
pub struct Where {
    conditions: Vec<Condition>,
    subject: Subject,
    /// The origin and the text, for messages: `--where "city=Bonn"`.
    label: String,
}

impl Where {
    /// Parses conditions joined by ` and `. `origin` names the flag or the setting, for messages.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest field or shows the syntax.
    pub fn parse(origin: &str, text: &str, subject: Subject) -> Result<Where> {
        let label = format!("{origin} {text:?}");
        let parsed = syntax::parse(text).and_then(|written| {
            written.into_iter().map(|written| Condition::new(written, subject)).collect::<Result<_>>()
        });
        match parsed {
            Ok(conditions) => Ok(Where { conditions, subject, label }),
            Err(error) => Err(labeled(&label, &error)),
        }
    }

    /// Searches the events of the given UTC dates for fields that are not columns. Returns notes on
    /// the fields that were found.
    ///
    /// # Errors
    /// Returns a usage error with the nearest field for a name that no event has.
    pub fn resolve(&mut self, tables: &dyn Tables, dates: Option<(Day, Day)>) -> Result<Vec<String>> {
        let fields = self.conditions.iter_mut().map(|condition| &mut condition.field);
        find_names(tables, dates, fields, self.subject).map_err(|error| labeled(&self.label, &error))
    }

    /// Returns whether [`resolve`](Where::resolve) searches events for a field.
    pub(crate) fn has_unresolved_fields(&self) -> bool {
        self.conditions.iter().any(|condition| condition.field.is_guess())
    }

    /// Returns whether a condition needs events, which may be pruned.
    pub fn needs_events(&self) -> bool {
        !self.on_events().is_empty()
    }

    /// Returns the conditions on the session.
    pub(crate) fn on_sessions(&self) -> Conditions {
        self.on_table(Table::Sessions)
    }

    /// Returns the conditions that must hold together for an event.
    pub(crate) fn on_events(&self) -> Conditions {
        self.on_table(Table::Events)
    }

    fn on_table(&self, table: Table) -> Conditions {
        let conditions = self.conditions.iter().filter(|condition| condition.field.table() == table);
        Conditions(conditions.cloned().collect())
    }
}

fn labeled(label: &str, error: &Error) -> Error {
    let labeled = Error::usage(format!("{label}: {error}"));
    match error.hint_text() {
        Some(hint) => labeled.hint(hint.to_owned()),
        None => labeled,
    }
}

/// Conditions on the rows of one table, which must all hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions(Vec<Condition>);

impl Conditions {
    /// Joins conditions on the same table.
    pub fn join(parts: impl IntoIterator<Item = Conditions>) -> Conditions {
        Conditions(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// Returns whether there are no conditions. Every row is then selected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the columns to read, each once.
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns: Vec<&str> = Vec::new();
        for condition in &self.0 {
            let name = condition.field.column().name;
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        columns
    }

    /// Binds the conditions to the rows of a frame that has the columns. Times without an offset
    /// are read in `zone`.
    pub fn bind<'a>(&'a self, frame: &Frame, zone: Zone) -> Result<BoundConditions<'a>> {
        let bound = self.0.iter().map(|condition| condition.bind(frame, zone)).collect::<Result<_>>()?;
        Ok(BoundConditions(bound))
    }
}

/// [`Conditions`], bound to the rows of one frame.
pub(crate) struct BoundConditions<'a>(Vec<BoundCondition<'a>>);

impl BoundConditions<'_> {
    /// Returns the rows of the frame that satisfy all conditions, in ascending order. `height` is
    /// the number of all rows.
    pub fn rows(&mut self, height: usize) -> Vec<u32> {
        let height = u32::try_from(height).unwrap_or(u32::MAX);
        let Some((first, others)) = self.0.split_first_mut() else { return (0..height).collect() };
        let mut rows = first.rows(height);
        for condition in others {
            rows.retain(|row| condition.matches(*row as usize));
        }
        rows
    }

    /// Returns whether a row satisfies all conditions.
    #[inline]
    pub fn matches(&mut self, row: usize) -> bool {
        self.0.iter_mut().all(|condition| condition.matches(row))
    }
}
