//! Row groups taken over from a file that is being replaced, as they lie there.

use std::io::Cursor;

use polars_parquet::parquet::metadata::RowGroupMetadata;
use polars_parquet::read::{ColumnChunkMetadata, PageReader, read_metadata};
use polars_parquet::write::{CompressedPage, ParquetType};

use super::{FileBuilder, GROUP_BYTES};
use crate::error::{Error, Result};
use crate::store::file_system::OpenFile;
use crate::store::frame::Frame;

/// From how many rows on a row group is taken over as it is. The rows of smaller ones are put together:
/// many small groups would cost every reader a page for each column of each.
pub const COPIED: usize = 1 << 14;
/// From how many bytes on, when it is decompressed, it is taken over though its rows are few.
const COPIED_BYTES: usize = GROUP_BYTES / 4;

impl FileBuilder {
    /// Adds all rows of a file of the same table. Those of large row groups are not even decompressed;
    /// those of small ones come at the end of the file, in one group.
    ///
    /// # Errors
    /// Where the bytes are no file of this table; what was added before may be incomplete then.
    pub fn take_over(&mut self, file: Vec<u8>) -> Result<()> {
        let about = read_metadata(&mut Cursor::new(&file)).map_err(cannot_take_over)?;
        if !about.row_groups.iter().all(|group| self.has_the_columns_of(group)) {
            // Another version may have written the same columns in another way.
            return self.add_frame(&decoded(file)?);
        }
        for group in &about.row_groups {
            if group.num_rows() >= COPIED || group.total_byte_size() >= COPIED_BYTES {
                self.copy(&file, group)?;
                continue;
            }
            let small = match &mut self.small {
                Some(small) => small,
                none => none.insert(Box::new(FileBuilder::new(self.table)?)),
            };
            small.copy(&file, group)?;
        }
        Ok(())
    }

    /// Adds the small row groups that were put aside as one, or as few as can be.
    pub(super) fn add_small(&mut self) -> Result<()> {
        let Some(small) = self.small.take() else { return Ok(()) };
        let file = small.finish()?;
        let about = read_metadata(&mut Cursor::new(&file)).map_err(cannot_take_over)?;
        match &about.row_groups[..] {
            [alone] => self.copy(&file, alone),
            _ => self.add_frame(&decoded(file)?),
        }
    }

    fn has_the_columns_of(&self, group: &RowGroupMetadata) -> bool {
        let same = |(chunk, kind): (&ColumnChunkMetadata, &ParquetType)| match kind {
            ParquetType::PrimitiveType(kind) => chunk.descriptor().descriptor.primitive_type == *kind,
            ParquetType::GroupType { .. } => false,
        };
        group.n_columns() == self.types.len() && group.parquet_columns().iter().zip(&self.types).all(same)
    }

    /// Adds the pages of a row group of the same columns.
    fn copy(&mut self, file: &[u8], group: &RowGroupMetadata) -> Result<()> {
        let mut columns = Vec::with_capacity(self.types.len());
        for chunk in group.parquet_columns() {
            let range = chunk.byte_range();
            let bytes = file.get(range.start as usize..range.end as usize);
            let bytes = bytes.ok_or_else(|| Error::failed("a column ends behind the end of its file"))?;
            let pages = PageReader::new(Cursor::new(bytes.to_vec().into()), chunk, Vec::new(), usize::MAX);
            let whole = |mut page: CompressedPage| {
                if let CompressedPage::Data(page) = &mut page {
                    // No column lies in another: a row is a value, or none.
                    page.num_rows = Some(page.num_values());
                }
                page
            };
            let pages: std::result::Result<Vec<_>, _> = pages.map(|page| page.map(whole)).collect();
            columns.push(pages.map_err(cannot_take_over)?);
        }
        self.write(group.num_rows(), columns)
    }
}

fn decoded(file: Vec<u8>) -> Result<Frame> {
    crate::store::parquet::decode(OpenFile::Bytes(file), None).map_err(cannot_take_over)
}

fn cannot_take_over(cause: impl std::fmt::Display) -> Error {
    Error::failed("cannot take over the rows of a file").caused_by(cause.to_string())
}
