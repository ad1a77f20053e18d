//! The reading thread: reads the input files one after another and queues their blocks.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use super::backpressure::Backpressure;
use super::messages::{BlockExtent, FileEnd, Message, NumberedMessage, SourceUpdate};
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::file_status::FileStatus;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::input::source_registry::{
    MapVersion, ReadPlan, ReadPosition, ReadRules, SourceFile, SourceRegistry,
};
use crate::ingest::summary::FileOutcome;
use crate::time::Micros;

/// The files to read.
#[derive(Debug)]
pub struct IngestInputs {
    /// The files, in order.
    pub files: Vec<Input>,
    /// The files that were ingested before.
    pub registry: SourceRegistry,
    /// Whether to read files even if they are unchanged.
    pub force: bool,
    /// How the format of each file is determined.
    pub formats: Formats,
    /// The rules that decide whether an ingested file would be read in the same way again.
    pub rules: ReadRules,
    /// The start of the ingest, by the clock of the file system. Files that changed shortly before
    /// it are not recognized by their status alone.
    pub began_at: Micros,
}

impl IngestInputs {
    /// Returns the total size of the files in bytes. Standard input counts as 0.
    pub fn bytes(&self) -> u64 {
        let size = |input: &Input| match input {
            Input::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Input::Stdin => 0,
        };
        self.files.iter().map(size).sum()
    }
}

/// A block in the queue of the parsers.
pub struct UnparsedBlock {
    /// Number of the block among all messages.
    pub number: u64,
    /// Index of the file.
    pub file: usize,
    /// The lines.
    pub raw: RawBlock,
    /// The part of the file that the block covers.
    pub extent: BlockExtent,
}

/// The state of the reading thread.
pub struct FileReader<'a> {
    inputs: &'a IngestInputs,
    backpressure: &'a Backpressure,
    messages: Sender<NumberedMessage>,
    blocks: SyncSender<UnparsedBlock>,
    free_buffers: Receiver<Vec<u8>>,
    next_number: u64,
}

