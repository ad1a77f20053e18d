//! The reading thread: reads the input files one after another and queues their blocks.

use std::sync::mpsc::{Receiver, Sender, SyncSender};

use super::backpressure::Backpressure;
use super::messages::{BlockExtent, FileEnd, Message, NumberedMessage};
use crate::error::Error;
use crate::ingest::input::blocks::{BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::input::source_registry::{MapVersion, ReadPlan};
use crate::ingest::input::sources::{OpenSource, SourceUpdate, Sources};
use crate::ingest::summary::FileOutcome;

/// The files to read.
#[derive(Debug)]
pub struct IngestInputs {
    /// The files, in order.
    pub files: Vec<Input>,
    /// The files that were ingested before.
    pub sources: Sources,
    /// How the format of each file is determined.
    pub formats: Formats,
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
        let sources = &self.inputs.sources;
        if let Input::File(path) = input
            && let Some(size) = sources.unchanged_size(path, &name)
        {
            return self.skip(file, name, size, None);
        }
        let opened = match input {
            Input::Stdin => None,
            Input::File(path) => match sources.open(path, &name) {
                Ok(OpenSource { plan: ReadPlan::Skip(known), status, .. }) => {
                    let size = known.size;
                    let update = sources.renewed(*known, &name, status);
                    return self.skip(file, name, size, update);
                }
                Ok(opened) => Some((opened, path)),
                Err(error) => {
                    let outcome = FileOutcome::Read;
                    self.send(Message::Begin { file, name, outcome, map: None, handle: None, skipped: 0 })?;
                    return self.send_unreadable(file, error);
                }
            },
        };
        // One handle is for the registry entry at the end, the other for the writing thread.
        let [end_handle, handle] =
            [(); 2].map(|()| opened.as_ref().and_then(|(opened, path)| opened.second_handle(path)));
        let status = opened.as_ref().and_then(|(opened, _)| opened.status.clone());
        let known = opened.as_ref().and_then(|(opened, _)| opened.known_map());
        let mut position = opened.as_ref().map(|(opened, _)| opened.position()).unwrap_or_default();
        let skipped = position.consumed;
        let outcome = match skipped {
            0 => FileOutcome::Read,
            from => FileOutcome::Resumed { from },
        };
        let blocks = match opened {
            Some((opened, path)) => opened.into_blocks(path),
            None => BlockReader::open(input),
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
                sources.update(path, &name, &handle, &reader, (position, status, map)).unwrap_or(None)
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
}
