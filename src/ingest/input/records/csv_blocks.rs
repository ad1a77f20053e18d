//! Reads CSV in blocks of whole rows, which can span lines.
//!
//! A row over the record limit is one broken record, and so is a last row with an unclosed quote.
//! The bytes of such a row are dropped while they are read, so memory stays bounded. A last row
//! without a line end is left unfinished if the file may grow.

use memchr::memchr_iter;

use super::rows::{SkippedRow, whole_rows};
use super::{BrokenReason, BrokenRecord, RECORD_LIMIT};
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BlockReader, RawBlock, UnfinishedLine};
use crate::ingest::input::source_registry::ReadPosition;

/// A block of rows.
#[derive(Debug)]
pub struct RowBlock {
    /// The rows, without the header.
    pub raw: RawBlock,
    /// The skipped record, if any; the block then has no rows.
    pub broken: Vec<BrokenRecord>,
    /// The position after the block.
    pub position: ReadPosition,
}

/// The state of a CSV file that is being read.
#[derive(Debug)]
pub struct CsvBlocks {
    /// Bytes of a row that is not complete, and its line number.
    rest: Vec<u8>,
    line: u64,
    /// Whether the next row is the header.
    header: bool,
    ended: bool,
    /// The maximum size of a row, in bytes.
    limit: usize,
}

impl CsvBlocks {
    /// Starts with the header, at line number `line`.
    pub fn new(line: u64) -> CsvBlocks {
        CsvBlocks { rest: Vec::new(), line, header: true, ended: false, limit: RECORD_LIMIT }
    }

    /// Reads the next block into the memory of `bytes`; `None` at the end of the file.
    ///
    /// # Errors
    /// See [`BlockReader::next_block`].
    pub fn next_block(&mut self, blocks: &mut BlockReader, mut bytes: Vec<u8>) -> Result<Option<RowBlock>> {
        let offset = blocks.position().0 - self.rest.len() as u64;
        bytes.clear();
        bytes.append(&mut std::mem::take(&mut self.rest));
        let (mut end, mut damage, mut unfinished) = (0, None, 0);
        while end == 0 && !(self.ended && bytes.is_empty()) {
            damage = self.read(blocks, &mut bytes).or(damage);
            end = whole_rows(&bytes, false);
            let last = bytes.get(end..).unwrap_or(&[]);
            let is_header = self.header && end == 0;
            let may_continue = (blocks.may_grow() || damage.is_some()) && !is_header;
            if self.ended && may_continue && !last.ends_with(b"\n") && last.len() <= self.limit {
                unfinished = last.len();
                end = bytes.len();
            } else if self.ended && !SkippedRow::is_open(last) {
                end = bytes.len();
            }
            if end == 0 && (self.ended || bytes.len() > self.limit) && !bytes.is_empty() {
                return Ok(Some(self.skip_row(blocks, bytes, offset, damage)));
            }
        }
        if bytes.is_empty() {
            return damage.map_or(Ok(None), Err);
        }
        self.rest = bytes.split_off(end);
        let first_line = self.line;
        self.line += memchr_iter(b'\n', &bytes).count() as u64;
        let mut raw = RawBlock { first_line, offset, ..RawBlock::default() };
        if std::mem::take(&mut self.header) {
            let header = csv_header_end(&bytes);
            raw.offset += header as u64;
            raw.first_line += memchr_iter(b'\n', bytes.get(..header).unwrap_or(&[])).count() as u64;
            bytes.drain(..header);
        }
        if unfinished > 0 {
            bytes.truncate(bytes.len() - unfinished);
            let line = raw.first_line + memchr_iter(b'\n', &bytes).count() as u64;
            let (offset, length) = (raw.offset + bytes.len() as u64, unfinished as u64);
            raw.unfinished_overlong = Some(UnfinishedLine { line, offset, length });
        }
        raw.bytes = bytes;
        Ok(Some(self.block(blocks, raw, Vec::new(), damage)))
    }

    /// Skips the row that begins with `bytes`.
    fn skip_row(
        &mut self,
        blocks: &mut BlockReader,
        mut bytes: Vec<u8>,
        offset: u64,
        mut damage: Option<Error>,
    ) -> RowBlock {
        let mut row = SkippedRow::default();
        loop {
            if let Some(end) = row.push(&bytes) {
                self.rest = bytes.split_off(end);
                break;
            }
            if self.ended {
                break;
            }
            bytes.clear();
            damage = self.read(blocks, &mut bytes).or(damage);
        }
        let line = self.line;
        self.line += row.line_feeds;
        self.header = false;
        let reason = match row.length > self.limit as u64 {
            true => BrokenReason::TooLong,
            false => BrokenReason::OpenQuote,
        };
        let broken = BrokenRecord { line, offset, reason, bytes: row.head, length: row.length };
        let raw = RawBlock { first_line: line, offset, ..RawBlock::default() };
        self.block(blocks, raw, vec![broken], damage)
    }

    /// Appends the next bytes. Returns an error if the file is damaged and ends there.
    fn read(&mut self, blocks: &mut BlockReader, bytes: &mut Vec<u8>) -> Option<Error> {
        if self.ended {
            return None;
        }
        let more = blocks.next_bytes(bytes);
        self.ended = !matches!(more, Ok(true));
        more.err()
    }

    fn block(
        &mut self,
        blocks: &mut BlockReader,
        raw: RawBlock,
        broken: Vec<BrokenRecord>,
        damage: Option<Error>,
    ) -> RowBlock {
        if let Some(error) = damage {
            blocks.fail_with(error);
            self.ended = false;
        }
        let unfinished = raw.unfinished_overlong.map_or(0, |row| row.length);
        let (consumed, lines) = (blocks.position().0 - self.rest.len() as u64 - unfinished, self.line - 1);
        RowBlock { raw, broken, position: ReadPosition { consumed, content: None, lines, plain: false } }
    }
}

