//! Copying of row groups from a replaced file, without decoding them.

use super::footer::{ChunkEntry, Group, read_groups};
use super::{FileBuilder, GROUP_TEXT_BYTES};
use crate::error::{Error, Result};
use crate::store::decode::checksums::{TAIL_BYTES, footer_length};
use crate::store::frame::Frame;

/// Minimum number of rows of a row group that is copied. Smaller groups are merged: many of them
/// would cost every reader one page per group and column.
pub const MIN_COPIED_ROWS: usize = 1 << 14;
/// Minimum uncompressed bytes of a row group that is copied although it has few rows.
const MIN_COPIED_BYTES: u64 = GROUP_TEXT_BYTES as u64 / 4;

impl FileBuilder {
    /// Adds all rows of a file of the same table. Large row groups are copied without decompressing
    /// them. The rows of small ones are added to one group at the end of the file.
    ///
    /// # Errors
    /// Fails if the bytes are not a file of this table. The builder may be incomplete in that case.
    pub fn append_file(&mut self, file: Vec<u8>) -> Result<()> {
        let Some(groups) = footer(&file).and_then(|footer| read_groups(footer, self.table)) else {
            // Another program or version may have written the columns with other Parquet types.
            return self.add_frame(&decode(file)?);
        };
        for group in &groups {
            let bytes = group.uncompressed();
            if group.rows >= MIN_COPIED_ROWS as u64 || bytes >= MIN_COPIED_BYTES {
                self.copy(&file, group)?;
                continue;
            }
            if self.small_bytes + bytes > GROUP_TEXT_BYTES as u64 {
                self.flush_small_groups()?;
            }
            self.small_bytes += bytes;
            let small = match &mut self.small_groups {
                Some(small) => small,
                none => none.insert(Box::new(FileBuilder::new(self.table))),
            };
            small.copy(&file, group)?;
        }
        Ok(())
    }

    /// Adds the rows of all small row groups, in one group or as few as possible.
    pub(super) fn flush_small_groups(&mut self) -> Result<()> {
        let Some(small) = self.small_groups.take() else { return Ok(()) };
        self.small_bytes = 0;
        match &small.groups[..] {
            [group] => self.copy(&small.bytes, group),
            _ => self.add_frame(&decode(small.finish()?)?),
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
