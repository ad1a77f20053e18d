//! The context in which a rejected line was read. `wa rejects --retry` reads it again in the same
//! way.

use std::sync::Arc;

use crate::ingest::map::SharedMap;

/// The context of a rejected line that is not a complete native line.
#[derive(Clone, Debug, Default)]
pub struct RejectContext {
    /// The map that read it; `None` for the native form.
    pub map: Option<SharedMap>,
    /// The names of the columns of its row, if the file names them.
    pub columns: Option<Arc<[String]>>,
    /// The columns that its wrapping supplies, as a JSON object.
    pub given: Option<Box<str>>,
    /// Whether the line is only part of a record. The rest of the record is not stored.
    pub is_part: bool,
}

impl RejectContext {
    /// Returns whether the context is empty.
    pub fn is_empty(&self) -> bool {
        self.map.is_none() && self.columns.is_none() && self.given.is_none() && !self.is_part
    }

    /// Returns the bytes that the context adds to the stored line.
    pub fn memory_size(&self) -> usize {
        let columns = self.columns.iter().flat_map(|columns| columns.iter()).map(|name| name.len() + 8);
        let map = self.map.as_ref().map_or(0, |map| map.name.len());
        size_of::<RejectContext>()
            + columns.sum::<usize>()
            + map
            + self.given.as_ref().map_or(0, |json| json.len())
    }
}

impl PartialEq for RejectContext {
    fn eq(&self, other: &RejectContext) -> bool {
        let map = |context: &RejectContext| context.map.as_ref().map(|map| map.sha256.clone());
        map(self) == map(other)
            && self.columns == other.columns
            && self.given == other.given
            && self.is_part == other.is_part
    }
}

impl Eq for RejectContext {}
