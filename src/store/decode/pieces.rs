//! A row group whose rows are decoded a piece at a time.
//!
//! A decoded row takes 16 bytes for each column of text, which is 66 MB for a full row group of
//! `events`. Its pages are much smaller: most strings repeat, and most columns have a dictionary.
//! Therefore the pages of a row group are kept in memory, and its rows are decoded piece by piece.
//! Columns of numbers, and of strings without a dictionary, are decoded as a whole.

use polars::prelude::{Column as PolarsColumn, DataFrame, DataType, IntoColumn, PlSmallStr, Series};

use super::Metadata;
use super::codes::Codes;
use super::column::ColumnDecoder;
use super::footer::{Column, ColumnChunk, ColumnKind, RowGroup};
use super::levels::Levels;
use super::page::{DICTIONARY, Page, ReadBuffers};
use super::texts::CodedTexts;
use crate::store::file_system::OpenFile;

/// A row group in pieces.
pub struct GroupPieces {
    columns: Vec<(PlSmallStr, PieceColumn)>,
    /// Number of rows.
    rows: usize,
    /// The first row of the next piece.
    next: usize,
}

enum PieceColumn {
    Coded(Box<CodedTexts>),
    Decoded(Series),
    /// A text column in which all rows are null.
    Null,
}

impl GroupPieces {
    /// Reads the pages of a row group. Returns `None` in the same cases as
    /// [`read_checked`](super::read_checked).
    pub(super) fn read(
        metadata: &Metadata,
        file: &OpenFile,
        group: &RowGroup,
        buffers: &mut ReadBuffers,
    ) -> Option<GroupPieces> {
        let mut columns = Vec::with_capacity(metadata.footer.columns.len());
        for (column, chunk) in metadata.footer.columns.iter().zip(&group.chunks) {
            let data = metadata.with_chunk(file, chunk, buffers, |bytes, buffers| {
                PieceColumn::read(column, chunk, bytes, group.rows, buffers)
            })?;
            columns.push((PlSmallStr::from_str(&column.name), data));
        }
        (columns.len() == metadata.footer.columns.len()).then_some(GroupPieces {
            columns,
            rows: group.rows,
            next: 0,
        })
    }

    /// Returns whether all rows were decoded.
    pub fn is_done(&self) -> bool {
        self.next >= self.rows
    }

    /// Decodes the next rows, at most `max_rows`. Returns `None` if they are damaged.
    pub fn next(&mut self, max_rows: usize) -> Option<DataFrame> {
        let (start, rows) = (self.next, max_rows.min(self.rows.saturating_sub(self.next)));
        let columns = self.columns.iter_mut().map(|(name, column)| column.next(name, start, rows));
        let data = DataFrame::new(rows, columns.collect::<Option<_>>()?).ok()?;
        self.next += rows;
        Some(data)
    }
}

impl PieceColumn {
    fn read(
        column: &Column,
        chunk: &ColumnChunk,
        bytes: &[u8],
        rows: usize,
        buffers: &mut ReadBuffers,
    ) -> Option<PieceColumn> {
        if column.kind == ColumnKind::Text
            && let Some(texts) = coded_texts(column, chunk, bytes, rows, buffers)
        {
            return Some(PieceColumn::Coded(Box::new(texts)));
        }
        let mut decoder = ColumnDecoder::new(column, rows, None);
        decoder.add(chunk, bytes, rows, buffers)?;
        let series = decoder.finish().ok()?;
        Some(match column.kind {
            ColumnKind::Text if series.null_count() == rows => PieceColumn::Null,
            _ => PieceColumn::Decoded(series),
        })
    }

    fn next(&mut self, name: &PlSmallStr, start: usize, rows: usize) -> Option<PolarsColumn> {
        Some(match self {
            PieceColumn::Coded(texts) => {
                Series::try_from((name.clone(), texts.next(start, rows)?)).ok()?.into_column()
            }
            PieceColumn::Decoded(series) => series.slice(start as i64, rows).into_column(),
            PieceColumn::Null => Series::full_null(name.clone(), rows, &DataType::String).into_column(),
        })
    }
}

/// Reads a column that consists of a dictionary and one page of codes; `None` if it does not, or is
/// damaged.
fn coded_texts(
    column: &Column,
    chunk: &ColumnChunk,
    mut bytes: &[u8],
    rows: usize,
    buffers: &mut ReadBuffers,
) -> Option<CodedTexts> {
    let dictionary = Page::next(&mut bytes)?;
    if !dictionary.is_dictionary {
        return None;
    }
    let page = Page::next(&mut bytes)?;
    if page.is_dictionary || page.values != rows || !DICTIONARY.contains(&page.encoding) {
        return None;
    }
    let (mut texts, mut codes) = (Vec::new(), Vec::new());
    dictionary.decompress(chunk.is_zstd, chunk.uncompressed, &mut buffers.decompressor, &mut texts)?;
    let max_bytes = chunk.uncompressed.checked_sub(texts.len())?;
    page.decompress(chunk.is_zstd, max_bytes, &mut buffers.decompressor, &mut codes)?;
    let (levels, values) = Levels::read(&codes, rows, column.is_optional)?;
    let start = codes.len() - values.len();
    let codes = if levels.valid == 0 { Codes::none() } else { Codes::new(codes, start)? };
    CodedTexts::new(texts, dictionary.values, codes, levels)
}
