//! Builder of Parquet files: compresses encoded columns into pages.

use std::cell::RefCell;

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use super::chunk::{Chunk, Encoding, Page};
use super::footer::{self, ChunkEntry, Group};
use super::from_frame::row_group;
use super::thrift::{Structure, structure};
use super::{MAGIC, ZSTD_LEVEL, max_group_rows};
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::decode::checksums::checksum;
use crate::store::frame::Frame;

/// Typical size of a row in a file, rounded up.
const BYTES_PER_ROW: usize = 96;
/// The codec Zstandard.
pub(super) const ZSTD: i64 = 6;
/// Types of pages.
const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;

/// Builds a Parquet file in memory.
pub struct FileBuilder {
    pub(super) table: Table,
    pub(super) bytes: Vec<u8>,
    pub(super) groups: Vec<Group>,
    /// Small row groups of other files, to be merged: see [`FileBuilder::append_file`].
    pub(super) small_groups: Option<Box<FileBuilder>>,
    /// The remaining rows of small row groups that lost rows.
    pub(super) small_frames: Vec<Frame>,
    /// Uncompressed bytes of `small_groups` and `small_frames`, which are encoded together.
    pub(super) small_bytes: u64,
}

impl FileBuilder {
    /// Starts a file of a table.
    pub fn new(table: Table) -> FileBuilder {
        FileBuilder::with_capacity(table, 0)
    }

    /// Starts a file of a table with room for about `rows` rows.
    pub fn with_capacity(table: Table, rows: usize) -> FileBuilder {
        let mut bytes = Vec::with_capacity(MAGIC.len() + rows * BYTES_PER_ROW);
        bytes.extend_from_slice(MAGIC);
        let (groups, small_frames) = (Vec::new(), Vec::new());
        FileBuilder { table, bytes, groups, small_groups: None, small_frames, small_bytes: 0 }
    }

    /// Adds a row group. The columns have the order of the table.
    ///
    /// # Errors
    /// Fails if a page cannot be compressed.
    pub fn add(&mut self, rows: usize, columns: Vec<Chunk>) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let mut group = Group { rows: rows as u64, chunks: Vec::with_capacity(columns.len()) };
        for chunk in columns {
            group.chunks.push(push_chunk(&mut self.bytes, &chunk)?);
        }
        self.groups.push(group);
        Ok(())
    }

    /// Starts a file with the rows of a frame.
    ///
    /// # Errors
    /// Returns the errors of [`FileBuilder::add_frame`].
    pub fn from_frame(table: Table, frame: &Frame) -> Result<FileBuilder> {
        let mut builder = FileBuilder::with_capacity(table, frame.height());
        builder.add_frame(frame)?;
        Ok(builder)
    }

    /// Adds the rows of a frame, in row groups of the usual size.
    ///
    /// # Errors
    /// Fails if the frame does not have the columns of the table.
    pub fn add_frame(&mut self, frame: &Frame) -> Result<()> {
        let mut start = 0;
        while start < frame.height() {
            let (rows, columns) = row_group(self.table, &frame.slice(start, max_group_rows(self.table)))?;
            self.add(rows, columns)?;
            start += rows;
        }
        Ok(())
    }

    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// Fails if the last row group cannot be written.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.flush_small_groups()?;
        let FileBuilder { table, mut bytes, groups, .. } = self;
        let chunks = groups.iter().flat_map(|group| &group.chunks);
        let checksums: Vec<u64> = chunks
            .map(|chunk| {
                let (start, length) = (chunk.start as usize, chunk.length as usize);
                bytes.get(start..start + length).map_or(0, checksum)
            })
            .collect();
        footer::append(&mut bytes, table, &groups, checksums.into_iter());
        Ok(bytes)
    }
}

