//! Reading inputs in blocks of whole lines.

use std::io::{self, Read, Write};

use super::*;
use crate::error::ErrorKind;
use crate::ingest::input::blocks::{Compression, OverlongLine};
use crate::ingest::input::content_hash::ContentHash;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    // The smallest blocks, of 100 kB.
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn hash_of(bytes: &[u8]) -> ContentHash {
    let mut hash = ContentHash::default();
    hash.add(bytes);
    hash
}

fn reader(bytes: impl Into<Vec<u8>>) -> BlockReader {
    BlockReader::from_source("test", Box::new(io::Cursor::new(bytes.into()))).unwrap()
}

/// Returns all blocks, and the error at the end.
fn drain(reader: &mut BlockReader) -> (Vec<RawBlock>, Option<crate::Error>) {
    let mut blocks = Vec::new();
    loop {
        match reader.next_block() {
            Ok(Some(block)) => blocks.push(block),
            Ok(None) => return (blocks, None),
            Err(e) => {
                assert!(matches!(reader.next_block(), Ok(None)));
                return (blocks, Some(e));
            }
        }
    }
}

fn text(blocks: &[RawBlock]) -> Vec<u8> {
    blocks.iter().flat_map(|b| b.bytes.clone()).collect()
}

/// A line and its number.
type NumberedLine = (u64, Vec<u8>);

/// Returns the numbered lines of an input that are within the limit, and number and length of the
/// others.
fn naive(bytes: &[u8], limit: usize) -> (Vec<NumberedLine>, Vec<(u64, u64)>) {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for (index, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        let has_end = line.ends_with(b"\n");
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = if has_end { content.strip_suffix(b"\r").unwrap_or(content) } else { content };
        if content.len() > limit {
            long.push((index as u64 + 1, content.len() as u64));
        } else {
            short.push((index as u64 + 1, line.to_vec()));
        }
    }
    (short, long)
}

/// Returns the numbered lines of blocks, without overlong lines.
fn numbered(blocks: &[RawBlock]) -> Vec<NumberedLine> {
    let mut lines = Vec::new();
    for block in blocks {
        let mut number = block.first_line;
        for line in block.bytes.split_inclusive(|b| *b == b'\n') {
            while block.overlong.iter().any(|l| l.line == number) {
                number += 1;
            }
            lines.push((number, line.to_vec()));
            number += 1;
        }
    }
    lines
}

