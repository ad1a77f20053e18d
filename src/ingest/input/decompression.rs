//! Decompresses inputs while they are read. Gzip and zstd are detected by content.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// The compression of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    Plain,
    /// gzip, of one or more members.
    Gzip,
    /// zstd, of one or more frames.
    Zstd,
}

/// A source of bytes.
pub type ByteSource = Box<dyn Read + Send>;

/// Bytes that are read from a compressed source at a time.
const BUFFER: usize = 128 << 10;

type Compressed = BufReader<io::Chain<Cursor<Vec<u8>>, CountingReader>>;

/// A decompressing reader. It yields all bytes before the damage before it returns an error.
pub struct DecompressedStream {
    decoder: Decoder,
    compression: Compression,
    consumed: Arc<AtomicU64>,
}

enum Decoder {
    Plain { head: Vec<u8>, source: ByteSource },
    Gzip(Box<GzipMembers<Compressed>>),
    Zstd(zstd::stream::read::Decoder<'static, Compressed>),
}

impl DecompressedStream {
    /// Detects the compression of a source by its first bytes.
    pub fn open(mut source: ByteSource) -> io::Result<DecompressedStream> {
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
        let decoder = match compression {
            Compression::Plain => Decoder::Plain { head, source },
            Compression::Gzip => {
                Decoder::Gzip(Box::new(GzipMembers(Some(GzDecoder::new(compressed(head, source))))))
            }
            Compression::Zstd => {
                Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(compressed(head, source))?)
            }
        };
        Ok(DecompressedStream { decoder, compression, consumed })
    }

    /// Creates a stream of an uncompressed source that is positioned at `offset`.
    pub fn plain_from(offset: u64, source: ByteSource) -> DecompressedStream {
        let decoder = Decoder::Plain { head: Vec::new(), source };
        DecompressedStream {
            decoder,
            compression: Compression::Plain,
            consumed: Arc::new(AtomicU64::new(offset)),
        }
    }

    /// Returns the compression of the input.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Returns the number of bytes read from the source, compressed.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Appends up to `limit` bytes. Returns whether more may follow; after an error nothing
    /// follows, and the bytes before it have been appended.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let before = buffer.len();
        buffer.reserve_exact(limit);
        // `read_to_end` of a file reads into memory that is not zeroed first.
        let result = match &mut self.decoder {
            Decoder::Plain { head, source } => {
                buffer.append(head);
                let rest = limit.saturating_sub(buffer.len() - before);
                let result = source.take(rest as u64).read_to_end(buffer);
                self.consumed.fetch_add((buffer.len() - before) as u64, Ordering::Relaxed);
                result
            }
            Decoder::Gzip(members) => members.take(limit as u64).read_to_end(buffer),
            Decoder::Zstd(decoder) => decoder.take(limit as u64).read_to_end(buffer),
        };
        result.map(|_| buffer.len() - before >= limit)
    }
}

/// A reader that counts its bytes.
struct CountingReader {
    source: ByteSource,
    count: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The members of a gzip file, one after the other. Zeros after the last member, as tapes and some
/// writers leave them, are ignored; other bytes are an error.
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
                        "the data after the compressed data is not gzip",
                    ));
                }
            };
        }
        Ok(0)
    }
}

/// Skips zeros and returns the next byte without consuming it; `None` at the end.
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
