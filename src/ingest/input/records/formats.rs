//! The formats of the files of an ingest.

use std::sync::Arc;

use super::format_detection::{detect_format, detect_format_of_rest};
use super::record_reader::FileFormat;
use crate::error::Result;
use crate::ingest::input::blocks::BlockReader;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::map::SharedMap;
use crate::ingest::map::detect::Candidates;
use crate::time::Zone;

/// How the format of each file is determined.
#[derive(Debug, Default)]
pub struct Formats {
    /// The map that the user chose for all files.
    pub given: Option<SharedMap>,
    /// The maps from which the format of a file, or of a value inside a wrapping, is selected.
    pub candidates: Arc<Candidates>,
    /// The time zone of times without an offset. Overrides the zone of the map.
    pub timezone: Option<Zone>,
}

impl Formats {
    /// Returns how a file is read: by a map, or as native lines. `known` is set for a file that was
    /// read before: to the hash of its map, or to `Some(None)` for native lines. `is_start` says
    /// whether the reader is at the beginning of the file.
    ///
    /// # Errors
    /// Fails if several maps match equally well, or if the beginning of the file shows that it is
    /// not a log.
    pub fn detect(
        &self,
        reader: &mut BlockReader,
        known: Option<Option<String>>,
        is_start: bool,
    ) -> Result<FileFormat> {
        let format = self.of(reader, known)?;
        if is_start && format.is_native_lines() {
            let may_grow = reader.is_plain_file();
            let (head, is_all) = reader.head();
            if let Some(not_a_log) = NotALog::recognize(head, is_all, may_grow) {
                return Err(not_a_log.error(reader.name()));
            }
        }
        Ok(format)
    }

    fn of(&self, reader: &mut BlockReader, known: Option<Option<String>>) -> Result<FileFormat> {
        let map = match known {
            // Use the same map as before.
            Some(None) => return Ok(FileFormat::default()),
            Some(Some(sha256)) => {
                let known = self.candidates.maps.iter().chain(&self.given).find(|map| map.sha256 == sha256);
                if let Some(map) = known {
                    return detect_format_of_rest(reader, &self.candidates, map);
                }
                None
            }
            None => self.given.as_ref(),
        };
        Ok(detect_format(reader, &self.candidates, map)?.0)
    }
}
