//! The reading and parsing threads, which work ahead of the writing thread.

use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

use super::backpressure::Backpressure;
use super::run::{BlockExtent, FileEnd, Message, NumberedMessage};
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BLOCK_SIZE, BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::input::source_registry::{MapVersion, ReadPlan};
use crate::ingest::input::sources::{OpenSource, SourceUpdate, Sources};
use crate::ingest::parse::{ParseOptions, Parsed, Parser};
use crate::ingest::summary::FileOutcome;
use crate::threads;

/// Number of blocks that may wait for a parser.
const QUEUED_BLOCKS: usize = 2;
/// Size of a chunk of a parsed block, in bytes. A block of ordinary lines fits into one chunk.
const CHUNK_SIZE: usize = 4 * BLOCK_SIZE;

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
struct UnparsedBlock {
    /// Number of the block among all messages.
    number: u64,
    /// Index of the file.
    file: usize,
    /// The lines.
    raw: RawBlock,
    /// The part of the file that the block covers.
    extent: BlockExtent,
}

/// Starts a reading thread, and a parsing thread for each processor, or fewer parsing threads if no
/// more can be started. They send messages to `sender` and stop when `backpressure` is closed.
///
/// # Errors
/// Fails if the reading thread or all parsing threads cannot be started. The caller must then close
/// `backpressure`.
pub fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    inputs: &'env IngestInputs,
    options: &'env ParseOptions,
    enricher: &'env Enricher,
    backpressure: &'env Backpressure,
    sender: Sender<NumberedMessage>,
) -> Result<()> {
    let (blocks, queue) = sync_channel::<UnparsedBlock>(QUEUED_BLOCKS);
    let queue = Arc::new(Mutex::new(queue));
    // Return the buffers of parsed blocks to the reader, because they are still in the cache.
    let (return_buffer, free_buffers) = sync_channel(QUEUED_BLOCKS);
    let chunks = ChunkSender { backpressure, sender: sender.clone() };
    let read = move || {
        let _close_on_panic = CloseOnPanic(backpressure);
        FileReader::new(inputs, backpressure, sender, blocks, free_buffers).read_all();
    };
    Builder::new().spawn_scoped(scope, read).map_err(threads::start_error)?;
    let parsers = std::thread::available_parallelism().map_or(1, |n| n.get());
    for number in 0..parsers {
        let (chunks, queue, return_buffer) = (chunks.clone(), queue.clone(), return_buffer.clone());
        let parse = move || parse_blocks(&queue, options, enricher, &chunks, &return_buffer);
        match Builder::new().spawn_scoped(scope, parse) {
            Err(e) if number == 0 => return Err(threads::start_error(e)),
            Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The state of the reading thread.
struct FileReader<'a> {
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
    fn new(
        inputs: &'a IngestInputs,
        backpressure: &'a Backpressure,
        messages: Sender<NumberedMessage>,
        blocks: SyncSender<UnparsedBlock>,
        free_buffers: Receiver<Vec<u8>>,
    ) -> FileReader<'a> {
        FileReader { inputs, backpressure, messages, blocks, free_buffers, next_number: 0 }
    }

    /// Reads all files, or stops when the ingest ends.
    fn read_all(&mut self) {
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

/// Sends the chunks of parsed blocks, within the limit of the backpressure.
#[derive(Clone)]
struct ChunkSender<'a> {
    backpressure: &'a Backpressure,
    sender: Sender<NumberedMessage>,
}

impl ChunkSender<'_> {
    /// Waits until the chunk fits and sends it; `None` if the ingest has ended.
    fn send(&self, number: u64, file: usize, parsed: Parsed, block: Option<BlockExtent>) -> Option<()> {
        let mut parsed = Box::new(parsed);
        let rows = &mut parsed.block.rows;
        if rows.capacity() > rows.len() / 8 * 9 {
            rows.shrink_to_fit();
        }
        let size = parsed.size();
        let message = Message::Chunk { file, parsed, size, block };
        self.backpressure.acquire(number, size).then(|| self.sender.send((number, message)).ok())?
    }
}

/// Closes the backpressure if the current thread panics. Otherwise the other threads would wait
/// forever for the block of this thread.
struct CloseOnPanic<'a>(&'a Backpressure);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.0.close_on_drop());
        }
    }
}

fn parse_blocks(
    queue: &Mutex<Receiver<UnparsedBlock>>,
    options: &ParseOptions,
    enricher: &Enricher,
    chunks: &ChunkSender<'_>,
    return_buffer: &SyncSender<Vec<u8>>,
) {
    let _close_on_panic = CloseOnPanic(chunks.backpressure);
    let mut parser = Parser::default();
    loop {
        let received = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(UnparsedBlock { number, file, raw, extent }) = received else { return };
        let mut emit = |parsed| {
            // If the ingest has ended, sending the last chunk also fails, which ends this thread.
            let _ = chunks.send(number, file, parsed, None);
        };
        let (last, buffer) = parser.parse_in_chunks(raw, options, enricher, CHUNK_SIZE, &mut emit);
        // If the channel is full, the reader has enough buffers and this one is freed.
        let _ = return_buffer.try_send(buffer);
        if chunks.send(number, file, last, Some(extent)).is_none() {
            return;
        }
    }
}
