//! The figures of a report for each value of a field, for `--by`.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Answer;

/// The answers of a report for each value of one or two fields.
#[derive(Clone)]
pub struct BrokenDown {
    /// The names of the fields.
    pub by: Vec<String>,
    /// The groups, most sessions first; the last one can combine all other values.
    pub groups: Vec<BrokenDownGroup>,
    /// Whether a session can be in several groups. The groups can then add up to more than the
    /// total.
    pub overlap: bool,
}

/// The answer for one combination of values.
#[derive(Clone)]
pub struct BrokenDownGroup {
    /// The values, in the order of the fields.
    pub values: Vec<String>,
    /// The report on the sessions with these values.
    pub answer: Arc<dyn Answer>,
}

impl std::fmt::Debug for BrokenDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values: Vec<&Vec<String>> = self.groups.iter().map(|group| &group.values).collect();
        f.debug_struct("BrokenDown").field("by", &self.by).field("groups", &values).finish()
    }
}

impl Serialize for BrokenDown {
    /// Writes `by`, `groups_overlap` and `groups`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("by", &self.by)?;
        map.serialize_entry("groups_overlap", &self.overlap)?;
        map.serialize_entry("groups", &self.groups)?;
        map.end()
    }
}

/// The JSON form of a group.
#[derive(Serialize)]
struct Figures<'a> {
    values: &'a [String],
    #[serde(flatten)]
    body: &'a dyn erased_serde::Serialize,
}

impl Serialize for BrokenDownGroup {
    /// Writes `values` and the figures of the report.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Figures { values: &self.values, body: self.answer.body() }.serialize(serializer)
    }
}
