//! Splits a stream of JSON values that span lines. The values follow one another, with or without
//! white space or U+001E between them, or are the elements of lists.
//!
//! The splitter tracks only strings and brackets, and uses constant memory in addition to the
//! current value. The scanner validates complete values.

use memchr::memchr2;

use super::{Position, RECORD_LIMIT};
use crate::ingest::input::blocks::OVERLONG_HEAD;
use crate::json::{Scanner, compact};

/// A complete value, without white space between its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitValue<'a> {
    /// The value, or the beginning of a value longer than [`RECORD_LIMIT`].
    pub bytes: &'a [u8],
    /// The length of the whole value in bytes.
    pub length: usize,
    /// Line number at which it begins, from 1.
    pub line: u64,
    /// Offset at which it begins.
    pub offset: u64,
}

/// The tokens that are allowed next between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A value.
    Value,
    /// A value, or the end of the list that was just opened.
    ValueOrEnd,
    /// A comma, or the end of the list.
    CommaOrEnd,
}

/// The state of a stream.
#[derive(Debug)]
pub struct ValueSplitter {
    /// The current value, without white space.
    value: Vec<u8>,
    /// Length of the value in bytes, including bytes that are not kept.
    length: usize,
    /// The position at which the value begins.
    start: Position,
    /// Number of open containers in the value.
    depth: usize,
    in_string: bool,
    /// Whether the last byte of a string was a backslash.
    escaped: bool,
    /// Whether white space precedes the next byte in a container.
    after_space: bool,
    /// Whether the value is a number, `true`, `false` or `null` outside of any container.
    in_scalar: bool,
    /// Whether the value is an element of a top-level list.
    in_list: bool,
    expected: Expected,
    /// Position of the next byte.
    line: u64,
    offset: u64,
}

impl ValueSplitter {
    /// Creates a splitter that starts at a position.
    pub fn new(line: u64, offset: u64) -> ValueSplitter {
        ValueSplitter {
            value: Vec::new(),
            length: 0,
            start: Position { line, offset },
            depth: 0,
            in_string: false,
            escaped: false,
            after_space: false,
            in_scalar: false,
            in_list: false,
            expected: Expected::Value,
            line,
            offset,
        }
    }

    /// Returns the position of the next byte.
    pub fn position(&self) -> Position {
        Position { line: self.line, offset: self.offset }
    }

    /// Returns whether a list is open whose elements are the records.
    pub fn is_in_list(&self) -> bool {
        self.in_list
    }

    /// Returns the position of the current value if it may only lack its end: it is not the element
    /// of a list, and its text so far is the beginning of JSON.
    pub fn incomplete_value(&self) -> Option<Position> {
        let is_open = (self.depth > 0 || self.in_string) && !self.in_list;
        let is_beginning = || {
            let read = serde_json::from_slice::<serde::de::IgnoredAny>(&self.value);
            read.is_err_and(|error| error.is_eof())
        };
        (is_open && self.length <= RECORD_LIMIT && is_beginning()).then_some(self.start)
    }

    /// Reads bytes, and calls `emit` with each complete value.
    ///
    /// # Errors
    /// Returns the position of the value, or of the byte between values, that is not JSON.
    pub fn push(&mut self, bytes: &[u8], emit: &mut dyn FnMut(SplitValue<'_>)) -> Result<(), Position> {
        let mut pos = 0;
        while let Some(&byte) = bytes.get(pos) {
            if self.in_string {
                pos += self.string(bytes.get(pos..).unwrap_or(&[]), emit)?;
                continue;
            }
            if self.in_scalar
                && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1e | b',' | b']' | b'{' | b'[' | b'"')
            {
                self.in_scalar = false;
                self.finish_value(emit)?;
            }
            match byte {
                b'\n' => (self.line, self.after_space) = (self.line + 1, true),
                b' ' | b'\t' | b'\r' => self.after_space = true,
                0x1e if self.depth == 0 => {}
                _ if self.depth > 0 || self.in_scalar => self.within(byte, emit)?,
                _ => self.between(byte)?,
            }
            self.offset += 1;
            pos += 1;
        }
        Ok(())
    }