/// Returns the length of the header with its line end.
pub(super) fn csv_header_end(bytes: &[u8]) -> usize {
    let mut end = 0;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    if reader.read_byte_record(&mut record).unwrap_or(false) {
        end = reader.position().byte() as usize;
    }
    end.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Broken = (u64, u64, BrokenReason, u64);

    /// Returns the rows of a file and its broken records: line, offset, reason and length.
    fn read(text: &str, block: usize, limit: usize) -> (String, Vec<Broken>, ReadPosition) {
        let source = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let mut blocks = BlockReader::from_source("x.csv", source).unwrap().with_block_size(block);
        let mut csv = CsvBlocks { limit, ..CsvBlocks::new(1) };
        let (mut rows, mut broken, mut position) = (Vec::new(), Vec::new(), ReadPosition::default());
        // The first read has at least 4 KiB, whatever the block size.
        while let Some(found) = csv.next_block(&mut blocks, b"used before".to_vec()).unwrap() {
            assert!(csv.rest.len() <= block.max(4096));
            rows.extend(found.raw.bytes);
            broken.extend(found.broken.iter().map(|b| (b.line, b.offset, b.reason, b.length)));
            position = found.position;
        }
        // After a header or a skipped row, the line feed of its CRLF can remain as a blank line.
        let rows = String::from_utf8(rows).unwrap().replace("\n\n", "\n");
        (rows.trim_start_matches('\n').to_owned(), broken, position)
    }

    #[test]
    fn row_over_the_limit_does_not_affect_later_rows() {
        let header = "a,b\n1,x\n";
        // 2 + 1 + 2000 * 5 + 1 bytes without the line end; 2,000 line feeds inside the quotes.
        let long = format!("2,\"{}\"\r\n", "a,\"\"\n".repeat(2000));
        let text = format!("{header}{long}3,y\n4,\"p\nq\"\n");
        for block in [1, 2, 7, 4096] {
            let (rows, broken, position) = read(&text, block, 5000);
            assert_eq!(rows, "1,x\n3,y\n4,\"p\nq\"\n", "{block}");
            assert_eq!(broken, [(3, 8, BrokenReason::TooLong, 10_004)], "{block}");
            assert_eq!((position.consumed, position.lines), (text.len() as u64, 2 + 2001 + 3), "{block}");
        }
    }

    #[test]
    fn long_rows_in_sequence_are_one_record_each() {
        let long = format!("1,\"{}\"\n", "x\n".repeat(3000));
        let (rows, broken, _) = read(&format!("a,b\n{long}{long}2,y"), 64, 5000);
        assert_eq!(rows, "2,y");
        // Each has 6,004 bytes without its line end, and 3,001 line feeds.
        let expected = [(2, 4, BrokenReason::TooLong, 6004), (3003, 6009, BrokenReason::TooLong, 6004)];
        assert_eq!(broken, expected);
    }

    #[test]
    fn quote_that_never_closes_is_one_record() {
        let text = format!("a,b\n1,x\n2,\"{}", "3,y\n".repeat(3000));
        let (rows, broken, position) = read(&text, 64, 5000);
        assert_eq!(rows, "1,x\n");
        assert_eq!(broken, [(3, 8, BrokenReason::TooLong, 12_003)]);
        assert_eq!((position.consumed, position.lines), (12_011, 3002));
    }

    #[test]
    fn short_row_without_its_closing_quote_is_one_record() {
        for (text, kept) in [("a,b\n1,x\n2,\"open\n3,y\n", "1,x\n"), ("a,b\r\n2,\"open\"\"\n3,y\n", "")] {
            let (rows, broken, position) = read(text, 4096, 5000);
            assert_eq!(rows, kept);
            let start = text.find('2').unwrap();
            let line = if kept.is_empty() { 2 } else { 3 };
            let length = (text.len() - start) as u64;
            assert_eq!(broken, [(line, start as u64, BrokenReason::OpenQuote, length)]);
            assert_eq!(position.consumed, text.len() as u64);
        }
        assert_eq!(read("a,b\n1,\"x\"", 4096, 5000).0, "1,\"x\"");
    }

    #[test]
    fn byte_order_mark_and_utf16_are_read() {
        let text = "a,b\n1,\"é\n\"\n2,y\n";
        let utf16: Vec<u8> =
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [format!("\u{feff}{text}").into_bytes(), utf16] {
            for block in [1, 5, 4096] {
                let mut blocks =
                    BlockReader::from_source("x.csv", Box::new(std::io::Cursor::new(bytes.clone()))).unwrap();
                blocks = blocks.with_block_size(block);
                let (mut csv, mut rows) = (CsvBlocks::new(1), Vec::new());
                while let Some(found) = csv.next_block(&mut blocks, vec![b'x'; 9]).unwrap() {
                    rows.extend(found.raw.bytes);
                }
                assert_eq!(String::from_utf8(rows).unwrap(), "1,\"é\n\"\n2,y\n", "{block}");
            }
        }
    }

    #[test]
    fn header_over_the_limit_is_one_record() {
        let (rows, broken, _) = read(&format!("\"{}\",b\n1,x\n", "a".repeat(9000)), 64, 5000);
        assert_eq!((rows.as_str(), broken), ("1,x\n", vec![(1, 0, BrokenReason::TooLong, 9004)]));
    }
}
