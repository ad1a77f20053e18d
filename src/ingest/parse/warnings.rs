//! Warnings about defects of stored events.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fields::Field;

/// A warning about a stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Warning {
    /// An optional field has the wrong type. The column is null and `extra` holds the value.
    WrongType(Field),
    /// `ip_address` is a string but not an IP address. The column is null.
    NotAnIpAddress,
    /// `country_code` is a string but not a country code. The column is null and `extra` holds the
    /// value.
    NotACountryCode,
    /// An optional time is not in the years 1 to 9999. The column is null and `extra` holds the
    /// value.
    TimeOutOfRange(Field),
    /// `response_time_ms` of a `message_received` is not a number, is negative, or is too large.
    BadResponseTime,
    /// A value has a lone surrogate, which was replaced by U+FFFD.
    LoneSurrogate,
    /// An event did not inherit the unknown fields of its envelope, because all copies together
    /// would take many times the size of the envelope.
    EnvelopeFieldsLeftOut,
    /// Different events have the same id.
    IdNamesDifferentEvents,
}

/// Counts of warnings. Those of several files can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    counts: BTreeMap<Warning, u64>,
}

impl Warning {
    /// Returns the name that ingest summaries use: `wrong_type:page_url`, `lone_surrogate` …
    pub fn name(self) -> String {
        match self {
            Warning::WrongType(field) => format!("wrong_type:{}", field.name()),
            Warning::NotAnIpAddress => "not_an_ip_address".to_owned(),
            Warning::NotACountryCode => "not_a_country_code".to_owned(),
            Warning::TimeOutOfRange(field) => format!("time_out_of_range:{}", field.name()),
            Warning::BadResponseTime => "bad_response_time".to_owned(),
            Warning::LoneSurrogate => "lone_surrogate".to_owned(),
            Warning::EnvelopeFieldsLeftOut => "envelope_fields_left_out".to_owned(),
            Warning::IdNamesDifferentEvents => "id_names_different_events".to_owned(),
        }
    }

    /// Returns the warning with a name.
    pub fn from_name(name: &str) -> Option<Warning> {
        let others = [
            Warning::NotAnIpAddress,
            Warning::NotACountryCode,
            Warning::BadResponseTime,
            Warning::LoneSurrogate,
            Warning::EnvelopeFieldsLeftOut,
            Warning::IdNamesDifferentEvents,
        ];
        let wrong_types = Field::ALL.into_iter().map(Warning::WrongType);
        let out_of_range = Field::ALL.into_iter().map(Warning::TimeOutOfRange);
        others.into_iter().chain(wrong_types).chain(out_of_range).find(|w| w.name() == name)
    }
}

impl Warnings {
    /// Counts a warning.
    pub fn add(&mut self, warning: Warning) {
        self.add_many(warning, 1);
    }

    /// Counts a warning `times` times.
    pub fn add_many(&mut self, warning: Warning, times: u64) {
        if times > 0 {
            *self.counts.entry(warning).or_default() += times;
        }
    }

    /// Adds the counts of `others`.
    pub fn merge(&mut self, others: &Warnings) {
        others.iter().for_each(|(warning, times)| self.add_many(warning, times));
    }

    /// Returns the count of a warning.
    pub fn count(&self, warning: Warning) -> u64 {
        self.counts.get(&warning).copied().unwrap_or(0)
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the warnings with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Warning, u64)> {
        self.counts.iter().map(|(warning, times)| (*warning, *times))
    }

    /// Returns whether there are no warnings.
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
    /// Reads the counts. Unknown names, which other versions of `wa` wrote, are ignored.
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
    fn warnings_merge_and_round_trip_through_json() {
        let mut one = Warnings::default();
        one.add(Warning::WrongType(Field::PageUrl));
        let mut two = Warnings::default();
        two.add(Warning::WrongType(Field::PageUrl));
        two.add(Warning::LoneSurrogate);
        two.add(Warning::TimeOutOfRange(Field::SentAt));
        two.add(Warning::NotACountryCode);
        one.merge(&two);
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(
            json,
            r#"{"wrong_type:page_url":2,"not_a_country_code":1,"time_out_of_range:sent_at":1,"lone_surrogate":1}"#
        );
        assert_eq!(serde_json::from_str::<Warnings>(&json).unwrap(), one);
        assert_eq!(one.total(), 5);
    }
}