    /// Handles a byte inside a container or a scalar.
    fn within(&mut self, byte: u8, emit: &mut dyn FnMut(SplitValue<'_>)) -> Result<(), Position> {
        let after_space = std::mem::take(&mut self.after_space);
        if after_space && self.value.last().is_some_and(|last| compact::join(*last, byte)) {
            // Two scalars must not become one.
            self.keep(b" ");
        }
        self.keep(&[byte]);
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.offset += 1;
                    let finished = self.finish_value(emit);
                    self.offset -= 1;
                    return finished;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Handles a byte between values.
    fn between(&mut self, byte: u8) -> Result<(), Position> {
        match (byte, self.expected, self.in_list) {
            (b',', Expected::CommaOrEnd, _) => self.expected = Expected::Value,
            (b']', Expected::CommaOrEnd | Expected::ValueOrEnd, true) => {
                (self.in_list, self.expected) = (false, Expected::Value);
            }
            (b'[', Expected::Value, false) => (self.in_list, self.expected) = (true, Expected::ValueOrEnd),
            (_, Expected::Value | Expected::ValueOrEnd, _) => {
                self.start = self.position();
                self.after_space = false;
                (self.length, self.value) = (0, std::mem::take(&mut self.value));
                self.value.clear();
                self.keep(&[byte]);
                match byte {
                    b'{' | b'[' => self.depth = 1,
                    b'"' => self.in_string = true,
                    b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.in_scalar = true,
                    _ => return Err(self.position()),
                }
            }
            _ => return Err(self.position()),
        }
        Ok(())
    }

    /// Handles bytes within a string; returns their number.
    fn string(&mut self, bytes: &[u8], emit: &mut dyn FnMut(SplitValue<'_>)) -> Result<usize, Position> {
        if std::mem::take(&mut self.escaped) {
            self.keep(bytes.get(..1).unwrap_or(&[]));
            self.offset += 1;
            return Ok(1);
        }
        let found = memchr2(b'"', b'\\', bytes);
        let count = found.map_or(bytes.len(), |at| at + 1);
        let text = bytes.get(..count).unwrap_or(bytes);
        if text.contains(&b'\n') {
            // JSON strings contain no line feed. After this error, it is unknown where the next
            // value begins.
            return Err(self.start);
        }
        self.keep(text);
        self.offset += count as u64;
        if found.is_some() {
            match text.last() {
                Some(b'\\') => self.escaped = true,
                _ => {
                    self.in_string = false;
                    if self.depth == 0 {
                        self.finish_value(emit)?;
                    }
                }
            }
        }
        Ok(count)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if self.length <= RECORD_LIMIT {
            self.value.extend_from_slice(bytes);
        } else if self.value.len() > OVERLONG_HEAD {
            self.value.truncate(OVERLONG_HEAD);
            self.value.shrink_to_fit();
        }
    }

    fn finish_value(&mut self, emit: &mut dyn FnMut(SplitValue<'_>)) -> Result<(), Position> {
        self.expected = if self.in_list { Expected::CommaOrEnd } else { Expected::Value };
        if self.length <= RECORD_LIMIT {
            let end = Scanner::new(&self.value).value(0).map(|value| value.end as usize);
            if end != Some(self.value.len()) {
                return Err(self.start);
            }
        }
        let (bytes, length) = (self.value.as_slice(), self.length);
        emit(SplitValue { bytes, length, line: self.start.line, offset: self.start.offset });
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// Returns the position of the value or list that is not complete.
    pub fn finish(&mut self, emit: &mut dyn FnMut(SplitValue<'_>)) -> Result<(), Position> {
        if std::mem::take(&mut self.in_scalar) {
            self.finish_value(emit)?;
        }
        match (self.depth > 0 || self.in_string, self.in_list) {
            (true, _) => Err(self.start),
            (false, true) => Err(self.position()),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Split = (Vec<(String, u64, u64)>, Result<(), Position>);

    /// Splits a string that arrives in chunks of `chunk` bytes.
    fn split(text: &str, chunk: usize) -> Split {
        let (mut found, mut splitter) = (Vec::new(), ValueSplitter::new(1, 0));
        let mut emit = |value: SplitValue<'_>| {
            found.push((String::from_utf8_lossy(value.bytes).into_owned(), value.line, value.offset));
        };
        let mut result = Ok(());
        for bytes in text.as_bytes().chunks(chunk.max(1)) {
            result = result.and_then(|()| splitter.push(bytes, &mut emit));
        }
        result = result.and_then(|()| splitter.finish(&mut emit));
        (found, result)
    }

    fn texts(text: &str) -> Option<Vec<String>> {
        let (found, result) = split(text, 3);
        result.ok().map(|()| found.into_iter().map(|(text, ..)| text).collect())
    }

    #[test]
    fn values_come_one_after_another_or_in_a_list() {
        assert_eq!(texts("{\"a\":1}{\"b\" : [ 2 ]}\n\n{}").unwrap(), ["{\"a\":1}", "{\"b\":[2]}", "{}"]);
        assert_eq!(
            texts("[\n {\"a\": \"x y\"},\n [1, 2],\n 3 ]\n").unwrap(),
            ["{\"a\":\"x y\"}", "[1,2]", "3"]
        );
        assert_eq!(texts("[1][][2,\"]\"]").unwrap(), ["1", "2", "\"]\""]);
        assert_eq!(texts("\u{1e}{\"a\":1}\n\u{1e}{}\n").unwrap(), ["{\"a\":1}", "{}"]);
        assert_eq!(texts("1 true\"a\\\"\"null").unwrap(), ["1", "true", "\"a\\\"\"", "null"]);
        assert_eq!(texts(" \n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn value_reports_line_and_offset_of_its_start() {
        let (found, _) = split("[\n  {\n\"a\":1},\n\n {}]", 4);
        assert_eq!(found, [("{\"a\":1}".into(), 2, 4), ("{}".into(), 5, 16)]);
    }

    #[test]
    fn first_error_is_named_with_its_position() {
        let at = |line, offset| Err(Position { line, offset });
        assert_eq!(split("{\"a\":1}\n{\"b\" 2}\n{}", 5), (vec![("{\"a\":1}".into(), 1, 0)], at(2, 8)));
        assert_eq!(split("[1\n 2]", 5).1, at(2, 4));
        assert_eq!(split("[1,]", 5).1, at(1, 3));
        assert_eq!(split("{\"a\":1},", 5).1, at(1, 7));
        assert_eq!(split("{\"a\":\"\n\"}", 5).1, at(1, 0));
        assert_eq!(split("\n{\"a\":", 5).1, at(2, 1));
        assert_eq!(split("[1,2", 5).1, at(1, 4));
        assert_eq!(split("hello", 5).1, at(1, 0));
        assert_eq!(split("{]", 5).1, at(1, 0));
        // White space between two scalars is not removed.
        assert_eq!(split("{}\n{\"a\":1\n2}", 1), (vec![("{}".into(), 1, 0)], at(2, 3)));
        assert_eq!(split("[ [tru e] ]", 5).1, at(1, 2));
    }

    #[test]
    fn long_value_is_truncated() {
        let text = format!("{{\"a\":\"{}\"}} {{}}", "x".repeat(RECORD_LIMIT));
        let mut found = Vec::new();
        let mut splitter = ValueSplitter::new(1, 0);
        let mut emit = |value: SplitValue<'_>| found.push((value.bytes.len(), value.length));
        for chunk in text.as_bytes().chunks(1 << 20) {
            splitter.push(chunk, &mut emit).unwrap();
            assert!(splitter.value.capacity() <= 2 * RECORD_LIMIT);
        }
        splitter.finish(&mut emit).unwrap();
        assert_eq!(found, [(OVERLONG_HEAD, RECORD_LIMIT + 8), (2, 2)]);
    }

    proptest! {
        #[test]
        fn chunk_size_does_not_change_the_values(text in r#"[\[\]{},:"1a \n\\]{0,16}"#, chunk in 1usize..5) {
            prop_assert_eq!(split(&text, chunk), split(&text, 1000));
        }

        #[test]
        fn values_agree_with_serde_json(values in proptest::collection::vec("[ a\\]\"]{0,4}", 0..6), list: bool) {
            let written: Vec<String> =
                values.iter().map(|text| serde_json::json!({ "k": [text, {}] }).to_string()).collect();
            let text = if list { format!("[ {} ]", written.join(" ,\n")) } else { written.join("\n") };
            prop_assert_eq!(texts(&text), Some(written));
        }
    }
}
