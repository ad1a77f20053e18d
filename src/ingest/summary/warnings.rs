//! What an ingest noticed about events that it stored all the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ingest::parse::fields::Field;

/// Something about a stored event that its sender should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Warning {
    /// An optional field has the wrong type: it became null, and its original went to `extra`.
    WrongType(Field),
    /// `ip_address` is a text, but no address: it became null.
    NotAnAddress,
    /// `response_time_ms` of a `message_received` is no number, negative or too large.
    BadResponseTime,
    /// A value holds half of a surrogate pair, now U+FFFD.
    LoneSurrogate,
    /// An envelope's unknown fields would have multiplied its size: an event did without them.
    EnvelopeFieldsLeftOut,
    /// One id names different events.
    IdNamesDifferentEvents,
}

/// How often each warning was given; a sum that can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    counts: BTreeMap<Warning, u64>,
}

impl Warning {
    /// Returns the name used in accounts: `wrong_type:page_url`, `lone_surrogate` …
    pub fn name(self) -> String {
        match self {
            Warning::WrongType(field) => format!("wrong_type:{}", field.name()),
            Warning::NotAnAddress => "not_an_address".to_owned(),
            Warning::BadResponseTime => "bad_response_time".to_owned(),
            Warning::LoneSurrogate => "lone_surrogate".to_owned(),
            Warning::EnvelopeFieldsLeftOut => "envelope_fields_left_out".to_owned(),
            Warning::IdNamesDifferentEvents => "id_names_different_events".to_owned(),
        }
    }

    /// Reads a name; `None` where it is none.
    pub fn from_name(name: &str) -> Option<Warning> {
        let others = [
            Warning::NotAnAddress,
            Warning::BadResponseTime,
            Warning::LoneSurrogate,
            Warning::EnvelopeFieldsLeftOut,
            Warning::IdNamesDifferentEvents,
        ];
        let wrong_types = Field::ALL.into_iter().map(Warning::WrongType);
        others.into_iter().chain(wrong_types).find(|w| w.name() == name)
    }
}

impl Warnings {
    /// Counts a warning.
    pub fn add(&mut self, warning: Warning) {
        self.add_many(warning, 1);
    }

    /// Counts a warning several times.
    pub fn add_many(&mut self, warning: Warning, times: u64) {
        if times > 0 {
            *self.counts.entry(warning).or_default() += times;
        }
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Warnings) {
        others.iter().for_each(|(warning, times)| self.add_many(warning, times));
    }

    /// Returns how often a warning was given.
    pub fn count(&self, warning: Warning) -> u64 {
        self.counts.get(&warning).copied().unwrap_or(0)
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Goes through the warnings that were given.
    pub fn iter(&self) -> impl Iterator<Item = (Warning, u64)> {
        self.counts.iter().map(|(warning, times)| (*warning, *times))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

impl Serialize for Warnings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(warning, times)| (warning.name(), times)))
    }
}

impl<'de> Deserialize<'de> for Warnings {
    /// Reads the counts; those of unknown names, of another version, are left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut warnings = Warnings::default();
        for (name, times) in names {
            if let Some(warning) = Warning::from_name(&name) {
                warnings.add_many(warning, times);
            }
        }
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_merged_and_come_back_from_json() {
        let mut one = Warnings::default();
        one.add(Warning::WrongType(Field::PageUrl));
        let mut two = Warnings::default();
        two.add(Warning::WrongType(Field::PageUrl));
        two.add(Warning::LoneSurrogate);
        one.merge(&two);
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(json, r#"{"wrong_type:page_url":2,"lone_surrogate":1}"#);
        assert_eq!(serde_json::from_str::<Warnings>(&json).unwrap(), one);
        assert_eq!(one.total(), 3);
    }
}
