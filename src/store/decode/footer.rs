//! Parquet footers: the columns of a file, and the positions of their bytes.
//!
//! The field numbers come from the Thrift definition:
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use super::checksums::{CHUNKS_KEY, chunk_from_text};
use super::thrift::{Field, Reader};

/// Maximum number of rows of a supported row group; `wa` writes fewer. The limit bounds the memory
/// that a damaged row count can allocate.
pub(super) const MAX_GROUP_ROWS: usize = 1 << 19;

/// The footer of a file, for the requested columns.
#[derive(Debug, Default)]
pub struct Footer {
    /// The requested columns, in the order of the request.
    pub columns: Vec<Column>,
    /// Row groups, in order.
    pub row_groups: Vec<RowGroup>,
}

/// A column of a file.
#[derive(Clone, Debug)]
pub struct Column {
    /// Column name.
    pub name: String,
    /// Type of the values.
    pub kind: ColumnKind,
    /// Whether values can be null. Pages of optional columns begin with definition levels.
    pub is_optional: bool,
}

/// The type of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// Booleans.
    Bool,
    /// 32-bit integers.
    Int32,
    /// Days since 1970.
    Date,
    /// 64-bit integers.
    Int64,
    /// Microseconds since 1970 UTC.
    Time,
    /// 64-bit floats.
    Float,
}

/// A row group.
#[derive(Debug)]
pub struct RowGroup {
    /// Number of rows.
    pub rows: usize,
    /// The chunks of the requested columns, in the order of the request.
    pub chunks: Vec<ColumnChunk>,
}

/// The position of a column chunk in the file.
#[derive(Clone, Copy, Debug)]
pub struct ColumnChunk {
    /// Offset of the first byte in the file.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Uncompressed length of all pages with their headers, in bytes.
    pub uncompressed: usize,
    /// Whether pages are compressed with Zstandard; otherwise they are uncompressed.
    pub is_zstd: bool,
    /// Checksum of the bytes; `None` if the footer does not contain it.
    pub checksum: Option<u64>,
}

impl Footer {
    /// Parses a footer for the named columns, or for all. Returns `None` if the bytes are damaged,
    /// a column is missing, or the file uses an unsupported feature.
    pub fn read(bytes: &[u8], names: Option<&[&str]>) -> Option<Footer> {
        let mut footer = Footer::default();
        // For each column of the file, its index among the requested ones.
        let mut indexes: Vec<Option<usize>> = Vec::new();
        let mut rows = None;
        let mut checksums = None;
        Reader::new(bytes).fields(|reader, field| match field.id {
            2 => {
                let all = columns(reader, field)?;
                (footer.columns, indexes) = select(&all, names)?;
                Some(())
            }
            3 => {
                rows = Some(reader.count(field)?);
                Some(())
            }
            4 => reader.structures(field, |reader, _| {
                footer.row_groups.push(row_group(reader, &indexes, footer.columns.len())?);
                Some(())
            }),
            5 => reader.structures(field, |reader, _| {
                let (key, value) = key_value(reader)?;
                if key == CHUNKS_KEY.as_bytes() {
                    checksums = Some(value);
                }
                Some(())
            }),
            _ => reader.skip(field),
        })?;
        if let Some(checksums) = checksums {
            footer.set_checksums(checksums, &indexes);
        }
        (rows == Some(footer.rows())).then_some(footer)
    }

    /// Sets the checksums of the chunks. `indexes` are the indexes of the file's columns among the
    /// requested ones.
    fn set_checksums(&mut self, text: &[u8], indexes: &[Option<usize>]) {
        for (number, group) in self.row_groups.iter_mut().enumerate() {
            for (column, index) in indexes.iter().enumerate() {
                if let Some(chunk) = index.and_then(|index| group.chunks.get_mut(index)) {
                    chunk.checksum = chunk_from_text(text, number * indexes.len() + column);
                }
            }
        }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.row_groups.iter().map(|group| group.rows).sum()
    }
}

fn columns(reader: &mut Reader, field: Field) -> Option<Vec<Column>> {
    let mut columns = Vec::with_capacity(64);
    reader.structures(field, |reader, index| {
        let element = Element::read(reader)?;
        // The first element is the root. All others are columns; nested columns are not supported.
        match (index, element.children) {
            (0, _) => {}
            (_, 0) => columns.push(element.column()?),
            _ => return None,
        }
        Some(())
    })?;
    Some(columns)
}

/// Returns the named columns, and for each column of the file its index among them.
fn select(all: &[Column], names: Option<&[&str]>) -> Option<(Vec<Column>, Vec<Option<usize>>)> {
    let Some(names) = names else {
        return Some((all.to_vec(), (0..all.len()).map(Some).collect()));
    };
    let mut indexes = vec![None; all.len()];
    let mut selected = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let mut matching = all.iter().zip(&mut indexes).filter(|(column, _)| column.name == *name);
        let (column, index) = matching.next()?;
        // Repeated names, in the request or in the file, are not supported.
        if matching.next().is_some() || index.replace(number).is_some() {
            return None;
        }
        selected.push(column.clone());
    }
    Some((selected, indexes))
}

