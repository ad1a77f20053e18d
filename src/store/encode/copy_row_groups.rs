//! Copying of row groups from a replaced file, without decoding their values.

use super::chunk::Chunk;
use super::file::ZSTD;
use super::footer::{ChunkEntry, Group, read_groups};
use super::remaining_rows::{ColumnBytes, without_rows};
use super::{FileBuilder, GROUP_TEXT_BYTES, ROW_GROUP};
use crate::error::{Error, Result};
use crate::store::columns::Column;
use crate::store::decode::checksums::{TAIL_BYTES, footer_length};
use crate::store::frame::Frame;

/// Minimum number of rows of a row group that is copied. Smaller groups are merged: many of them
/// would cost every reader one page per group and column.
pub const MIN_COPIED_ROWS: usize = 1 << 13;
/// Minimum uncompressed bytes of a row group that is copied although it has few rows.
const MIN_COPIED_BYTES: u64 = GROUP_TEXT_BYTES as u64 / 4;

impl FileBuilder {
    /// Adds all rows of a file of the same table. Large row groups are copied without decompressing
    /// them. The rows of small ones are added to one group at the end of the file.
    ///
    /// # Errors
    /// Fails if the bytes are not a file of this table. The builder may be incomplete in that case.
    pub fn append_file(&mut self, file: Vec<u8>) -> Result<()> {
        self.append_remaining(file, &[])
    }

    /// Adds the rows of a file, except those for which `removed` is true. `removed` can be shorter
    /// than the file. Only row groups that lose rows are encoded again; the others are added as
    /// [`append_file`](FileBuilder::append_file) does.
    ///
    /// # Errors
    /// Returns the errors of [`append_file`](FileBuilder::append_file).
    pub fn append_remaining(&mut self, file: Vec<u8>, removed: &[bool]) -> Result<()> {
        let Some(groups) = footer(&file).and_then(|footer| read_groups(footer, self.table)) else {
            // Another program or version may have written the columns with other Parquet types.
            return self.add_frame(&without(&decode(file)?, removed)?);
        };
        let mut start = 0;
        for group in &groups {
            let end = start + group.rows as usize;
            let removed = removed.get(start..end.min(removed.len())).unwrap_or_default();
            start = end;
            if !removed.contains(&true) {
                self.append_group(&file, group)?;
                continue;
            }
            let remaining = group.rows as usize - removed.iter().filter(|removed| **removed).count();
            if is_large(remaining as u64, group.uncompressed())
                && let Some(columns) = self.remaining_columns(&file, group, removed)
            {
                self.add(remaining, columns)?;
                continue;
            }
            let mut whole = FileBuilder::new(self.table);
            whole.copy(&file, group)?;
            let rest = without(&decode(whole.finish()?)?, removed)?;
            if is_large(rest.height() as u64, group.uncompressed()) {
                self.add_frame(&rest)?;
            } else {
                self.make_room_for_small(group.uncompressed())?;
                self.small_frames.push(rest);
            }
        }
        Ok(())
    }

    /// Encodes the rows of a row group, except those for which `removed` is true. `removed` can be
    /// shorter than the group. Returns `None` if the group is too large for this, or not as `wa`
    /// writes it.
    fn remaining_columns(&self, file: &[u8], group: &Group, removed: &[bool]) -> Option<Vec<Chunk>> {
        if group.rows > ROW_GROUP as u64 || group.uncompressed() > GROUP_TEXT_BYTES as u64 {
            return None;
        }
        let encode = |(column, chunk): (&Column, &ChunkEntry)| {
            let bytes = chunk_bytes(file, chunk).ok()?;
            let (is_zstd, uncompressed) = (chunk.codec == ZSTD, chunk.uncompressed as usize);
            let column = ColumnBytes { kind: column.kind, bytes, is_zstd, uncompressed };
            without_rows(self.table, &column, group.rows as usize, removed)
        };
        self.table.columns().iter().zip(&group.chunks).map(encode).collect()
    }

    /// Adds a row group of a file: copies it if it is large.
    fn append_group(&mut self, file: &[u8], group: &Group) -> Result<()> {
        if is_large(group.rows, group.uncompressed()) {
            return self.copy(file, group);
        }
        self.make_room_for_small(group.uncompressed())?;
        let small = match &mut self.small_groups {
            Some(small) => small,
            none => none.insert(Box::new(FileBuilder::new(self.table))),
        };
        small.copy(file, group)
    }

    /// Makes room for another small group of `bytes` uncompressed bytes.
    fn make_room_for_small(&mut self, bytes: u64) -> Result<()> {
        if self.small_bytes + bytes > GROUP_TEXT_BYTES as u64 {
            self.flush_small_groups()?;
        }
        self.small_bytes += bytes;
        Ok(())
    }

    /// Adds the rows of all small row groups, in one group or as few as possible.
    pub(super) fn flush_small_groups(&mut self) -> Result<()> {
        let (small, mut frames) = (self.small_groups.take(), std::mem::take(&mut self.small_frames));
        self.small_bytes = 0;
        if let Some(small) = small {
            match &small.groups[..] {
                [group] if frames.is_empty() => return self.copy(&small.bytes, group),
                _ => frames.push(decode(small.finish()?)?),
            }
        }
        match frames.is_empty() {
            true => Ok(()),
            false => self.add_frame(&Frame::concat(frames)?),
        }
    }

    /// Adds the pages of a row group with the same columns.
    fn copy(&mut self, file: &[u8], group: &Group) -> Result<()> {
        if group.rows == 0 {
            return Ok(());
        }
        let mut chunks = Vec::with_capacity(group.chunks.len());
        for chunk in &group.chunks {
            let start = self.bytes.len() as u64;
            self.bytes.extend_from_slice(chunk_bytes(file, chunk)?);
            chunks.push(ChunkEntry { start, ..chunk.clone() });
        }
        self.groups.push(Group { rows: group.rows, chunks });
        Ok(())
    }
}

/// Returns whether a row group with these rows and uncompressed bytes is copied.
fn is_large(rows: u64, bytes: u64) -> bool {
    rows >= MIN_COPIED_ROWS as u64 || bytes >= MIN_COPIED_BYTES
}

/// Returns the rows of a frame, except those for which `removed` is true.
fn without(frame: &Frame, removed: &[bool]) -> Result<Frame> {
    match removed.contains(&true) {
        true => frame.filter(
            removed.iter().map(|removed| !removed).chain(std::iter::repeat(true)).take(frame.height()),
        ),
        false => Ok(frame.clone()),
    }
}

/// Returns the footer of a file.
fn footer(file: &[u8]) -> Option<&[u8]> {
    let end = file.len().checked_sub(TAIL_BYTES)?;
    file.get(end.checked_sub(footer_length(file)?)?..end)
}

fn chunk_bytes<'f>(file: &'f [u8], chunk: &ChunkEntry) -> Result<&'f [u8]> {
    let range = || {
        let start = usize::try_from(chunk.start).ok()?;
        file.get(start..start.checked_add(usize::try_from(chunk.length).ok()?)?)
    };
    range().ok_or_else(|| cannot_copy("a column extends beyond the end of its file"))
}

fn decode(file: Vec<u8>) -> Result<Frame> {
    crate::store::parquet::decode(file, None).map_err(cannot_copy)
}

fn cannot_copy(cause: impl std::fmt::Display) -> Error {
    Error::failed("cannot copy the rows of a file").caused_by(cause.to_string())
}