proptest! {
    #[test]
    fn block_size_does_not_change_the_lines(
        bytes in proptest::collection::vec(prop_oneof![6 => Just(b'a'), 2 => Just(b'\n'), 1 => Just(b'\r')], 0..200),
        block in 1usize..60,
        limit in 1usize..20,
    ) {
        // A carriage return at the end may or may not belong to the line end.
        prop_assume!(!bytes.ends_with(b"\r"));
        let mut reader = reader(bytes.clone()).with_block_size(block).with_line_limit(limit);
        let (blocks, error) = drain(&mut reader);
        prop_assert!(error.is_none());
        let (short, long) = naive(&bytes, limit);
        prop_assert_eq!(numbered(&blocks), short);
        let found: Vec<_> = blocks.iter().flat_map(|b| &b.overlong).map(|l| (l.line, l.length)).collect();
        prop_assert_eq!(found, long);
        let mut offset = 0;
        for block in &blocks {
            prop_assert_eq!(block.offset, offset);
            offset = block.end;
        }
        prop_assert_eq!(offset, bytes.len() as u64);
    }

    #[test]
    fn hash_is_recorded_at_each_block_end(
        bytes in proptest::collection::vec(prop_oneof![6 => Just(b'a'), 2 => Just(b'\n'), 1 => Just(b'\r')], 0..200),
        block in 1usize..60,
        limit in 1usize..20,
    ) {
        let mut reader = reader(bytes.clone()).with_block_size(block).with_line_limit(limit);
        let hash_before = |offset: u64| Some(xxhash_rust::xxh3::xxh3_128(&bytes[..offset as usize]));
        let mut last_line = 0;
        while let Some(block) = reader.next_block().unwrap() {
            // The end of the last whole line: the last block may end within a line.
            last_line = bytes[..block.end as usize].iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1);
            prop_assert_eq!(reader.digest_at(last_line), hash_before(last_line), "{}", last_line);
        }
        prop_assert_eq!(reader.digest_at(last_line), hash_before(last_line));
        prop_assert_eq!(Some(reader.digest()), hash_before(bytes.len() as u64));
    }

    #[test]
    fn truncated_input_yields_its_beginning(
        lines in proptest::collection::vec("[a-z]{0,30}", 0..60),
        block in 1usize..400,
        cut in 0usize..2000,
    ) {
        let plain = lines.join("\n").into_bytes();
        for packed in [plain.clone(), gzip(&plain), zstd(&plain), xz(&plain), bzip2(&plain)] {
            let (blocks, error) = drain(&mut reader(packed.clone()).with_block_size(block));
            prop_assert_eq!(text(&blocks), &plain[..]);
            prop_assert!(error.is_none());
            let cut = cut.min(packed.len());
            if let Ok(reader) = BlockReader::from_source("cut", Box::new(io::Cursor::new(packed[..cut].to_vec()))) {
                let (blocks, _) = drain(&mut reader.with_block_size(block));
                // The compression is not recognized if the first ten bytes are incomplete.
                let is_recognized = cut >= 10.min(packed.len());
                prop_assert!(plain.starts_with(&text(&blocks)) || !is_recognized);
            }
        }
    }

    #[test]
    fn changed_xz_and_bzip2_do_not_panic(
        text in "[a-f\n]{0,400}",
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for mut packed in [xz(text.as_bytes()), bzip2(text.as_bytes())] {
            for (at, byte) in &changes {
                let at = at.index(packed.len());
                packed[at] = *byte;
            }
            if let Ok(mut reader) = BlockReader::from_source("changed", Box::new(io::Cursor::new(packed))) {
                drain(&mut reader);
            }
        }
    }

    #[test]
    fn any_bytes_do_not_panic(mut bytes: Vec<u8>, magic in 0usize..7) {
        let magics: [&[u8]; 7] = [
            b"",
            b"\x1f\x8b\x08\x00",
            b"\x28\xb5\x2f\xfd",
            b"\x50\x2a\x4d\x18",
            b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46",
            b"BZh1\x31\x41\x59\x26\x53\x59",
            b"\xff\xfe",
        ];
        bytes.splice(0..0, magics[magic].iter().copied());
        if let Ok(mut reader) = BlockReader::from_source("any", Box::new(io::Cursor::new(bytes))) {
            drain(&mut reader);
        }
    }
}

