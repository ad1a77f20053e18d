//! Event patterns: `EVENT` or `EVENT where CONDITION and CONDITION`, as in the steps of a funnel.
//!
//! `EVENT` is an event name; `A|B` stands for several names, and `*` for any characters.

use crate::error::{Error, Result};
use crate::report::query::Query;
use crate::report::query::filter::{BoundConditions, Conditions, Subject, Where};
use crate::report::query::tables::Tables;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::store::frame::{Frame, Texts};
use crate::time::{Day, Zone};

/// The separator between an event name and its conditions.
const WHERE: &str = " where ";

/// A pattern of events.
#[derive(Clone, Debug)]
pub struct EventPattern {
    /// The text of the pattern.
    text: String,
    /// The alternative names.
    names: Vec<String>,
    /// The conditions as written.
    wheres: Vec<Where>,
    /// The conditions, which must all hold.
    conditions: Conditions,
}

impl EventPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns a usage error if there is no name or a condition is invalid.
    pub fn parse(text: &str) -> Result<EventPattern> {
        let text = text.trim();
        let padded = format!("{text} ");
        if text.starts_with(WHERE.trim_start()) || padded.ends_with(WHERE) {
            return Err(invalid(text));
        }
        let (name, conditions) = text.split_once(WHERE).unwrap_or((text, ""));
        EventPattern::new(text, name, Some(conditions).filter(|text| !text.is_empty()).into_iter())
    }

    /// Returns the pattern of a name and conditions.
    ///
    /// # Errors
    /// Returns the errors of [`EventPattern::parse`].
    pub fn new<'a>(
        text: &str,
        name: &str,
        conditions: impl Iterator<Item = &'a str>,
    ) -> Result<EventPattern> {
        let names: Vec<String> = name.split('|').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(invalid(text));
        }
        let wheres = conditions.map(|condition| Where::parse("condition", condition, Subject::Events));
        let wheres = wheres.collect::<Result<Vec<_>>>()?;
        if !Conditions::join(wheres.iter().map(Where::on_sessions)).is_empty() {
            return Err(Error::usage(format!("{text:?} has a condition on the session, not on the event"))
                .hint("select sessions with --where, or use a column of events"));
        }
        let conditions = Conditions::join(wheres.iter().map(Where::on_events));
        Ok(EventPattern { text: text.to_owned(), names, wheres, conditions })
    }

    /// Returns the pattern of one event name.
    pub fn event(name: &str) -> EventPattern {
        EventPattern {
            text: name.to_owned(),
            names: vec![name.to_owned()],
            wheres: Vec::new(),
            conditions: Conditions::default(),
        }
    }

    /// Searches the events of the given UTC dates for fields that are not columns. Returns a note
    /// on each of these fields, found or not.
    pub(crate) fn resolve(&mut self, tables: &dyn Tables, dates: Option<(Day, Day)>) -> Vec<String> {
        let resolve = |written: &mut Where| match written.resolve(tables, dates) {
            Ok(notes) => notes,
            Err(error) => match error.hint_text() {
                Some(hint) => vec![format!("{error}: {hint}")],
                None => vec![error.to_string()],
            },
        };
        let notes = self.wheres.iter_mut().flat_map(resolve).collect();
        self.conditions = Conditions::join(self.wheres.iter().map(Where::on_events));
        notes
    }

    /// Returns the text of the pattern.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the columns that the pattern reads.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        self.conditions.columns()
    }

    /// Returns whether an event name matches.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        self.names.iter().any(|pattern| matches_wildcards(pattern, name))
    }
}

fn invalid(text: &str) -> Error {
    Error::usage(format!("{text:?} is not an event with conditions"))
        .hint("write it as 'message_sent' or 'page_viewed where page_url~/pricing'")
}

/// Returns whether a string matches a pattern in which `*` stands for any characters.
fn matches_wildcards(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut rest = rest;
    while let Some((middle, others)) = rest.split_once('*') {
        let Some(at) = text.find(middle) else { return false };
        text = text.get(at + middle.len()..).unwrap_or("");
        rest = others;
    }
    text.ends_with(rest)
}

/// Returns the columns that several patterns read, without duplicates.
pub(crate) fn columns<'a>(patterns: impl IntoIterator<Item = &'a EventPattern>) -> Vec<&'static str> {
    let mut columns = vec!["event_name"];
    for name in patterns.into_iter().flat_map(EventPattern::columns) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

/// Returns whether a pattern has a field that is not a column. The events of the window determine
/// in which column it is looked up.
pub(crate) fn depend_on_events(patterns: &[EventPattern]) -> bool {
    patterns.iter().flat_map(|pattern| &pattern.wheres).any(Where::has_unresolved_fields)
}

