//! Finds the boundaries of CSV rows, which can span lines.

use memchr::{memchr, memchr_iter, memchr3, memrchr2};

use crate::ingest::input::blocks::OVERLONG_HEAD;

/// Returns the offset after the last whole row. If `ended` is set, nothing follows, so the last row
/// is complete without a line end.
pub fn whole_rows(bytes: &[u8], ended: bool) -> usize {
    if ended {
        return bytes.len();
    }
    // Only quotes at the beginning of a field matter, so the bytes between quotes are not examined.
    // A line end outside of quoted fields is the end of a row.
    let last_row = |from: usize, to: usize| {
        memrchr2(b'\n', b'\r', bytes.get(from..to).unwrap_or(&[])).map(|at| from + at + 1)
    };
    let (mut end, mut from, mut pos) = (0, 0, 0);
    while let Some(at) = memchr(b'"', bytes.get(pos..).unwrap_or(&[])) {
        let quote = pos + at;
        let begins_field =
            quote == 0 || matches!(bytes.get(quote - 1), Some(b',' | b'\n' | b'\r')) && quote > from;
        if !begins_field {
            pos = quote + 1;
            continue;
        }
        end = last_row(from, quote).unwrap_or(end);
        match after_quoted(bytes, quote + 1) {
            Some(after) => (from, pos) = (after, after),
            None => return end,
        }
    }
    last_row(from, bytes.len()).unwrap_or(end)
}

/// Returns the position after a quoted field, whose text begins at `pos`; `None` if the field has
/// no closing quote. A quote inside the field is doubled.
fn after_quoted(bytes: &[u8], mut pos: usize) -> Option<usize> {
    loop {
        pos += memchr(b'"', bytes.get(pos..)?)? + 1;
        if bytes.get(pos) != Some(&b'"') {
            return Some(pos);
        }
        pos += 1;
    }
}

/// A row that is skipped while it is read.
#[derive(Debug, Default)]
pub struct SkippedRow {
    state: FieldState,
    /// Its first bytes, at most [`OVERLONG_HEAD`].
    pub head: Vec<u8>,
    /// Length in bytes, without the line end.
    pub length: u64,
    /// Number of line feeds, including that of the line end.
    pub line_feeds: u64,
}

/// The position of the next byte in its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FieldState {
    #[default]
    Start,
    Quoted,
    /// After a quote that closes the field, or is the first of a doubled quote.
    AfterQuote,
    Plain,
}

impl SkippedRow {
    /// Returns whether a row ends inside quotes.
    pub fn is_open(bytes: &[u8]) -> bool {
        let mut row = SkippedRow::default();
        row.push(bytes).is_none() && row.state == FieldState::Quoted
    }

    /// Adds bytes. Returns the offset after the line end of the row; `None` if the row continues.
    pub fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut pos = 0;
        while let Some(&byte) = bytes.get(pos) {
            let rest = bytes.get(pos..).unwrap_or(&[]);
            match (self.state, byte) {
                (FieldState::Start | FieldState::AfterQuote, b'"') => {
                    (self.state, pos) = (FieldState::Quoted, pos + 1);
                }
                (FieldState::Start | FieldState::AfterQuote, _) => self.state = FieldState::Plain,
                (FieldState::Quoted, _) => match memchr(b'"', rest) {
                    Some(at) => (self.state, pos) = (FieldState::AfterQuote, pos + at + 1),
                    None => break,
                },
                (FieldState::Plain, _) => {
                    let Some(at) = memchr3(b',', b'\n', b'\r', rest) else { break };
                    let line_end = match rest.get(at..) {
                        Some([b',', ..]) => {
                            (self.state, pos) = (FieldState::Start, pos + at + 1);
                            continue;
                        }
                        Some([b'\r', b'\n', ..]) => 2,
                        _ => 1,
                    };
                    self.add(bytes.get(..pos + at).unwrap_or(bytes));
                    self.line_feeds += u64::from(rest.get(at + line_end - 1) == Some(&b'\n'));
                    return Some(pos + at + line_end);
                }
            }
        }
        self.add(bytes);
        None
    }

    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.line_feeds += memchr_iter(b'\n', bytes).count() as u64;
        let free = OVERLONG_HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..free).unwrap_or(bytes));
    }
}

/// Returns the fields of the first row; `None` if it is not UTF-8.
pub fn first_row(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Some(record.iter().map(str::to_owned).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_feed_in_quotes_does_not_end_a_row() {
        let text = b"a,b\r\n\"x\ny\",\"say \"\"hi\"\"\"\nlast,\"open\n";
        assert_eq!(whole_rows(text, false), text.len() - 11);
        assert_eq!(whole_rows(text, true), text.len());
        assert_eq!(whole_rows(b"a,b", false), 0);
        assert_eq!(whole_rows(b"a\"b,c\nd", false), 6);
    }

    proptest! {
        #[test]
        fn end_of_last_row_agrees_with_a_scan_of_all_fields(text in "[a\",\r\n]{0,24}") {
            // Skips one field at a time.
            let (bytes, mut end, mut pos) = (text.as_bytes(), 0, 0);
            while pos < bytes.len() {
                if bytes[pos] == b'"' {
                    match after_quoted(bytes, pos + 1) {
                        Some(after) => pos = after,
                        None => break,
                    }
                }
                let Some(at) = bytes[pos..].iter().position(|byte| b",\n\r".contains(byte)) else { break };
                pos += at + 1;
                if bytes[pos - 1] != b',' {
                    end = pos;
                }
            }
            prop_assert_eq!(whole_rows(bytes, false), end);
        }

        #[test]
        fn end_of_skipped_row_agrees_with_whole_rows(text in "[a\",\r\n]{0,24}", at in 0usize..24) {
            let bytes = text.as_bytes();
            let first = (1..=bytes.len()).find(|end| whole_rows(&bytes[..*end], false) > 0);
            let mut row = SkippedRow::default();
            let at = at.min(bytes.len());
            let found = row.push(&bytes[..at]).or_else(|| row.push(&bytes[at..]).map(|end| at + end));
            // The line feed of a CRLF is part of the line end only if both were pushed together.
            let feed = |end: &usize| bytes.get(end - 1..=*end) == Some(b"\r\n") && *end != at;
            prop_assert_eq!(found, first.map(|end| end + usize::from(feed(&end))));
        }

        #[test]
        fn rows_of_two_chunks_equal_rows_of_the_whole(text in "[a\",\n]{0,24}", at in 0usize..24) {
            let rows = |bytes: &[u8]| -> Vec<csv::ByteRecord> {
                let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
                reader.into_byte_records().map(Result::unwrap).collect()
            };
            let bytes = text.as_bytes();
            let cut = whole_rows(&bytes[..at.min(bytes.len())], false);
            let fields = |rows: Vec<csv::ByteRecord>| -> Vec<Vec<Vec<u8>>> {
                rows.iter().map(|row| row.iter().map(<[u8]>::to_vec).collect()).collect()
            };
            let parts = [rows(&bytes[..cut]), rows(&bytes[cut..])].concat();
            prop_assert_eq!(fields(parts), fields(rows(bytes)));
        }
    }
}