/// Appends the compressed pages of a column.
fn push_chunk(out: &mut Vec<u8>, chunk: &Chunk) -> Result<ChunkEntry> {
    let start = out.len();
    let mut uncompressed = 0;
    if let Some((values, distinct)) = &chunk.dictionary {
        uncompressed += push_page(out, DICTIONARY_PAGE, values, |page| {
            page.structure(7, |dictionary| {
                dictionary.i32(1, *distinct as i64);
                dictionary.i32(2, Encoding::Plain as i64);
                dictionary.bool(3, false);
            });
        })?;
    }
    let dictionary = out.len() - start;
    for Page { data, rows, .. } in &chunk.pages {
        uncompressed += push_page(out, DATA_PAGE, data, |page| {
            page.structure(5, |data| {
                data.i32(1, *rows as i64);
                data.i32(2, chunk.encoding as i64);
                data.i32(3, Encoding::Rle as i64);
                data.i32(4, Encoding::Rle as i64);
            });
        })?;
    }
    let nulls = chunk.pages.iter().map(|page| page.nulls).sum();
    Ok(ChunkEntry {
        start: start as u64,
        length: (out.len() - start) as u64,
        dictionary: dictionary as u64,
        uncompressed,
        values: chunk.pages.iter().map(|page| page.rows as u64).sum(),
        codec: ZSTD,
        encodings: footer::encodings(chunk.dictionary.is_some(), chunk.encoding),
        statistics: footer::statistics(nulls, chunk.range.as_ref()),
    })
}

thread_local! {
    /// The compressor of a thread. Creating one for each page would take as long as compressing it,
    /// since most pages are small.
    static COMPRESSOR: RefCell<PageCompressor> = RefCell::default();
}

/// Pages of up to this number of bytes are cached with their compressed form. In most of them, all
/// rows are null or equal, so they are the same in all files with that number of rows.
const CACHED_PAGE: usize = 64;
/// Maximum number of cached pages.
const CACHED_PAGES: usize = 1 << 10;

/// Compresses pages.
#[derive(Default)]
struct PageCompressor {
    zstd: Option<zstd::bulk::Compressor<'static>>,
    /// The output buffer.
    buffer: Vec<u8>,
    /// Small pages and their compressed form.
    cache: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl PageCompressor {
    /// Returns the compressed form of a page.
    fn compress(&mut self, data: &[u8]) -> std::io::Result<&[u8]> {
        let PageCompressor { zstd, buffer, cache } = self;
        if data.len() > CACHED_PAGE {
            compress(zstd, buffer, data)?;
            return Ok(buffer);
        }
        if cache.len() >= CACHED_PAGES && !cache.contains_key(data) {
            cache.clear();
        }
        match cache.entry_ref(data) {
            EntryRef::Occupied(cached) => Ok(cached.into_mut()),
            EntryRef::Vacant(entry) => {
                compress(zstd, buffer, data)?;
                Ok(entry.insert(buffer.as_slice().into()))
            }
        }
    }
}

/// Compresses a page into a buffer, replacing its contents.
fn compress(
    compressor: &mut Option<zstd::bulk::Compressor<'static>>,
    buffer: &mut Vec<u8>,
    data: &[u8],
) -> std::io::Result<()> {
    let compressor = match compressor {
        Some(compressor) => compressor,
        none => {
            let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
            // The checksum takes four bytes per page, and lets every reader detect damage.
            compressor.include_checksum(true)?;
            none.insert(compressor)
        }
    };
    buffer.clear();
    buffer.reserve(zstd::zstd_safe::compress_bound(data.len()));
    compressor.compress_to_buffer(data, buffer).map(|_| ())
}

/// Appends a page. `fields` writes the part of its header that depends on its type. Returns the
/// uncompressed length of header and data.
fn push_page(
    out: &mut Vec<u8>,
    kind: i64,
    data: &[u8],
    fields: impl FnOnce(&mut Structure<'_>),
) -> Result<u64> {
    let failed = |e: std::io::Error| Error::failed("cannot compress a page of a table").caused_by(e);
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressed = compressor.compress(data).map_err(failed)?;
        let start = out.len();
        structure(out, |page| {
            page.i32(1, kind);
            page.i32(2, data.len() as i64);
            page.i32(3, compressed.len() as i64);
            fields(page);
        });
        let header = out.len() - start;
        out.extend_from_slice(compressed);
        Ok((header + data.len()) as u64)
    })
}