#[test]
fn members_and_frames_are_concatenated() {
    let (one, two) = (b"{\"a\":1}\n{\"b\"".as_slice(), b":2}\n".as_slice());
    let both = [one, two].concat();
    for packed in [
        [gzip(one), gzip(b""), gzip(two)].concat(),
        [gzip(one), gzip(two), vec![0; 1000]].concat(),
        [zstd(one), zstd(two)].concat(),
        [xz(one), xz(b""), xz(two)].concat(),
        [xz(one), vec![0; 8], xz(two), vec![0; 4]].concat(),
        [bzip2(one), bzip2(b""), bzip2(two)].concat(),
        [bzip2(one), bzip2(two), vec![0; 1000]].concat(),
        [b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc".to_vec(), zstd(&both)].concat(),
    ] {
        let (blocks, error) = drain(&mut reader(packed));
        assert_eq!(text(&blocks), both);
        assert!(error.is_none());
    }
    for packed in [gzip(&both), xz(&both), bzip2(&both)] {
        let (blocks, error) = drain(&mut reader([packed, b"garbage".to_vec()].concat()));
        assert_eq!(text(&blocks), both);
        assert_eq!(error.unwrap().kind(), ErrorKind::PartialInput);
    }
}

#[test]
fn too_large_zstd_window_has_a_hint() {
    // A frame (RFC 8878, 3.1.1) without checksum and size, with a window of 2^(10 + 21) bytes and
    // one empty block.
    let frame = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
    let (blocks, error) = drain(&mut reader(frame.to_vec()));
    assert_eq!(text(&blocks), b"");
    assert!(error.unwrap().hint_text().unwrap().contains("zstd -dc --long=31"));
}

#[test]
fn too_large_xz_dictionary_has_a_hint() {
    // The block header begins after 12 bytes and ends with its CRC32. Its fifth byte is the size of
    // the dictionary (The .xz File Format, 5.3.1): 34 stands for 512 MiB.
    let mut packed = xz(b"{}\n");
    let end = 12 + (usize::from(packed[12]) + 1) * 4 - 4;
    packed[12 + 4] = 34;
    let mut crc = flate2::Crc::new();
    crc.update(&packed[12..end]);
    packed[end..end + 4].copy_from_slice(&crc.sum().to_le_bytes());
    let (blocks, error) = drain(&mut reader(packed));
    assert_eq!(text(&blocks), b"");
    assert!(error.unwrap().hint_text().unwrap().contains("xz -dc FILE"));
}

#[test]
fn blocks_before_the_damage_precede_the_error() {
    let lines: String = (0..50_000u64).map(|n| format!("{{\"n\":{}}}\n", n * n * 7919 % 1_000_003)).collect();
    let bytes = lines.as_bytes();
    for packed in [gzip(bytes), zstd(bytes), xz(bytes), bzip2(bytes)] {
        let cut = packed[..packed.len() - packed.len() / 10].to_vec();
        let (blocks, error) = drain(&mut reader(cut).with_block_size(10_000));
        let read = text(&blocks);
        assert!(lines.as_bytes().starts_with(&read));
        assert!(read.len() > lines.len() / 2, "{} of {}: {error:?}", read.len(), lines.len());
        assert_eq!(error.as_ref().unwrap().kind(), ErrorKind::PartialInput);
        assert!(error.unwrap().to_string().starts_with("cannot read test to its end: "));
        assert!(blocks.last().unwrap().unfinished || read.ends_with(b"\n"));
    }
    // A wrong checksum is detected after the last byte.
    let mut wrong = gzip(lines.as_bytes());
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    let (blocks, error) = drain(&mut reader(wrong));
    assert_eq!(text(&blocks), lines.as_bytes());
    assert!(error.is_some());
}

#[test]
fn byte_order_mark_is_skipped_and_counted() {
    for packed in [b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}".to_vec(), gzip(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}")] {
        for size in [1, 1000] {
            let (blocks, _) = drain(&mut reader(packed.clone()).with_block_size(size));
            assert_eq!(text(&blocks), b"{}\n\xef\xbb\xbf{}");
            assert_eq!((blocks[0].offset, blocks.last().unwrap().end), (3, 11));
        }
    }
    assert!(drain(&mut reader(b"\xef\xbb\xbf".to_vec())).0.is_empty());
    assert_eq!(text(&drain(&mut reader(b"\xef\xbb".to_vec())).0), b"\xef\xbb");
    assert!(drain(&mut reader(b"".to_vec())).0.is_empty());
}

#[test]
fn utf16_is_read_as_utf8() {
    let line = "{\"city\":\"K\u{f6}ln \u{1f600}\"}\n".repeat(5000);
    let units = |mark: &str| format!("{mark}{line}").encode_utf16().collect::<Vec<u16>>();
    let little: Vec<u8> = units("\u{feff}").into_iter().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units("").into_iter().flat_map(u16::to_be_bytes).collect();
    for bytes in [little.clone(), big.clone(), gzip(&little), xz(&big)] {
        for size in [1, 1000, 1 << 20] {
            let (blocks, error) = drain(&mut reader(bytes.clone()).with_block_size(size));
            assert!(text(&blocks) == line.as_bytes() && error.is_none(), "{size}");
        }
    }
    // A position in the text is not a position in the file, so the file cannot be resumed.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, &little).unwrap();
    let mut reader = BlockReader::open(&Input::File(path)).unwrap();
    drain(&mut reader);
    assert!(!reader.is_plain_file());
    assert_eq!((reader.consumed(), reader.digest()), (little.len() as u64, hash_of(&little).digest()));
}

