//! The reading and parsing threads, which work ahead of the writing thread.

use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

use super::backpressure::Backpressure;
use super::file_reader::{FileReader, IngestInputs, UnparsedBlock};
use super::messages::{BlockExtent, Message, NumberedMessage};
use crate::enrich::Enricher;
use crate::error::Result;
use crate::ingest::input::blocks::BLOCK_SIZE;
use crate::ingest::parse::{ParseOptions, Parsed, Parser};
use crate::threads;

/// Number of blocks that may wait for a parser.
const QUEUED_BLOCKS: usize = 2;
/// Size of a chunk of a parsed block, in bytes. A block of ordinary lines fits one chunk.
const CHUNK_SIZE: usize = 4 * BLOCK_SIZE;

/// Starts one reading thread and one parsing thread per processor, or fewer if no more can be
/// started. They send messages to `sender` and stop when `backpressure` is closed.
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
