//! The pages of a column: their headers, and their bytes out of compression.

use std::cell::Cell;

use zstd::bulk::Decompressor;

use super::thrift::Reader;

/// Zstandard takes four bytes at the least for 128 KiB: more cannot be in so many.
const MOST_PER_BYTE: usize = 1 << 15;
/// No page of the store is nearly as large, and texts in it are found by 32 bits.
const LARGEST: usize = 1 << 30;
/// Buffers are kept up to this size, in bytes: those of a usual day.
const KEPT: usize = 4 << 20;

/// What a column of a day of some ten thousand sessions takes, in bytes, and one of a row group of first sights.
const USUAL: usize = 132 << 10;

/// A page, as it lies in the file.
#[derive(Debug)]
pub struct Page<'a> {
    /// A dictionary of values; else values or their codes.
    pub is_dictionary: bool,
    /// How many values it has, nulls among them.
    pub values: usize,
    /// How they are encoded.
    pub encoding: i64,
    /// How many bytes it has out of compression.
    size: usize,
    compressed: &'a [u8],
}

/// Plain values.
pub const PLAIN: i64 = 0;
/// Codes of the dictionary, by the old name and the new one.
pub const DICTIONARY: [i64; 2] = [2, 8];
/// Numbers as differences.
pub const DELTA: i64 = 5;
/// Texts as their lengths, and then all in one piece.
pub const DELTA_LENGTH: i64 = 6;

/// Levels as runs.
const RLE: i64 = 3;

impl<'a> Page<'a> {
    /// Takes the next page off the bytes of a column; `None` where they make no sense, or the page is of
    /// a kind that is not known here.
    pub fn next(bytes: &mut &'a [u8]) -> Option<Page<'a>> {
        let mut reader = Reader::new(bytes);
        let (mut kind, mut size, mut length) = (None, None, None);
        let (mut values, mut encoding, mut levels) = (None, None, None);
        reader.fields(|reader, field| {
            match field.id {
                1 => kind = Some(reader.int(field)?),
                2 => size = Some(reader.count(field)?),
                3 => length = Some(reader.count(field)?),
                // Of data and of a dictionary; the third field of the latter is a truth.
                5 | 7 => {
                    let of_data = field.id == 5;
                    reader.structure(field, |reader, field| {
                        match field.id {
                            1 => values = Some(reader.count(field)?),
                            2 => encoding = Some(reader.int(field)?),
                            3 if of_data => levels = Some(reader.int(field)?),
                            _ => reader.skip(field)?,
                        }
                        Some(())
                    })?;
                }
                _ => reader.skip(field)?,
            }
            Some(())
        })?;
        let (compressed, rest) = reader.rest().split_at_checked(length?)?;
        *bytes = rest;
        let is_dictionary = match kind? {
            0 if levels? == RLE => false,
            2 => true,
            _ => return None,
        };
        Some(Page { is_dictionary, values: values?, encoding: encoding?, size: size?, compressed })
    }

    /// Brings the page's bytes into `out`, in the place of what it holds. At most `most` bytes.
    pub fn inflate(&self, zstd: bool, most: usize, tools: &mut Zstd, out: &mut Vec<u8>) -> Option<()> {
        let Page { size, compressed, .. } = *self;
        out.clear();
        if !zstd {
            if size != compressed.len() {
                return None;
            }
            out.extend_from_slice(compressed);
            return Some(());
        }
        // What a header claims is looked at before so much memory is taken.
        let possible = compressed.len().saturating_mul(MOST_PER_BYTE).min(LARGEST).min(most);
        if size > possible {
            return None;
        }
        out.reserve_exact(size);
        let written = tools.0.as_mut()?.decompress_to_buffer(compressed, out).ok()?;
        (written == size && out.len() == size).then_some(())
    }
}

/// What decompresses; to make one takes longer than most pages do.
pub struct Zstd(Option<Decompressor<'static>>);

/// What a thread uses for one column after the other: memory that is used again need not be cleared
/// by the kernel.
pub struct Tools {
    /// What decompresses.
    pub zstd: Zstd,
    /// The bytes of a column, as they lie in the file.
    pub chunk: Vec<u8>,
    /// The bytes of a page.
    pub page: Vec<u8>,
    /// The lengths of texts.
    pub lengths: Vec<i64>,
}

thread_local! {
    static TOOLS: Cell<Option<Box<Tools>>> = const { Cell::new(None) };
}

/// Returns so many zeros that were written, where `vec!` only asks for memory that reads as zeros.
fn written<T: Copy + Default>(count: usize) -> Vec<T> {
    let mut room = Vec::with_capacity(count);
    room.resize(count, T::default());
    room
}

impl Tools {
    /// Lends the thread's tools.
    pub fn lend<T>(use_them: impl FnOnce(&mut Tools) -> T) -> T {
        let mut tools = TOOLS.take().unwrap_or_else(|| Box::new(Tools::with_room(0)));
        let result = use_them(&mut tools);
        let held = tools.chunk.capacity() + tools.page.capacity() + tools.lengths.capacity() * 8;
        if held > KEPT {
            (tools.chunk, tools.page, tools.lengths) = (Vec::new(), Vec::new(), Vec::new());
        }
        TOOLS.set(Some(tools));
        result
    }

    /// Makes the thread's tools, with room for usual columns.
    pub fn prepare() {
        TOOLS.set(Some(Box::new(Tools::with_room(USUAL))));
    }

    /// Makes tools with so many bytes for a column, which the kernel has cleared already.
    fn with_room(bytes: usize) -> Tools {
        let (mut page, mut lengths) = (written(bytes), written(bytes / size_of::<i64>()));
        page.clear();
        lengths.clear();
        Tools { zstd: Zstd(Decompressor::new().ok()), chunk: written(bytes), page, lengths }
    }
}
