//! Splits rows of CSV (RFC 4180) without copying their fields.
//!
//! The `csv` crate copies and validates each field, while most fields can be used in place. It is
//! still used for headers and for blocks that are not UTF-8. A test compares the fields of both.

use wide::u8x16;

use crate::ingest::map::row::RowField;
use crate::json::{ByteClass, Span, StructuralBits};

/// The bytes at which a field can end: commas, quotes and line ends.
#[derive(Debug)]
struct FieldEnds;

impl ByteClass for FieldEnds {
    #[inline(always)]
    fn select(bytes: u8x16) -> u8x16 {
        let is = |byte: u8| bytes.cmp_eq(u8x16::splat(byte));
        is(b',') | is(b'"') | is(b'\n') | is(b'\r')
    }
}

/// A field of the current row.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// A part of the text.
    Plain(Span),
    /// A part of [`CsvRow::unescaped`].
    Unescaped { start: usize, end: usize },
}

/// The fields of a row of CSV.
#[derive(Debug)]
pub(super) struct CsvRow<'t> {
    text: &'t str,
    ends: StructuralBits<'t, FieldEnds>,
    fields: Vec<Field>,
    /// The unescaped contents of fields with doubled quotes.
    unescaped: String,
}

impl<'t> CsvRow<'t> {
    /// Creates a row without fields.
    pub(super) fn new(text: &'t str) -> CsvRow<'t> {
        let ends = StructuralBits::new(text.as_bytes());
        CsvRow { text, ends, fields: Vec::new(), unescaped: String::new() }
    }

    /// Reads the row at a position. Returns its position and the position of the row after it;
    /// `None` at the end of the text. Blank lines are skipped.
    pub(super) fn read(&mut self, from: usize) -> Option<(usize, usize)> {
        self.fields.clear();
        self.unescaped.clear();
        let bytes = self.text.as_bytes();
        let byte = |at: usize| bytes.get(at).copied();
        let mut start = from;
        while matches!(byte(start), Some(b'\n' | b'\r')) {
            start += 1;
        }
        byte(start)?;
        let mut pos = start;
        loop {
            pos = match byte(pos) {
                Some(b'"') => self.quoted(pos + 1),
                _ => self.plain(pos),
            };
            match byte(pos) {
                Some(b',') => pos += 1,
                Some(b'\r') if byte(pos + 1) == Some(b'\n') => return Some((start, pos + 2)),
                Some(_) => return Some((start, pos + 1)),
                None => return Some((start, pos)),
            }
        }
    }

    /// Returns the number of fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = RowField<'_>> {
        self.fields.iter().map(|field| match *field {
            Field::Plain(span) => RowField::Span(span),
            Field::Unescaped { start, end } => RowField::Text(self.unescaped.get(start..end).unwrap_or("")),
        })
    }

    /// Adds a field without quotes, and returns its end.
    fn plain(&mut self, start: usize) -> usize {
        let end = self.end_of_plain(start);
        self.add(start, end);
        end
    }

    /// Adds a quoted field, given the position after its opening quote. Returns the position after
    /// the field.
    fn quoted(&mut self, start: usize) -> usize {
        let text = self.text;
        let bytes = text.as_bytes();
        let Some(first) = self.quote(start) else {
            self.add(start, text.len());
            return text.len();
        };
        if matches!(bytes.get(first + 1), None | Some(b',' | b'\n' | b'\r')) {
            self.add(start, first);
            return first + 1;
        }
        // This is a doubled quote, or text after the closing quote, which belongs to the field.
        let from = self.unescaped.len();
        let (mut copied, mut next) = (start, Some(first));
        let end = loop {
            let Some(at) = next else {
                self.unescaped.push_str(text.get(copied..).unwrap_or(""));
                break text.len();
            };
            self.unescaped.push_str(text.get(copied..at).unwrap_or(""));
            if bytes.get(at + 1) != Some(&b'"') {
                let end = self.end_of_plain(at + 1);
                self.unescaped.push_str(text.get(at + 1..end).unwrap_or(""));
                break end;
            }
            self.unescaped.push('"');
            copied = at + 2;
            next = self.quote(copied);
        };
        self.fields.push(Field::Unescaped { start: from, end: self.unescaped.len() });
        end
    }

    fn add(&mut self, start: usize, end: usize) {
        let span = Span { start: start as u32, len: end.saturating_sub(start) as u32 };
        self.fields.push(Field::Plain(span));
    }

    /// Returns the position of the next comma or line end, from a position on; the end of the text
    /// if there is none.
    #[inline]
    fn end_of_plain(&mut self, from: usize) -> usize {
        let mut end = self.ends.next(from);
        while self.text.as_bytes().get(end) == Some(&b'"') {
            end = self.ends.next(end + 1);
        }
        end.min(self.text.len())
    }

    /// Returns the position of the next quote, from a position on.
    #[inline]
    fn quote(&mut self, from: usize) -> Option<usize> {
        let mut at = self.ends.next(from);
        while *self.text.as_bytes().get(at)? != b'"' {
            at = self.ends.next(at + 1);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the rows of a string with their positions.
    fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
        let (mut row, mut pos, mut rows) = (CsvRow::new(text), 0, Vec::new());
        while let Some((start, after)) = row.read(pos) {
            let field = |field: RowField<'_>| match field {
                RowField::Span(span) => span.slice(text).unwrap().to_owned(),
                RowField::Text(text) => text.to_owned(),
                RowField::Missing => unreachable!(),
            };
            rows.push((start, row.fields().map(field).collect()));
            assert_eq!(row.len(), row.fields().count());
            pos = after;
        }
        rows
    }

    #[test]
    fn quotes_and_line_ends_are_read() {
        let text = "a,,c\r\n\n\"x,\ny\",\"say \"\"hi\"\"\",z\n\"open\"more,\"";
        let expected =
            [(0, vec!["a", "", "c"]), (7, vec!["x,\ny", "say \"hi\"", "z"]), (29, vec!["openmore", ""])];
        let found = rows(text);
        for ((start, fields), (found_start, found)) in expected.iter().zip(&found) {
            assert_eq!((start, fields), (found_start, &found.iter().map(String::as_str).collect()));
        }
        assert_eq!(found.len(), expected.len());
    }

    proptest! {
        #[test]
        fn fields_agree_with_the_csv_crate(text in "[aé\",\n\r ]{0,24}|[ab\",]{60,70}[aé\",\n\r ]{0,80}") {
            let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .into_records()
                .map(|row| row.unwrap().iter().map(str::to_owned).collect())
                .collect();
            let found: Vec<Vec<String>> = rows(&text).into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
