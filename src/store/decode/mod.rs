//! Columns out of Parquet pages, as `wa` writes them.
//!
//! Polars' reader takes any file there is; here is what the store's files need, and no more: Zstandard or
//! nothing, plain values, dictionaries, differences. A report reads a few columns of hundreds of files, each
//! for a fraction of a millisecond. So the footer is searched for those columns alone, a thread keeps what
//! decompresses (to make one takes 8 µs on a virtual machine) and its buffers from one column to the next
//! (fresh memory has to be cleared by the kernel), and the bytes of texts are decompressed where they stay.
//!
//! Whatever is not known here, damaged files among it, is `None`: Polars reads it then, or says what is wrong
//! with it. Nothing that a file claims is believed before it is checked: neither counts nor sizes.

mod column;
mod delta;
mod footer;
mod levels;
mod page;
mod rle_hybrid;
#[cfg(test)]
mod tests;
mod texts;
mod thrift;

use std::io::{Seek, SeekFrom};

use polars::prelude::{DataFrame, IntoColumn};

use super::file_system::OpenFile;
use crate::positional_read::read_full_at;
use column::ColumnReader;
use footer::{Footer, Group};
use page::Tools;

/// Reads some columns (all, where there are no names) of a file into a frame, each of one piece; `None` where
/// the file is damaged or holds what is not known here.
pub fn read(file: &OpenFile, names: Option<&[&str]>) -> Option<DataFrame> {
    Tools::lend(|tools| {
        let about = About::of(file, names, tools)?;
        about.frame(file, &about.footer.groups, tools)
    })
}

/// The row groups of a file, each as a frame: a file of many groups is then never in memory as a whole.
pub struct Groups {
    about: About,
    next: usize,
}

impl Groups {
    /// Begins to read some columns; `None` as with [`read`].
    pub fn of(file: &OpenFile, names: &[&str]) -> Option<Groups> {
        Tools::lend(|tools| About::of(file, Some(names), tools)).map(|about| Groups { about, next: 0 })
    }

    /// Tells whether all were read.
    pub fn are_done(&self) -> bool {
        self.next >= self.about.footer.groups.len()
    }

    /// Reads the next of the file's groups; `None` as with [`read`].
    pub fn next(&mut self, file: &OpenFile) -> Option<DataFrame> {
        let group = self.about.footer.groups.get(self.next..self.next + 1)?;
        self.next += 1;
        Tools::lend(|tools| self.about.frame(file, group, tools))
    }
}

/// Where a file ends, and what its footer says.
struct About {
    end: u64,
    footer: Footer,
}

impl About {
    fn of(file: &OpenFile, names: Option<&[&str]>, tools: &mut Tools) -> Option<About> {
        let end = file.length()?;
        let footer = read_footer(file, end, names, &mut tools.chunk)?;
        Some(About { end, footer })
    }

    /// Reads some of the row groups into a frame.
    fn frame(&self, file: &OpenFile, groups: &[Group], tools: &mut Tools) -> Option<DataFrame> {
        let rows = groups.iter().map(|group| group.rows).sum();
        let mut columns = Vec::with_capacity(self.footer.columns.len());
        for (number, column) in self.footer.columns.iter().enumerate() {
            let mut reader = ColumnReader::new(column, rows);
            for group in groups {
                let chunk = group.chunks.get(number)?;
                // The bytes are borrowed from the tools, which the pages need beside them.
                let mut room = std::mem::take(&mut tools.chunk);
                let bytes = file.bytes(chunk.start, chunk.length, self.end, &mut room)?;
                reader.add(chunk, bytes, group.rows, tools)?;
                tools.chunk = room;
            }
            columns.push(reader.finish().ok()?.into_column());
        }
        DataFrame::new(rows, columns).ok()
    }
}

/// Makes what this thread will need to read columns, before it is told which.
pub fn prepare() {
    Tools::prepare();
}

/// Most footers fit into so many bytes: those of sessions, with the most columns, have 10 kB.
const FOOTER: u64 = 12 << 10;
/// What stands behind the footer: its length, and a mark.
const TAIL: u64 = 8;

fn read_footer(file: &OpenFile, end: u64, names: Option<&[&str]>, room: &mut Vec<u8>) -> Option<Footer> {
    let tail = file.bytes(end.saturating_sub(FOOTER), end.min(FOOTER), end, room)?;
    let (rest, mark) = tail.split_last_chunk::<4>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = u64::from(u32::from_le_bytes(*length));
    if mark != b"PAR1" {
        return None;
    }
    if let Some(start) = rest.len().checked_sub(length as usize) {
        return Footer::read(rest.get(start..)?, names);
    }
    let start = end.checked_sub(TAIL)?.checked_sub(length)?;
    Footer::read(file.bytes(start, length, end, room)?, names)
}

impl OpenFile {
    fn length(&self) -> Option<u64> {
        match self {
            OpenFile::File(file) => (&*file).seek(SeekFrom::End(0)).ok(),
            OpenFile::Bytes(bytes) => Some(bytes.len() as u64),
        }
    }

    /// Returns some of the bytes, up to `end`; of a file, they are read into `room`.
    fn bytes<'a>(&'a self, start: u64, length: u64, end: u64, room: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let to = start.checked_add(length).filter(|to| *to <= end)?;
        match self {
            OpenFile::Bytes(bytes) => bytes.get(usize::try_from(start).ok()?..usize::try_from(to).ok()?),
            OpenFile::File(file) => {
                let length = usize::try_from(length).ok()?;
                // It only grows: what was cleared once need not be cleared again.
                if room.len() < length {
                    room.clear();
                    room.resize(length, 0);
                }
                let room = room.get_mut(..length)?;
                let filled = read_full_at(file, room, start).ok()?;
                (filled == length).then_some(room)
            }
        }
    }
}

/// Reads a number that stands seven bits a byte, the lowest first.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 127).checked_shl(7 * place as u32)?;
        if *byte < 128 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

/// Returns the number with a sign that a number without one stands for: 0, -1, 1, -2 …
fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