/// A source of many equal bytes, followed by `tail`.
struct Long {
    left: u64,
    tail: io::Cursor<Vec<u8>>,
}

impl Read for Long {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.tail.read(buffer);
        }
        let some = buffer.len().min(self.left as usize);
        buffer[..some].fill(b'x');
        self.left -= some as u64;
        Ok(some)
    }
}

#[test]
fn overlong_line_is_hashed_and_its_neighbours_are_read() {
    let length = 64u64 << 20;
    let source = io::Cursor::new(b"{}\n".to_vec())
        .chain(Long { left: length, tail: io::Cursor::new(b"\r\n{\"a\":1}\n".to_vec()) });
    let mut reader = BlockReader::from_source("long", Box::new(source)).unwrap();
    let (blocks, error) = drain(&mut reader);
    assert!(error.is_none());
    assert!(blocks.iter().all(|b| b.bytes.capacity() < 16 << 20));
    let mut hash = Sha256::new();
    (0..64).for_each(|_| hash.update(vec![b'x'; 1 << 20]));
    let overlong: Vec<&OverlongLine> = blocks.iter().flat_map(|block| &block.overlong).collect();
    let [OverlongLine { line: 2, length: found, sha256, head }] = overlong[..] else { panic!() };
    assert_eq!((*found, sha256), (length, &<[u8; 32]>::from(hash.finalize())));
    assert_eq!(head, &vec![b'x'; 64 << 10]);
    let last = blocks.last().unwrap();
    assert_eq!((last.first_line, &*last.bytes), (3, &b"{\"a\":1}\n"[..]));
    assert_eq!((last.offset, last.end), (3 + length + 2, 3 + length + 2 + 8));

    let enricher = Enricher::new(None).unwrap();
    let parsed: Vec<_> = blocks.into_iter().map(|block| parse(block, &options(), &enricher)).collect();
    let rejected: Vec<_> = parsed
        .iter()
        .flat_map(|parsed| &parsed.rejected)
        .map(|rejected| (rejected.line, rejected.reason.name(), rejected.length))
        .collect();
    assert_eq!(rejected, [(1, "no_event_name", 2), (2, "line_too_long", length), (3, "no_event_name", 7)]);
    assert_eq!(parsed.iter().map(|parsed| parsed.read).sum::<u64>(), 3);
}

#[test]
fn line_of_exactly_the_limit_is_read() {
    for end in ["\n", "\r\n", ""] {
        let line = |length: usize| "x".repeat(length) + end + if end.is_empty() { "" } else { "{}\n" };
        let (blocks, _) = drain(&mut reader(line(1 << 20)));
        assert!(blocks.iter().all(|b| b.overlong.is_empty()));
        let (blocks, _) = drain(&mut reader(line((1 << 20) + 1)));
        let long: Vec<_> = blocks.iter().flat_map(|b| &b.overlong).map(|l| (l.line, l.length)).collect();
        assert_eq!(long, [(1, (1 << 20) + 1)]);
    }
}

