//! The reading thread: reads the input files one after the other and queues their blocks.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use super::backpressure::Backpressure;
use super::messages::{BlockExtent, FileEnd, Message, NumberedMessage, SourceUpdate};
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::source_registry::{ReadPlan, ReadPosition, SourceFile, SourceRegistry};
use crate::ingest::summary::FileOutcome;

/// The files to read.
#[derive(Debug)]
pub struct IngestInputs {
    /// The files, in order.
    pub files: Vec<Input>,
    /// The files that were ingested before.
    pub registry: SourceRegistry,
    /// Read files even if they are unchanged.
    pub force: bool,
    /// Hash of the options and settings on which the stored events depend.
    pub options_hash: String,
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
    /// Creates a reader. It sends the blocks to `blocks` and all else to `messages`, and reads into
    /// the buffers that it receives from `free_buffers`.
    pub fn new(
        inputs: &'a IngestInputs,
        backpressure: &'a Backpressure,
        messages: Sender<NumberedMessage>,
        blocks: SyncSender<UnparsedBlock>,
        free_buffers: Receiver<Vec<u8>>,
    ) -> FileReader<'a> {
        FileReader { inputs, backpressure, messages, blocks, free_buffers, next_number: 0 }
    }

    /// Reads all files, or until the ingest ends.
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
        let (opened, plan) = match input {
            Input::Stdin => (None, ReadPlan::Full),
            Input::File(path) => match self.open(path, &name) {
                Ok((opened, plan)) => (Some(opened), plan),
                Err(error) => {
                    let outcome = FileOutcome::Read;
                    self.send(Message::Begin { file, name, outcome, handle: None, skipped: 0 })?;
                    return self.send_unreadable(file, error);
                }
            },
        };
        let outcome = match &plan {
            ReadPlan::Skip => FileOutcome::Unchanged,
            ReadPlan::Resume { offset, .. } => FileOutcome::Resumed { from: *offset },
            ReadPlan::Full => FileOutcome::Read,
        };
        if plan == ReadPlan::Skip {
            let metadata = opened.and_then(|opened| opened.metadata().ok());
            let skipped = metadata.map_or(0, |metadata| metadata.len());
            self.send(Message::Begin { file, name, outcome, handle: None, skipped })?;
            return self.send(Message::End { file, end: FileEnd::default() });
        }
        // One handle for the registry entry at the end, one for the writing thread.
        let [end_handle, handle] = [(); 2].map(|()| match (input, &opened) {
            (Input::File(path), Some(opened)) => second_handle(opened, path),
            _ => None,
        });
        let (skipped, mut position) = match plan {
            ReadPlan::Resume { offset, lines } => {
                (offset, ReadPosition { consumed: offset, lines, plain: true })
            }
            _ => (0, ReadPosition::default()),
        };
        self.send(Message::Begin { file, name: name.clone(), outcome, handle, skipped })?;
        // The open file is read, not the path, which may name another file by now.
        let reader = match (input, opened, &plan) {
            (Input::File(path), Some(opened), ReadPlan::Resume { offset, lines }) => {
                BlockReader::resume(path, opened, *offset, lines + 1)
            }
            (Input::File(path), Some(opened), _) => BlockReader::from_file(path, opened),
            _ => BlockReader::open(input),
        };
        let mut reader = match reader {
            Ok(reader) => reader,
            Err(error) => return self.send_unreadable(file, error),
        };
        let mut consumed = skipped;
        let mut error = None;
        loop {
            match reader.next_block_into(self.free_buffers.try_recv().unwrap_or_default()) {
                Ok(Some(raw)) => {
                    position = position_after(&raw, reader.is_plain_file());
                    let bytes = reader.consumed().saturating_sub(consumed);
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
                self.source_update(path, &name, &handle, &reader, position).unwrap_or(None)
            }
            _ => None,
        };
        self.send(Message::End { file, end: FileEnd { error, nothing_read: false, update } })
    }

    /// Opens a file and decides how to read it.
    fn open(&self, path: &Path, name: &str) -> Result<(File, ReadPlan)> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
        // Pipes and devices have no size and cannot be recognized again.
        if !metadata.is_file() || self.inputs.force {
            return Ok((file, ReadPlan::Full));
        }
        let plan = self.inputs.registry.plan(name, &file, &self.inputs.options_hash);
        Ok((file, plan.map_err(|e| Error::io("read", path, e))?))
    }

    /// Returns the registry entry of a file that was read to its end; `None` if the file has been
    /// replaced or changed meanwhile.
    fn source_update(
        &self,
        path: &Path,
        name: &str,
        handle: &File,
        reader: &BlockReader,
        position: ReadPosition,
    ) -> std::io::Result<Option<Box<SourceUpdate>>> {
        let compressed = !reader.is_plain_file();
        let size = handle.metadata()?.len();
        let consumed = if compressed { size } else { position.consumed };
        if !is_same_file(handle, path)? || (compressed && reader.size() != Some(size)) {
            return Ok(None);
        }
        let position = ReadPosition { consumed, ..position };
        let source = SourceFile::describe(name, handle, position, &self.inputs.options_hash)?;
        let continued = self.inputs.registry.heads_continued_by(name, handle)?;
        Ok(source.map(|source| {
            // Bytes that were appended since the last read are left for the next ingest.
            let whole = compressed || source.size == reader.consumed();
            Box::new(SourceUpdate { file: SourceFile { whole, ..source }, continued })
        }))
    }
}

/// Returns the position after the whole lines of a block.
fn position_after(raw: &RawBlock, plain: bool) -> ReadPosition {
    let unfinished = match (raw.unfinished_overlong, raw.unfinished) {
        (Some(long), _) => long.length,
        (None, true) => (raw.bytes.len() - memchr::memrchr(b'\n', &raw.bytes).map_or(0, |at| at + 1)) as u64,
        (None, false) => 0,
    };
    ReadPosition { consumed: raw.end - unfinished, lines: raw.first_line - 1 + raw.lines, plain }
}

/// Returns a second handle for positional reads of a file while it is being read; `None` if it is
/// not a regular file.
fn second_handle(file: &File, path: &Path) -> Option<File> {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    // Positional reads move the position of a shared handle, except on Unix.
    is_file.then(|| if cfg!(unix) { file.try_clone() } else { File::open(path) })?.ok()
}

/// Returns whether a path still names the open file; the file may have been rotated meanwhile.
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
