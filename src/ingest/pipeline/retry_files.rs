//! Reads files again for rejected lines whose stored text is not sufficient.
//!
//! A file is read as in an ingest, but only records whose hash equals that of a rejected line are
//! parsed: see [`Selection`]. Even if the file was replaced or changed in the meantime, no other
//! event of it is stored. Memory is bounded by one block of the file and its events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::retry::{Pass, Retry};
use crate::error::Result;
use crate::ingest::input::blocks::BlockReader;
use crate::ingest::input::discovery::Input;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::map::detect::Candidates;
use crate::ingest::parse::Parsed;
use crate::ingest::parse::selection::Selection;
use crate::ingest::stored_reject::{InFile, Unreadable};
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;

/// Size of a chunk of a parsed block, in bytes.
const CHUNK_SIZE: usize = 4 << 20;

/// The rejected lines that wait for their file to be read.
#[derive(Default)]
pub(super) struct FileRejects {
    /// The lines by file, by the name of the map that reads them, and by whether they are read from
    /// their file only because they are too long to be stored.
    files: BTreeMap<(String, Option<String>, bool), FileReject>,
    len: usize,
}

/// The waiting lines of a file.
pub(super) struct FileReject {
    /// How the lines are read.
    pub from: InFile,
    /// The lines.
    pub selection: Selection,
    /// For each line, the index of its file among the files of rejected lines with waiting lines,
    /// and the index of the line in that file.
    pub places: Vec<(u32, u32)>,
}

impl FileRejects {
    /// Returns the number of lines.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a line with its position.
    pub fn add(&mut self, reject: &RejectRecord, from: InFile, place: (u32, u32), key: &SecretKey) {
        let name = from.map.as_ref().map(|map| map.name.clone());
        let group = (reject.file.clone(), name, from.is_truncated);
        let new = || FileReject { from, selection: Selection::new(key.clone()), places: Vec::new() };
        let file = self.files.entry(group).or_insert_with(new);
        file.selection.add(reject);
        file.places.push(place);
        self.len += 1;
    }

    /// Removes and returns all lines, by file.
    pub fn take(&mut self) -> impl Iterator<Item = (String, FileReject)> + use<> {
        std::mem::take(self).files.into_iter().map(|((name, ..), file)| (name, file))
    }
}

/// The reason why lines of a file were not found, with the error.
type Problem = (Unreadable, Option<String>);

impl Retry<'_> {
    /// Reads a file and ingests the selected records. Returns the selection with its outcomes, and
    /// the problem if the file was not read to its end.
    pub(super) fn retry_file(
        &mut self,
        name: &str,
        from: InFile,
        selection: Selection,
        candidates: &Arc<Candidates>,
    ) -> Result<(Selection, Option<Problem>)> {
        let path = PathBuf::from(name);
        let problem = match std::fs::metadata(&path) {
            _ if name == "-" => Some((Unreadable::NotAFile, None)),
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some((Unreadable::NotAFile, None)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some((Unreadable::NoFile, None)),
            Err(error) => Some((Unreadable::ReadFailed, Some(error.to_string()))),
        };
        if problem.is_some() {
            return Ok((selection, problem));
        }
        let timezone = self.run.options.timezone;
        let pass = match from.is_truncated {
            true => Pass::WholeLines,
            false => Pass::File { map: from.map.as_ref().map(|map| map.name.clone()), round: self.round },
        };
        let formats = Formats { given: from.map, candidates: candidates.clone(), timezone };
        let opened = BlockReader::open(&Input::File(path)).and_then(|mut blocks| {
            let format = formats.detect(&mut blocks, None, true)?;
            // The last line was complete when it was rejected.
            blocks.assume_complete();
            Ok(RecordReader::new(blocks, format, &formats.candidates, timezone))
        });
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => {
                return Ok((selection, Some((Unreadable::ReadFailed, Some(error.to_string())))));
            }
        };
        self.run.progress.set_step(name);
        let file = self.file(name, pass);
        self.retry_records(file, &mut reader, selection)
    }

    fn retry_records(
        &mut self,
        file: usize,
        reader: &mut RecordReader,
        mut selection: Selection,
    ) -> Result<(Selection, Option<Problem>)> {
        if let Some(header) = reader.header() {
            selection.skip(header);
        }
        let (options, enricher) = (self.lines.options, self.lines.enricher);
        let mut parser = std::mem::take(&mut self.lines.parser);
        parser.select(selection);
        let (mut buffer, mut problem) = (Vec::new(), None);
        loop {
            let mut raw = match reader.next_block(std::mem::take(&mut buffer)) {
                Ok(Some((raw, _))) => raw,
                Ok(None) => break,
                Err(error) => {
                    problem = Some((Unreadable::ReadFailed, Some(error.to_string())));
                    break;
                }
            };
            (raw.unfinished, raw.unfinished_overlong) = (false, None);
            if let Some(records) = &mut raw.records {
                records.ignored = 0;
            }
            let mut added = Ok(());
            let mut emit = |parsed| {
                if added.is_ok() {
                    added = self.add_selected(file, parsed);
                }
            };
            let (last, bytes) = parser.parse_in_chunks(raw, options, enricher, CHUNK_SIZE, &mut emit);
            added?;
            self.add_selected(file, last)?;
            buffer = bytes;
        }
        let selection = parser.take_selection().map(|selection| *selection);
        self.lines.parser = parser;
        Ok((selection.unwrap_or_else(|| Selection::new(self.key.clone())), problem))
    }

    /// Adds the events of selected records.
    fn add_selected(&mut self, file: usize, mut parsed: Parsed) -> Result<()> {
        let rejected: u64 = parsed.rejected.iter().map(|rejected| rejected.count).sum();
        let rows = parsed.block.rows.len() as u64;
        // The other lines of the file do not count.
        (parsed.read, parsed.blank) = (rows + rejected + parsed.ignored, 0);
        if rows == 0 {
            parsed.warnings = Default::default();
        }
        if parsed.read == 0 {
            return Ok(());
        }
        self.count_rejected(file, &mut parsed, 1);
        self.add(file, parsed)
    }
}
