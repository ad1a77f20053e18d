//! The bytes of an input, decompressed as they come: gzip and zstd, told by content.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one member or several.
    Gzip,
    /// zstd, of one frame or several.
    Zstd,
}

/// Something to read from.
pub type Source = Box<dyn Read + Send>;

/// Bytes read from a compressed source at a time.
const BUFFER: usize = 128 << 10;

type Compressed = BufReader<io::Chain<Cursor<Vec<u8>>, CountingReader>>;

/// A decompressing reader; it yields what there is before it reports that the rest is damaged.
pub struct Stream {
    bytes: Bytes,
    compression: Compression,
    consumed: Arc<AtomicU64>,
}

enum Bytes {
    Plain { head: Vec<u8>, source: Source },
    Gzip(Box<GzipMembers<Compressed>>),
    Zstd(zstd::stream::read::Decoder<'static, Compressed>),
}

impl Stream {
    /// Looks at the first bytes of a source to tell how it is compressed.
    pub fn open(mut source: Source) -> io::Result<Stream> {
        let mut head = Vec::with_capacity(4);
        (&mut source).take(4).read_to_end(&mut head)?;
        let compression = match *head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
            _ => Compression::Plain,
        };
        let consumed =
            Arc::new(AtomicU64::new(if compression == Compression::Plain { 0 } else { head.len() as u64 }));
        let compressed = |head, source| {
            let counted = CountingReader { source, count: consumed.clone() };
            BufReader::with_capacity(BUFFER, Cursor::new(head).chain(counted))
        };
        let bytes = match compression {
            Compression::Plain => Bytes::Plain { head, source },
            Compression::Gzip => {
                Bytes::Gzip(Box::new(GzipMembers(Some(GzDecoder::new(compressed(head, source))))))
            }
            Compression::Zstd => {
                Bytes::Zstd(zstd::stream::read::Decoder::with_buffer(compressed(head, source))?)
            }
        };
        Ok(Stream { bytes, compression, consumed })
    }

    /// Takes a source as it is, from an offset on at which it stands.
    pub fn plain_from(offset: u64, source: Source) -> Stream {
        let bytes = Bytes::Plain { head: Vec::new(), source };
        Stream { bytes, compression: Compression::Plain, consumed: Arc::new(AtomicU64::new(offset)) }
    }

    /// Returns how the input is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Returns how far the source was read, in bytes as they are stored.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Appends up to `limit` bytes. After `Ok(false)` and after an error there are no more; what came
    /// before an error has been appended.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let before = buffer.len();
        buffer.reserve_exact(limit);
        // `read_to_end` of a file reads into memory that need not be cleared first.
        let result = match &mut self.bytes {
            Bytes::Plain { head, source } => {
                buffer.append(head);
                let rest = limit.saturating_sub(buffer.len() - before);
                let result = source.take(rest as u64).read_to_end(buffer);
                self.consumed.fetch_add((buffer.len() - before) as u64, Ordering::Relaxed);
                result
            }
            Bytes::Gzip(members) => members.take(limit as u64).read_to_end(buffer),
            Bytes::Zstd(decoder) => decoder.take(limit as u64).read_to_end(buffer),
        };
        result.map(|_| buffer.len() - before >= limit)
    }
}

/// Counts the bytes that are read.
struct CountingReader {
    source: Source,
    count: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The members of a gzip file, one after the other. Zeros after the last, as tapes and some writers
/// leave them, are no damage; anything else is.
struct GzipMembers<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut source) = self.0.take().map(GzDecoder::into_inner) else { break };
            self.0 = match skip_zeros(&mut source)? {
                None => None,
                Some(0x1f) => Some(GzDecoder::new(source)),
                Some(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "what follows the compressed data is no gzip",
                    ));
                }
            };
        }
        Ok(0)
    }
}

/// Returns the next byte that is not zero, without consuming it; `None` at the end.
fn skip_zeros(source: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffered = source.fill_buf()?;
        if buffered.is_empty() {
            return Ok(None);
        }
        let zeros = buffered.iter().position(|b| *b != 0);
        let (next, skip) = match zeros {
            Some(at) => (buffered.get(at).copied(), at),
            None => (None, buffered.len()),
        };
        source.consume(skip);
        if next.is_some() {
            return Ok(next);
        }
    }
}
