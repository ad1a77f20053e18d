//! Copying of row groups from a replaced file, without decoding them.

use std::io::Cursor;

use polars_parquet::parquet::metadata::RowGroupMetadata;
use polars_parquet::read::{ColumnChunkMetadata, PageReader, read_metadata};
use polars_parquet::write::{CompressedPage, ParquetType};

use super::{FileBuilder, GROUP_TEXT_BYTES};
use crate::error::{Error, Result};
use crate::store::file_system::OpenFile;
use crate::store::frame::Frame;

/// Minimum number of rows of a row group that is copied. Smaller groups are merged: many of them
/// would cost every reader one page per group and column.
pub const MIN_COPIED_ROWS: usize = 1 << 14;
/// Minimum uncompressed bytes of a row group that is copied although it has few rows.
const MIN_COPIED_BYTES: usize = GROUP_TEXT_BYTES / 4;

impl FileBuilder {
    /// Adds all rows of a file of the same table. Large row groups are copied without decompressing
    /// them. The rows of small ones are added to one group at the end of the file.
    ///
    /// # Errors
    /// Fails if the bytes are not a file of this table. The builder may be incomplete then.
    pub fn append_file(&mut self, file: Vec<u8>) -> Result<()> {
        let metadata = read_metadata(&mut Cursor::new(&file)).map_err(cannot_copy)?;
        if !metadata.row_groups.iter().all(|group| self.has_same_columns(group)) {
            // Another version may have written the columns with other Parquet types.
            return self.add_frame(&decode(file)?);
        }
        for group in &metadata.row_groups {
            if group.num_rows() >= MIN_COPIED_ROWS || group.total_byte_size() >= MIN_COPIED_BYTES {
                self.copy(&file, group)?;
                continue;
            }
            let small = match &mut self.small_groups {
                Some(small) => small,
                none => none.insert(Box::new(FileBuilder::new(self.table)?)),
            };
            small.copy(&file, group)?;
        }
        Ok(())
    }

    /// Adds the rows of all small row groups, in one group or as few as possible.
    pub(super) fn flush_small_groups(&mut self) -> Result<()> {
        let Some(small) = self.small_groups.take() else { return Ok(()) };
        let file = small.finish()?;
        let metadata = read_metadata(&mut Cursor::new(&file)).map_err(cannot_copy)?;
        match &metadata.row_groups[..] {
            [group] => self.copy(&file, group),
            _ => self.add_frame(&decode(file)?),
        }
    }

    fn has_same_columns(&self, group: &RowGroupMetadata) -> bool {
        let same = |(chunk, kind): (&ColumnChunkMetadata, &ParquetType)| match kind {
            ParquetType::PrimitiveType(kind) => chunk.descriptor().descriptor.primitive_type == *kind,
            ParquetType::GroupType { .. } => false,
        };
        group.n_columns() == self.types.len() && group.parquet_columns().iter().zip(&self.types).all(same)
    }

    /// Adds the pages of a row group with the same columns.
    fn copy(&mut self, file: &[u8], group: &RowGroupMetadata) -> Result<()> {
        let mut columns = Vec::with_capacity(self.types.len());
        for chunk in group.parquet_columns() {
            let range = chunk.byte_range();
            let bytes = file.get(range.start as usize..range.end as usize);
            let bytes = bytes.ok_or_else(|| Error::failed("a column extends beyond the end of its file"))?;
            let pages = PageReader::new(Cursor::new(bytes.to_vec().into()), chunk, Vec::new(), usize::MAX);
            let whole = |mut page: CompressedPage| {
                if let CompressedPage::Data(page) = &mut page {
                    // No column is nested: a row is one value, or null.
                    page.num_rows = Some(page.num_values());
                }
                page
            };
            let pages: std::result::Result<Vec<_>, _> = pages.map(|page| page.map(whole)).collect();
            columns.push(pages.map_err(cannot_copy)?);
        }
        self.write(group.num_rows(), columns)
    }
}

fn decode(file: Vec<u8>) -> Result<Frame> {
    crate::store::parquet::decode(OpenFile::Bytes(file), None).map_err(cannot_copy)
}

fn cannot_copy(cause: impl std::fmt::Display) -> Error {
    Error::failed("cannot copy the rows of a file").caused_by(cause.to_string())
}