/// An element of the schema.
#[derive(Default)]
struct Element<'a> {
    physical: Option<i64>,
    repetition: Option<i64>,
    name: &'a [u8],
    children: i64,
    converted: Option<i64>,
    logical: Option<Logical>,
}

/// The logical types of the store's columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logical {
    Text,
    Date,
    /// Timestamp in microseconds, UTC.
    Time,
    Other,
}

impl<'a> Element<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Element<'a>> {
        let mut element = Element::default();
        reader.fields(|reader, field| {
            match field.id {
                1 => element.physical = Some(reader.int(field)?),
                3 => element.repetition = Some(reader.int(field)?),
                4 => element.name = reader.binary(field)?,
                5 => element.children = reader.int(field)?,
                6 => element.converted = Some(reader.int(field)?),
                10 => element.logical = Some(logical(reader, field)?),
                _ => reader.skip(field)?,
            }
            Some(())
        })?;
        Some(element)
    }

    fn column(&self) -> Option<Column> {
        let kind = match (self.physical?, self.converted, self.logical) {
            (0, None, None) => ColumnKind::Bool,
            (1, None, None) => ColumnKind::Int32,
            (1, Some(6), None | Some(Logical::Date)) | (1, None, Some(Logical::Date)) => ColumnKind::Date,
            (2, None, None) => ColumnKind::Int64,
            (2, None | Some(10), Some(Logical::Time)) => ColumnKind::Time,
            (5, None, None) => ColumnKind::Float,
            (6, Some(0), None | Some(Logical::Text)) | (6, None, Some(Logical::Text)) => ColumnKind::Text,
            _ => return None,
        };
        let is_optional = match self.repetition? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Column { name: std::str::from_utf8(self.name).ok()?.to_owned(), kind, is_optional })
    }
}

fn logical(reader: &mut Reader, field: Field) -> Option<Logical> {
    let mut found = Logical::Other;
    reader.structure(field, |reader, field| match field.id {
        1 => {
            found = Logical::Text;
            reader.skip(field)
        }
        6 => {
            found = Logical::Date;
            reader.skip(field)
        }
        8 => {
            let (mut utc, mut micros) = (false, false);
            reader.structure(field, |reader, field| match field.id {
                1 => {
                    utc = reader.bool(field)?;
                    Some(())
                }
                2 => reader.structure(field, |reader, field| {
                    micros |= field.id == 2;
                    reader.skip(field)
                }),
                _ => reader.skip(field),
            })?;
            if utc && micros {
                found = Logical::Time;
            }
            Some(())
        }
        _ => reader.skip(field),
    })?;
    Some(found)
}

/// Reads a key-value pair. The value is empty if it is missing.
fn key_value<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let (mut key, mut value) = (&[][..], &[][..]);
    reader.fields(|reader, field| {
        match field.id {
            1 => key = reader.binary(field)?,
            2 => value = reader.binary(field)?,
            _ => reader.skip(field)?,
        }
        Some(())
    })?;
    Some((key, value))
}

fn row_group(reader: &mut Reader, indexes: &[Option<usize>], selected: usize) -> Option<RowGroup> {
    let mut chunks = vec![None; selected];
    let (mut count, mut rows) = (0, None);
    reader.fields(|reader, field| match field.id {
        1 => reader.structures(field, |reader, column| {
            count = column + 1;
            match indexes.get(column)? {
                None => reader.skip_structure(),
                Some(index) => {
                    *chunks.get_mut(*index)? = Some(chunk(reader)?);
                    Some(())
                }
            }
        }),
        3 => {
            rows = Some(reader.count(field)?);
            Some(())
        }
        _ => reader.skip(field),
    })?;
    let rows = rows.filter(|rows| *rows <= MAX_GROUP_ROWS && count == indexes.len())?;
    Some(RowGroup { rows, chunks: chunks.into_iter().collect::<Option<_>>()? })
}

fn chunk(reader: &mut Reader) -> Option<ColumnChunk> {
    let (mut codec, mut uncompressed, mut length, mut data, mut dictionary) = (None, None, None, None, None);
    reader.fields(|reader, field| match field.id {
        // The chunk is in another file, which is not supported.
        1 => None,
        3 => reader.structure(field, |reader, field| {
            match field.id {
                4 => codec = Some(reader.int(field)?),
                6 => uncompressed = Some(reader.count(field)?),
                7 => length = Some(u64::try_from(reader.int(field)?).ok()?),
                9 => data = Some(u64::try_from(reader.int(field)?).ok()?),
                11 => dictionary = Some(u64::try_from(reader.int(field)?).ok()?),
                _ => reader.skip(field)?,
            }
            Some(())
        }),
        _ => reader.skip(field),
    })?;
    let is_zstd = match codec? {
        0 => false,
        6 => true,
        _ => return None,
    };
    let start = dictionary.unwrap_or(u64::MAX).min(data?);
    Some(ColumnChunk { start, length: length?, uncompressed: uncompressed?, is_zstd, checksum: None })
}