/// Searches the events of a window for fields of patterns that are not columns. Returns notes on
/// these fields.
pub(crate) fn resolve(tables: &dyn Tables, query: &Query, patterns: &mut [EventPattern]) -> Vec<String> {
    let dates = Some(query.window.utc_dates(tables.zone()));
    // The tables of one chatbot of a grid have only its events. As in a separate report, a field is
    // searched in the events of all chatbots.
    let grid = tables.grid();
    let tables = grid.as_ref().map_or(tables, |grid| grid.tables.as_ref());
    patterns.iter_mut().flat_map(|pattern| pattern.resolve(tables, dates)).collect()
}

/// Matches the events of a frame against up to 31 patterns.
pub(crate) struct PatternMatcher<'a> {
    event_names: &'a Texts,
    patterns: &'a [EventPattern],
    conditions: Vec<BoundConditions<'a>>,
    /// The patterns with conditions, as bits.
    conditional: u32,
    /// The patterns that a name matches, as bits, by token of the name.
    names: ViewCache<u32>,
}

impl<'a> PatternMatcher<'a> {
    /// Returns a matcher for a frame with the columns of the patterns. Times without an offset are
    /// read in `zone`.
    pub fn new(patterns: &'a [EventPattern], frame: &'a Frame, zone: Zone) -> Result<PatternMatcher<'a>> {
        let bind = |pattern: &'a EventPattern| pattern.conditions.bind(frame, zone);
        let conditional = patterns.iter().zip(0..).filter(|(pattern, _)| !pattern.conditions.is_empty());
        Ok(PatternMatcher {
            event_names: frame.texts("event_name")?,
            patterns,
            conditions: patterns.iter().map(bind).collect::<Result<_>>()?,
            conditional: conditional.fold(0, |bits, (_, number)| bits | 1u32 << number),
            names: ViewCache::new(0),
        })
    }

    /// Returns the patterns that an event matches, as bits from the lowest one.
    pub fn bits(&mut self, row: usize) -> u32 {
        let (names, patterns) = (self.event_names, self.patterns);
        let mut bits = self.names.get(names.token(row).unwrap_or(NULL_TOKEN), || {
            let name = names.get(row).unwrap_or("");
            let matching = patterns.iter().zip(0..).filter(|(pattern, _)| pattern.matches_name(name));
            matching.fold(0, |bits, (_, number)| bits | 1u32 << number)
        });
        let mut rest = bits & self.conditional;
        while rest != 0 {
            let number = rest.trailing_zeros();
            rest &= rest - 1;
            let conditions = self.conditions.get_mut(number as usize);
            if !conditions.is_some_and(|conditions| conditions.matches(row)) {
                bits &= !(1 << number);
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};

    #[test]
    fn names_match_with_alternatives_and_wildcards() {
        let matches = |pattern: &str, name: &str| EventPattern::parse(pattern).unwrap().matches_name(name);
        assert!(matches("message_sent", "message_sent") && !matches("message_sent", "message_sent2"));
        assert!(matches("a | b", "b") && !matches("a|b", "a|b"));
        assert!(
            matches("*", "") && matches("message_*", "message_sent") && matches("*_sent", "message_sent")
        );
        assert!(matches("m*ss*t", "message_sent") && !matches("m*ss*x*t", "message_sent"));
        // The parts of a pattern do not overlap.
        assert!(!matches("ab*ba", "aba") && matches("ab*ba", "abba"));
    }

    #[test]
    fn conditions_of_a_pattern_must_all_hold() {
        let mut builder = FrameBuilder::new(Table::Events);
        for (name, properties) in [("order", r#"{"value":30}"#), ("order", r#"{"value":3}"#), ("other", "{}")]
        {
            builder.row(&[("event_name", Cell::Text(name)), ("properties", Cell::Json(properties))]);
        }
        let frame = builder.finish().unwrap();
        let patterns = ["order where properties.value>5 and event.event_name=order", "*", "order"];
        let patterns = patterns.map(|text| EventPattern::parse(text).unwrap());
        let mut matcher = PatternMatcher::new(&patterns, &frame, Zone::UTC).unwrap();
        let bits: Vec<u32> = (0..3).map(|row| matcher.bits(row)).collect();
        assert_eq!(bits, [0b111, 0b110, 0b010]);
        assert_eq!(columns(&patterns), ["event_name", "properties"]);
    }

    #[test]
    fn pattern_without_a_name_is_an_error() {
        for text in
            ["", " where page_url~x", "a|", "a where", "a where b", "a where session.duration_seconds>3"]
        {
            assert!(EventPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