#[test]
fn only_plain_files_have_unfinished_lines_and_resume() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let content = b"{\"a\":1}\n{\"b\"";
    let plain = write("plain", content);
    let mut reader = BlockReader::open(&Input::File(plain.clone())).unwrap();
    assert!(reader.is_plain_file());
    assert_eq!((reader.compression(), reader.size()), (Compression::Plain, Some(12)));
    let (blocks, _) = drain(&mut reader);
    assert!(blocks[0].unfinished);
    assert_eq!(reader.consumed(), 12);

    let packed = gzip(content);
    let mut compressed = BlockReader::open(&Input::File(write("packed", &packed))).unwrap();
    assert_eq!((compressed.is_plain_file(), compressed.compression()), (false, Compression::Gzip));
    assert!(!drain(&mut compressed).0[0].unfinished);
    assert_eq!(compressed.consumed(), packed.len() as u64);

    // The file has grown and is resumed at the unfinished line.
    write("plain", b"{\"a\":1}\n{\"b\":2}\n");
    let resume = |offset: usize, line| {
        let hash = hash_of(b"{\"a\":1}\n{\"b\":2}\n".get(..offset).unwrap());
        BlockReader::resume(&plain, std::fs::File::open(&plain).unwrap(), line, hash).unwrap()
    };
    let mut reader = resume(8, 2);
    let (blocks, _) = drain(&mut reader);
    assert_eq!(reader.consumed(), 16);
    assert_eq!((blocks[0].first_line, blocks[0].offset, blocks[0].end), (2, 8, 16));
    assert_eq!(blocks[0].bytes, b"{\"b\":2}\n");
    assert!(!blocks[0].unfinished);
    assert!(drain(&mut resume(16, 3)).0.is_empty());
}

#[cfg(unix)]
#[test]
fn rotated_file_is_resumed_by_its_handle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, b"{\"a\":1}\n{\"b\":2}\n").unwrap();
    let opened = std::fs::File::open(&path).unwrap();
    std::fs::rename(&path, folder.path().join("log.1")).unwrap();
    std::fs::write(&path, b"{\"other\":\"and longer\"}\n{\"c\":3}\n").unwrap();
    let mut reader = BlockReader::resume(&path, opened, 2, hash_of(b"{\"a\":1}\n")).unwrap();
    assert_eq!(text(&drain(&mut reader).0), b"{\"b\":2}\n");
    assert_eq!(reader.consumed(), 16);
}

#[test]
fn overlong_unfinished_line_is_left_if_it_may_continue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let enricher = Enricher::new(None).unwrap();
    let content = [b"{}\n".to_vec(), vec![b'x'; (1 << 20) + 7]].concat();
    for (bytes, damaged) in [(content.clone(), false), (gzip(&content), false), (gzip(&content), true)] {
        let bytes = &bytes[..bytes.len() - if damaged { 9 } else { 0 }];
        std::fs::write(&path, bytes).unwrap();
        let (mut blocks, error) = drain(&mut BlockReader::open(&Input::File(path.clone())).unwrap());
        assert_eq!(error.is_some(), damaged);
        let last = blocks.pop().unwrap();
        let left = last.unfinished_overlong;
        if bytes == content || damaged {
            let length = (1 << 20) + 7;
            assert_eq!((left, last.overlong.len()), (Some(UnfinishedLine { line: 2, offset: 3, length }), 0));
            assert_eq!((last.end, last.first_line + last.lines), (3 + length, 2));
        } else {
            // The line cannot continue.
            assert_eq!((left, last.overlong.len()), (None, 1));
        }
        let parsed = parse(last, &options(), &enricher);
        assert_eq!(parsed.unfinished, left);
        assert_eq!(parsed.read, parsed.rejected.len() as u64 + u64::from(left.is_some()));
    }
}

#[test]
fn unreadable_input_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    for (path, says) in [(folder.path().join("missing"), "No such file"), (folder.path().to_owned(), "")] {
        let error = BlockReader::open(&Input::File(path.clone())).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!("cannot read {}", path.display())) && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn gzip_bomb_is_read_in_bounded_memory() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    (0..64).for_each(|_| encoder.write_all(&zeros).unwrap());
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 100_000);
    let (blocks, error) = drain(&mut reader(packed));
    assert!(error.is_none());
    assert!(blocks.iter().all(|b| b.bytes.is_empty()));
    assert_eq!(blocks[0].overlong[0].length, 64 << 20);
}
