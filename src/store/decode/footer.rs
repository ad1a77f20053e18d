//! What a Parquet file says of itself at its end: which columns there are, and where their bytes lie.
//!
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>: the numbers of
//! fields below are those of that definition.

use super::thrift::{Field, Reader};
use crate::store::encode::ROW_GROUP;

/// Larger row groups than any that `wa` writes are not known here: what a file claims of its rows is to
/// be held in memory.
const MOST_ROWS: usize = 4 * ROW_GROUP;

/// The wanted columns of a file.
#[derive(Debug, Default)]
pub struct Footer {
    /// The wanted columns, in the order asked for.
    pub columns: Vec<Column>,
    /// The row groups, in order.
    pub groups: Vec<Group>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// It can be null, and pages begin with levels that say where it is.
    pub optional: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text in UTF-8.
    Text,
    /// Truths.
    Bool,
    /// Integers of 32 bits.
    Int32,
    /// Days since 1970.
    Date,
    /// Integers of 64 bits.
    Int64,
    /// Microseconds since 1970 in UTC.
    Time,
    /// Floats of 64 bits.
    Float,
}

/// A row group.
#[derive(Debug)]
pub struct Group {
    /// How many rows it has.
    pub rows: usize,
    /// The bytes of the wanted columns, in the order asked for.
    pub chunks: Vec<Chunk>,
}

/// Where the pages of a column of a row group lie.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// The first byte, from the beginning of the file.
    pub start: u64,
    /// How many bytes there are.
    pub length: u64,
    /// What all pages take when they are decompressed, with their headers.
    pub plain: usize,
    /// Pages are compressed by Zstandard; else they are not.
    pub zstd: bool,
}

impl Footer {
    /// Reads a footer's bytes for the named columns, or all; `None` where they are damaged, a column is
    /// not there, or something in them is not known here.
    pub fn read(bytes: &[u8], names: Option<&[&str]>) -> Option<Footer> {
        let mut footer = Footer::default();
        // By the place of a column in the file, its place among the wanted ones.
        let mut places: Vec<Option<usize>> = Vec::new();
        let mut rows = None;
        Reader::new(bytes).fields(|reader, field| match field.id {
            2 => {
                let all = columns(reader, field)?;
                (footer.columns, places) = wanted(&all, names)?;
                Some(())
            }
            3 => {
                rows = Some(reader.count(field)?);
                Some(())
            }
            4 => reader.structures(field, |reader, _| {
                footer.groups.push(group(reader, &places, footer.columns.len())?);
                Some(())
            }),
            _ => reader.skip(field),
        })?;
        (rows == Some(footer.rows())).then_some(footer)
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }
}

fn columns(reader: &mut Reader, field: Field) -> Option<Vec<Column>> {
    let mut columns = Vec::with_capacity(64);
    reader.structures(field, |reader, place| {
        let element = Element::read(reader)?;
        // The first is the file itself; all others are its columns, and none has columns of its own.
        match (place, element.children) {
            (0, _) => {}
            (_, 0) => columns.push(element.column()?),
            _ => return None,
        }
        Some(())
    })?;
    Some(columns)
}

fn wanted(all: &[Column], names: Option<&[&str]>) -> Option<(Vec<Column>, Vec<Option<usize>>)> {
    let Some(names) = names else {
        return Some((all.to_vec(), (0..all.len()).map(Some).collect()));
    };
    let mut places = vec![None; all.len()];
    let mut wanted = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let mut found = all.iter().zip(&mut places).filter(|(column, _)| column.name == *name);
        let (column, place) = found.next()?;
        // A name that is asked for twice or stands for two columns is not known here.
        if found.next().is_some() || place.replace(number).is_some() {
            return None;
        }
        wanted.push(column.clone());
    }
    Some((wanted, places))
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

/// The logical types that the store's columns have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logical {
    Text,
    Date,
    /// Microseconds in UTC.
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
            (0, None, None) => Kind::Bool,
            (1, None, None) => Kind::Int32,
            (1, Some(6), None | Some(Logical::Date)) | (1, None, Some(Logical::Date)) => Kind::Date,
            (2, None, None) => Kind::Int64,
            (2, None | Some(10), Some(Logical::Time)) => Kind::Time,
            (5, None, None) => Kind::Float,
            (6, Some(0), None | Some(Logical::Text)) | (6, None, Some(Logical::Text)) => Kind::Text,
            _ => return None,
        };
        let optional = match self.repetition? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Column { name: std::str::from_utf8(self.name).ok()?.to_owned(), kind, optional })
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
                    utc = reader.truth(field)?;
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

fn group(reader: &mut Reader, places: &[Option<usize>], wanted: usize) -> Option<Group> {
    let mut chunks = vec![None; wanted];
    let (mut count, mut rows) = (0, None);
    reader.fields(|reader, field| match field.id {
        1 => reader.structures(field, |reader, column| {
            count = column + 1;
            match places.get(column)? {
                None => reader.skip_structure(),
                Some(place) => {
                    *chunks.get_mut(*place)? = Some(chunk(reader)?);
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
    let rows = rows.filter(|rows| *rows <= MOST_ROWS && count == places.len())?;
    Some(Group { rows, chunks: chunks.into_iter().collect::<Option<_>>()? })
}

fn chunk(reader: &mut Reader) -> Option<Chunk> {
    let (mut codec, mut plain, mut length, mut data, mut dictionary) = (None, None, None, None, None);
    reader.fields(|reader, field| match field.id {
        // It lies in another file.
        1 => None,
        3 => reader.structure(field, |reader, field| {
            match field.id {
                4 => codec = Some(reader.int(field)?),
                6 => plain = Some(reader.count(field)?),
                7 => length = Some(u64::try_from(reader.int(field)?).ok()?),
                9 => data = Some(u64::try_from(reader.int(field)?).ok()?),
                11 => dictionary = Some(u64::try_from(reader.int(field)?).ok()?),
                _ => reader.skip(field)?,
            }
            Some(())
        }),
        _ => reader.skip(field),
    })?;
    let zstd = match codec? {
        0 => false,
        6 => true,
        _ => return None,
    };
    Some(Chunk { start: dictionary.unwrap_or(u64::MAX).min(data?), length: length?, plain: plain?, zstd })
}
