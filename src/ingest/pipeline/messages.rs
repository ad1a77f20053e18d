//! The messages from the reading and parsing threads to the writing thread.

use std::fs::File;

use crate::error::Error;
use crate::ingest::input::source_registry::{MapVersion, ReadPosition};
use crate::ingest::input::sources::SourceUpdate;
use crate::ingest::parse::Parsed;
use crate::ingest::summary::FileOutcome;

/// A message with its number. The number restores the order of the input, since parsers finish in
/// any order.
pub type NumberedMessage = (u64, Message);

/// A message about a file.
#[derive(Debug)]
pub enum Message {
    /// A file begins.
    Begin {
        /// Index of the file.
        file: usize,
        /// Name of the file.
        name: String,
        /// How the file is read.
        outcome: FileOutcome,
        /// The map that reads the file; `None` for native lines.
        map: Option<MapVersion>,
        /// The open file, if it can be recorded in the source registry.
        handle: Option<File>,
        /// Bytes of the file that are skipped.
        skipped: u64,
    },
    /// A chunk of a parsed block.
    Chunk {
        /// Index of the file.
        file: usize,
        /// The events and rejected lines.
        parsed: Box<Parsed>,
        /// The part of the [`Backpressure`](super::backpressure::Backpressure) limit that the chunk
        /// uses, in bytes.
        size: usize,
        /// The block, if this is its last chunk.
        block: Option<BlockExtent>,
    },
    /// A file ends.
    End {
        /// Index of the file.
        file: usize,
        /// How the file ended.
        end: FileEnd,
    },
}

impl Message {
    /// Returns whether this is the last message with its number.
    pub fn is_last(&self) -> bool {
        !matches!(self, Message::Chunk { block: None, .. })
    }
}

/// The part of a file that a block covers.
#[derive(Clone, Copy, Debug)]
pub struct BlockExtent {
    /// Bytes read for the block, before decompression.
    pub bytes: u64,
    /// The position after the block.
    pub position: ReadPosition,
}

/// The end of a file.
#[derive(Debug, Default)]
pub struct FileEnd {
    /// The error that prevented the file from being read to its end.
    pub error: Option<Error>,
    /// Whether the error occurred before anything was read.
    pub nothing_read: bool,
    /// The entry for the source registry.
    pub update: Option<Box<SourceUpdate>>,
}
