//! Pages of a column: their headers, and decompression.

use std::cell::Cell;

use zstd::bulk::Decompressor;

use super::thrift::Reader;

/// Maximum compression ratio: Zstandard takes at least four bytes for a block of 128 KiB.
const MAX_RATIO: usize = 1 << 15;
/// Maximum uncompressed size of a page, far above the pages that `wa` writes. Offsets of strings
/// have 32 bits.
const MAX_PAGE: usize = 1 << 30;
/// Maximum total size of buffers that a thread keeps, in bytes: enough for a typical day.
const MAX_KEPT: usize = 4 << 20;

/// A page as stored in the file.
#[derive(Debug)]
pub struct Page<'a> {
    /// Whether this is a dictionary page; otherwise it is a data page.
    pub is_dictionary: bool,
    /// Number of values, including nulls.
    pub values: usize,
    /// Encoding of the values.
    pub encoding: i64,
    /// Uncompressed size in bytes.
    size: usize,
    compressed: &'a [u8],
}

/// The encoding `PLAIN`.
pub const PLAIN: i64 = 0;
/// The encodings `PLAIN_DICTIONARY` and `RLE_DICTIONARY`, which are the same for data pages.
pub const DICTIONARY: [i64; 2] = [2, 8];
/// The encoding `DELTA_BINARY_PACKED`.
pub const DELTA: i64 = 5;
/// The encoding `DELTA_LENGTH_BYTE_ARRAY`.
pub const DELTA_LENGTH: i64 = 6;

/// The encoding `RLE`.
const RLE: i64 = 3;

impl<'a> Page<'a> {
    /// Splits the next page off the bytes of a column. Returns `None` if the bytes are damaged, or
    /// the type of the page is not supported.
    pub fn next(bytes: &mut &'a [u8]) -> Option<Page<'a>> {
        let mut reader = Reader::new(bytes);
        let (mut kind, mut size, mut length) = (None, None, None);
        let (mut values, mut encoding, mut levels) = (None, None, None);
        reader.fields(|reader, field| {
            match field.id {
                1 => kind = Some(reader.int(field)?),
                2 => size = Some(reader.count(field)?),
                3 => length = Some(reader.count(field)?),
                // The headers of data and dictionary pages. Field 3 of the latter is a boolean.
                5 | 7 => {
                    let is_data = field.id == 5;
                    reader.structure(field, |reader, field| {
                        match field.id {
                            1 => values = Some(reader.count(field)?),
                            2 => encoding = Some(reader.int(field)?),
                            3 if is_data => levels = Some(reader.int(field)?),
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

    /// Decompresses the page into `out`, replacing its contents. Returns `None` if the page is
    /// damaged, or larger than `max_bytes`.
    pub fn decompress(
        &self,
        is_zstd: bool,
        max_bytes: usize,
        decompressor: &mut PageDecompressor,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let Page { size, compressed, .. } = *self;
        out.clear();
        if !is_zstd {
            if size != compressed.len() {
                return None;
            }
            out.extend_from_slice(compressed);
            return Some(());
        }
        // Check the size that the header states before allocating that much memory.
        let possible = compressed.len().saturating_mul(MAX_RATIO).min(MAX_PAGE).min(max_bytes);
        if size > possible {
            return None;
        }
        out.reserve_exact(size);
        let written = decompressor.0.as_mut()?.decompress_to_buffer(compressed, out).ok()?;
        (written == size && out.len() == size).then_some(())
    }
}

/// A decompressor. Creating one takes longer than decompressing most pages.
pub struct PageDecompressor(Option<Decompressor<'static>>);

/// The buffers of a thread, which are reused for all columns. The kernel has to clear new memory.
pub struct ReadBuffers {
    /// The decompressor.
    pub decompressor: PageDecompressor,
    /// Bytes of a column as stored in the file.
    pub chunk: Vec<u8>,
    /// Uncompressed bytes of a page.
    pub page: Vec<u8>,
    /// Lengths of strings.
    pub lengths: Vec<i64>,
}

thread_local! {
    static BUFFERS: Cell<Option<Box<ReadBuffers>>> = const { Cell::new(None) };
}

impl ReadBuffers {
    /// Calls `use_buffers` with the thread's buffers.
    pub fn with<T>(use_buffers: impl FnOnce(&mut ReadBuffers) -> T) -> T {
        let mut buffers = BUFFERS.take().unwrap_or_else(|| Box::new(ReadBuffers::new()));
        let result = use_buffers(&mut buffers);
        let kept = buffers.chunk.capacity() + buffers.page.capacity() + buffers.lengths.capacity() * 8;
        if kept > MAX_KEPT {
            (buffers.chunk, buffers.page, buffers.lengths) = (Vec::new(), Vec::new(), Vec::new());
        }
        BUFFERS.set(Some(buffers));
        result
    }

    fn new() -> ReadBuffers {
        let decompressor = PageDecompressor(Decompressor::new().ok());
        ReadBuffers { decompressor, chunk: Vec::new(), page: Vec::new(), lengths: Vec::new() }
    }
}