impl<'a> FileReader<'a> {
    /// Creates a reader. It sends the blocks to `blocks` and all other messages to `messages`, and
    /// reads into the buffers that it receives from `free_buffers`.
    pub fn new(
        inputs: &'a IngestInputs,
        backpressure: &'a Backpressure,
        messages: Sender<NumberedMessage>,
        blocks: SyncSender<UnparsedBlock>,
        free_buffers: Receiver<Vec<u8>>,
    ) -> FileReader<'a> {
        FileReader { inputs, backpressure, messages, blocks, free_buffers, next_number: 0 }
    }

    /// Reads all files, or stops when the ingest ends.
    pub fn read_all(&mut self) {
        let inputs = self.inputs;
        for (index, input) in inputs.files.iter().enumerate() {
            if self.read_file(index, input).is_none() {
                break;
            }
        }
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn send(&mut self, message: Message) -> Option<()> {
        let number = self.take_number();
        self.messages.send((number, message)).ok()
    }

    fn send_unreadable(&mut self, file: usize, error: Error) -> Option<()> {
        let end = FileEnd { error: Some(error), nothing_read: true, update: None };
        self.send(Message::End { file, end })
    }

    /// Reads one input; `None` if the ingest has ended.
    fn read_file(&mut self, file: usize, input: &Input) -> Option<()> {
        if !self.backpressure.begin_file() {
            return None;
        }
        let name = input.name();
        if let Input::File(path) = input
            && let Some(size) = self.unchanged_size(path, &name)
        {
            return self.skip(file, name, size, None);
        }
        let (opened, status, plan) = match input {
            Input::Stdin => (None, None, ReadPlan::Full),
            Input::File(path) => match self.open(path, &name) {
                Ok((opened, status, plan)) => (Some(opened), status, plan),
                Err(error) => {
                    let outcome = FileOutcome::Read;
                    self.send(Message::Begin { file, name, outcome, map: None, handle: None, skipped: 0 })?;
                    return self.send_unreadable(file, error);
                }
            },
        };
        if let ReadPlan::Skip(known) = plan {
            let size = known.size;
            let update = self.renewed(*known, &name, status);
            return self.skip(file, name, size, update);
        }
        // One handle is for the registry entry at the end, the other for the writing thread.
        let [end_handle, handle] = [(); 2].map(|()| match (input, &opened) {
            (Input::File(path), Some(opened)) => second_handle(opened, path),
            _ => None,
        });
        let mut position = match &plan {
            ReadPlan::Resume { hash, lines, .. } => ReadPosition {
                consumed: hash.length(),
                content: Some(hash.digest()),
                lines: *lines,
                plain: true,
            },
            _ => ReadPosition::default(),
        };
        let skipped = position.consumed;
        let outcome = match &plan {
            ReadPlan::Resume { .. } => FileOutcome::Resumed { from: skipped },
            _ => FileOutcome::Read,
        };
        let known = match &plan {
            ReadPlan::Resume { map, .. } => Some(map.clone()),
            _ => None,
        };
        // Read the open file rather than the path, which may name another file by now.
        let blocks = match (input, opened, plan) {
            (Input::File(path), Some(opened), ReadPlan::Resume { hash, lines, .. }) => {
                BlockReader::resume(path, opened, lines + 1, *hash)
            }
            (Input::File(path), Some(opened), _) => BlockReader::from_file(path, opened),
            _ => BlockReader::open(input),
        };
        let formats = &self.inputs.formats;
        let opened = blocks.and_then(|mut blocks| {
            let format = formats.detect(&mut blocks, known, skipped == 0)?;
            Ok((blocks, format))
        });
        let map = opened.as_ref().ok().and_then(|(_, format)| format.known_as());
        let map = map.map(|(name, map)| MapVersion { name, sha256: map.sha256.clone() });
        let begin = Message::Begin { file, name: name.clone(), outcome, map: map.clone(), handle, skipped };
        self.send(begin)?;
        let is_native = opened.as_ref().is_ok_and(|(_, format)| format.is_native_lines());
        let mut reader = match opened {
            Ok((blocks, format)) => RecordReader::new(blocks, format, &formats.candidates, formats.timezone),
            Err(error) => return self.send_unreadable(file, error),
        };
        let mut consumed = skipped;
        let mut error = None;
        loop {
            match reader.next_block(self.free_buffers.try_recv().unwrap_or_default()) {
                Ok(Some((raw, after))) => {
                    if is_native && raw.unfinished_overlong.is_some_and(|line| line.line == 1) {
                        error = Some(NotALog::one_long_line().error(reader.blocks().name()));
                    }
                    position = after;
                    let bytes = reader.blocks().consumed().saturating_sub(consumed);
                    consumed += bytes;
                    let (number, extent) = (self.take_number(), BlockExtent { bytes, position });
                    self.blocks.send(UnparsedBlock { number, file, raw, extent }).ok()?;
                }
                Ok(None) => break,
                Err(e) => {
                    error = Some(e);
                    break;
                }
            }
        }
        let update = match (input, end_handle) {
            (Input::File(path), Some(handle)) if error.is_none() => {
                self.source_update(path, &name, &handle, &reader, (position, status, map)).unwrap_or(None)
            }
            _ => None,
        };
        self.send(Message::End { file, end: FileEnd { error, nothing_read: false, update } })
    }

    /// Reports that a file is unchanged.
    fn skip(
        &mut self,
        file: usize,
        name: String,
        size: u64,
        update: Option<Box<SourceUpdate>>,
    ) -> Option<()> {
        let outcome = FileOutcome::Unchanged;
        self.send(Message::Begin { file, name, outcome, map: None, handle: None, skipped: size })?;
        self.send(Message::End { file, end: FileEnd { update, ..FileEnd::default() } })
    }

    /// Returns the size of a file whose status shows that it is unchanged; `None` if the file must
    /// be opened.
    fn unchanged_size(&self, path: &Path, name: &str) -> Option<u64> {
        if self.inputs.force {
            return None;
        }
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let (size, status) = (metadata.len(), FileStatus::new(&metadata)?);
        self.inputs.registry.is_unchanged(name, size, &status, &self.inputs.rules).then_some(size)
    }

    /// Returns the registry entry of an unchanged file with its current name and status, so that
    /// the next ingest does not have to read the file; `None` if the entry would not change.
    fn renewed(
        &self,
        known: SourceFile,
        name: &str,
        status: Option<FileStatus>,
    ) -> Option<Box<SourceUpdate>> {
        let status = status.filter(|status| status.is_settled(self.inputs.began_at))?;
        // If two files have the same bytes, only one of them has the entry.
        if known.path != name && Path::new(&known.path).exists() {
            return None;
        }
        let file = SourceFile { path: name.to_owned(), status: Some(status), ..known };
        Some(Box::new(SourceUpdate { file, continued: Vec::new(), only_status: true }))
    }

    /// Opens a file and decides how to read it. The returned status was read before any of its
    /// bytes.
    fn open(&self, path: &Path, name: &str) -> Result<(File, Option<FileStatus>, ReadPlan)> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
        let status = FileStatus::new(&metadata);
        // Pipes and devices have no size and cannot be recognized again.
        if !metadata.is_file() || self.inputs.force {
            return Ok((file, status, ReadPlan::Full));
        }
        let plan = self.inputs.registry.plan(name, &file, &self.inputs.rules);
        Ok((file, status, plan.map_err(|e| Error::io("read", path, e))?))
    }

    /// Returns the registry entry of a file that was read to its end; `None` if the file has been
    /// replaced or changed in the meantime. `before` is the status before the file was read.
    fn source_update(
        &self,
        path: &Path,
        name: &str,
        handle: &File,
        reader: &RecordReader,
        (position, before, map): (ReadPosition, Option<FileStatus>, Option<MapVersion>),
    ) -> std::io::Result<Option<Box<SourceUpdate>>> {
        let compressed = !reader.can_resume();
        let reader = reader.blocks();
        let metadata = handle.metadata()?;
        if !is_same_file(handle, path)? || (compressed && reader.consumed() != metadata.len()) {
            return Ok(None);
        }
        let position = match compressed {
            true => ReadPosition {
                consumed: metadata.len(),
                content: Some(reader.digest()),
                plain: false,
                ..position
            },
            // A file without lines has no block that could have set the hash.
            false => {
                let content = position.content.or_else(|| reader.digest_at(position.consumed));
                ReadPosition { content, ..position }
            }
        };
        let source = SourceFile::describe(name, handle, position, &self.inputs.rules.options)?;
        let continued = self.inputs.registry.heads_continued_by(name, handle)?;
        let unchanged = FileStatus::new(&metadata) == before;
        Ok(source.map(|source| {
            // Bytes that were appended since the last read are left for the next ingest. If the
            // file changed in another way, its tail can differ from the bytes that were read.
            let whole = compressed || (source.size == reader.consumed() && unchanged);
            let status = before.filter(|status| unchanged && status.is_settled(self.inputs.began_at));
            let file = SourceFile { whole, status, map, ..source };
            Box::new(SourceUpdate { file, continued, only_status: false })
        }))
    }
}

/// Returns a second handle for positional reads of a file while it is being read; `None` if it is
/// not a regular file.
fn second_handle(file: &File, path: &Path) -> Option<File> {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    // Positional reads move the position of a shared handle, except on Unix.
    is_file.then(|| if cfg!(unix) { file.try_clone() } else { File::open(path) })?.ok()
}

/// Returns whether a path still names the open file, which may have been rotated in the meantime.
#[cfg(unix)]
fn is_same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (handle.metadata()?, std::fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    Ok(handle.metadata()?.created()? == std::fs::metadata(path)?.created()?)
}
