//! Finds the built-in map that is most similar to the format of the records.

use serde::Serialize;

use crate::ingest::map::condition::{Alternatives, Condition};
use crate::ingest::map::detect::values_of;
use crate::ingest::map::record::{Record, Values};
use crate::ingest::map::{Map, Reader, presets};
use crate::json::{NodeId, TextBuffer};

/// A map that partly matches some records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nearest {
    /// Name of the map.
    pub map: String,
    /// Its description of the format.
    pub about: String,
    /// Number of conditions.
    pub conditions: usize,
    /// The conditions that do not hold.
    pub missing: Vec<String>,
}

/// Returns the built-in map with the most conditions that hold for a JSON value. At least two
/// conditions and half of all conditions must hold. A map whose conditions all hold is skipped,
/// since detection would have chosen it.
pub fn nearest_to_json(text: &str) -> Option<Nearest> {
    nearest(|map| {
        let mut values = Values::default();
        let mut roots: Vec<NodeId> = Vec::new();
        if !map.has_reader(Reader::Json) || values_of(text, &mut values, &mut roots).is_err() {
            return Vec::new();
        }
        let mut buffer = TextBuffer::new(text);
        let levels = roots.get(..1).unwrap_or(&[]);
        let mut record = Record { buffer: &mut buffer, values: &mut values, nulls: &map.nulls, levels };
        map.detect.iter().map(|any| any.iter().any(|condition| record.holds(condition))).collect()
    })
}

/// Returns the built-in map with the most conditions that hold for rows with the given columns;
/// `None` in the same cases as [`nearest_to_json`].
pub fn nearest_to_columns(columns: &[String]) -> Option<Nearest> {
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    nearest(|map| {
        let of_rows =
            [Reader::Csv, Reader::W3c, Reader::Tsv].into_iter().any(|reader| map.has_reader(reader));
        let holds = |any: &Alternatives| any.iter().any(|each| each.holds_for_columns(&columns));
        if of_rows { map.detect.iter().map(holds).collect() } else { Vec::new() }
    })
}

/// Finds the nearest map. `holds` returns for each condition of a map whether it holds, and an
/// empty list if the map cannot read records of this form.
fn nearest(mut holds: impl FnMut(&Map) -> Vec<bool>) -> Option<Nearest> {
    let mut best: Option<(usize, usize, Nearest)> = None;
    for map in presets::all().iter().filter(|map| !map.is_wrapping()) {
        let held = holds(map);
        // Conditions that require a key to be missing hold for almost every record, so they do not
        // count.
        let positive = |any: &Alternatives| any.iter().any(|condition| !condition.negated);
        let found = held.iter().zip(&map.detect).filter(|(held, any)| **held && positive(any)).count();
        let (count, wrong) = (held.len(), held.iter().filter(|held| !**held).count());
        if wrong == 0 || found < 2 || found * 2 < count {
            continue;
        }
        if best.as_ref().is_none_or(|(most, least, _)| (found, count - wrong) > (*most, *least)) {
            let missing = held.iter().zip(&map.detect).filter(|(held, _)| !**held);
            let nearest = Nearest {
                map: map.name.clone(),
                about: map.about.clone(),
                conditions: count,
                missing: missing.map(|(_, any)| alternatives(any)).collect(),
            };
            best = Some((found, count - wrong, nearest));
        }
    }
    best.map(|(_, _, nearest)| nearest)
}

/// Formats alternative conditions, joined with `or`.
pub fn alternatives(any: &[Condition]) -> String {
    any.iter().map(Condition::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_map_lists_missing_conditions() {
        // PostHog's events have /event, /distinct_id, /uuid and /properties.
        let nearest = nearest_to_json(r#"{"event":"x","distinct_id":"d","properties":{"a":1}}"#).unwrap();
        assert_eq!(
            (nearest.map.as_str(), nearest.missing.as_slice()),
            ("posthog", &["/uuid".to_owned()][..])
        );
        assert_eq!(nearest_to_json(r#"{"a":1}"#), None);
        assert_eq!(nearest_to_json("broken"), None);
        assert_eq!(nearest_to_columns(&["a".into()]), None);
    }
}
