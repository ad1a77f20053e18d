//! Decompresses inputs while they are read. The compression is detected by content: gzip, zstd, xz
//! and bzip2.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use super::content_hash::ContentHash;

/// The compression of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    Plain,
    /// gzip, of one or more members.
    Gzip,
    /// zstd, of one or more frames.
    Zstd,
    /// xz, of one or more streams.
    Xz,
    /// bzip2, of one or more streams.
    Bzip2,
}

/// A source of bytes.
pub type ByteSource = Box<dyn Read + Send>;

/// Number of bytes read from a compressed source at a time.
const BUFFER: usize = 128 << 10;
/// Number of leading bytes that identify the compression.
const MAGIC: usize = 10;
/// The memory limit of an xz decoder, in KiB: enough for a dictionary of 128 MiB, the largest
/// window that the zstd decoder accepts by default.
const XZ_MEMORY: u32 = (128 << 10) + 1024;

type Compressed = BufReader<io::Chain<Cursor<Vec<u8>>, HashingReader>>;

/// A decompressing reader. For a damaged file it first yields all intact bytes, then an error.
pub struct DecompressedStream {
    decoder: Decoder,
    compression: Compression,
    consumed: Consumed,
}

enum Decoder {
    Plain { head: Vec<u8>, source: ByteSource },
    Gzip(Box<Members<GzDecoder<Compressed>>>),
    Zstd(zstd::stream::read::Decoder<'static, Compressed>),
    Xz(Box<XzReader<Compressed>>),
    Bzip2(Box<Members<BzDecoder<Compressed>>>),
}

impl DecompressedStream {
    /// Detects the compression of a source by its first bytes.
    pub fn open(mut source: ByteSource) -> io::Result<DecompressedStream> {
        let mut head = Vec::with_capacity(MAGIC);
        (&mut source).take(MAGIC as u64).read_to_end(&mut head)?;
        let compression = match *head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            // A block begins with the digits of pi. A file without blocks ends with the digits of
            // the square root of pi.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => Compression::Bzip2,
            _ => Compression::Plain,
        };
        let consumed = Consumed::default();
        let compressed = |head: Vec<u8>, source| {
            consumed.get().add(&head);
            let hashed = HashingReader { source, consumed: consumed.clone() };
            BufReader::with_capacity(BUFFER, Cursor::new(head).chain(hashed))
        };
        let decoder = match compression {
            Compression::Plain => Decoder::Plain { head, source },
            Compression::Gzip => {
                Decoder::Gzip(Box::new(Members(Some(GzDecoder::start(compressed(head, source))))))
            }
            Compression::Bzip2 => {
                Decoder::Bzip2(Box::new(Members(Some(BzDecoder::start(compressed(head, source))))))
            }
            Compression::Xz => {
                Decoder::Xz(Box::new(XzReader::new_mem_limit(compressed(head, source), true, XZ_MEMORY)))
            }
            Compression::Zstd => {
                Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(compressed(head, source))?)
            }
        };
        Ok(DecompressedStream { decoder, compression, consumed })
    }

    /// Creates a stream of an uncompressed source that is positioned after the hashed bytes.
    pub fn resume(source: ByteSource, mut hash: ContentHash) -> DecompressedStream {
        hash.remember();
        DecompressedStream {
            decoder: Decoder::Plain { head: Vec::new(), source },
            compression: Compression::Plain,
            consumed: Consumed(Arc::new(Mutex::new(hash))),
        }
    }

    /// Returns the compression of the input.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Returns the number of bytes read from the source, before decompression.
    pub fn consumed(&self) -> u64 {
        self.consumed.get().length()
    }

    /// Returns the hash of all bytes read from the source, before decompression.
    pub fn digest(&self) -> u128 {
        self.consumed.get().digest()
    }

    /// Returns the hash of the bytes before `offset`: see [`ContentHash::digest_at`].
    pub fn digest_at(&self, offset: u64) -> Option<u128> {
        self.consumed.get().digest_at(offset)
    }

    /// Appends up to `limit` bytes. Returns whether more may follow. After an error nothing
    /// follows, and the bytes before the error have been appended.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
        let before = buffer.len();
        buffer.reserve_exact(limit);
        // `read_to_end` reads into memory without zeroing it first.
        let result = match &mut self.decoder {
            Decoder::Plain { head, source } => {
                buffer.append(head);
                let rest = limit.saturating_sub(buffer.len() - before);
                let result = source.take(rest as u64).read_to_end(buffer);
                self.consumed.get().add_lines(buffer.get(before..).unwrap_or(&[]));
                result
            }
            Decoder::Gzip(members) => members.take(limit as u64).read_to_end(buffer),
            Decoder::Zstd(decoder) => decoder.take(limit as u64).read_to_end(buffer),
            Decoder::Xz(decoder) => decoder.take(limit as u64).read_to_end(buffer),
            Decoder::Bzip2(members) => members.take(limit as u64).read_to_end(buffer),
        };
        result.map(|_| buffer.len() - before >= limit)
    }
}

/// The hash of the bytes that were read from the source, shared with the reader that the decoder
/// owns.
#[derive(Clone, Default)]
struct Consumed(Arc<Mutex<ContentHash>>);

impl Consumed {
    fn get(&self) -> MutexGuard<'_, ContentHash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that hashes its bytes.
struct HashingReader {
    source: ByteSource,
    consumed: Consumed,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.consumed.get().add(buffer.get(..read).unwrap_or(&[]));
        Ok(read)
    }
}

/// A decoder of one member of a compressed file.
trait MemberDecoder: Read {
    /// The first byte of a member.
    const FIRST_BYTE: u8;
    /// The name of the compression.
    const NAME: &str;

    /// Creates a decoder of a member.
    fn start(source: Compressed) -> Self;

    /// Returns the source, positioned after the member.
    fn into_source(self) -> Compressed;
}

impl MemberDecoder for GzDecoder<Compressed> {
    const FIRST_BYTE: u8 = 0x1f;
    const NAME: &str = "gzip";

    fn start(source: Compressed) -> Self {
        GzDecoder::new(source)
    }

    fn into_source(self) -> Compressed {
        self.into_inner()
    }
}

impl MemberDecoder for BzDecoder<Compressed> {
    const FIRST_BYTE: u8 = b'B';
    const NAME: &str = "bzip2";

    fn start(source: Compressed) -> Self {
        BzDecoder::new(source)
    }

    fn into_source(self) -> Compressed {
        self.into_inner()
    }
}

/// The members of a compressed file, one after another. Zero bytes after the last member, which
/// tapes and some programs add, are ignored; other bytes are an error.
struct Members<D>(Option<D>);

impl<D: MemberDecoder> Read for Members<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut source) = self.0.take().map(D::into_source) else { break };
            self.0 = match skip_zeros(&mut source)? {
                None => None,
                Some(first) if first == D::FIRST_BYTE => Some(D::start(source)),
                Some(_) => {
                    let message = format!("the data after the compressed data is not {}", D::NAME);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
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
