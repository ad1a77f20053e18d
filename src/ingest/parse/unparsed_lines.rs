//! Lines of a block that the scanner cannot read: too long, or not UTF-8.

use std::collections::VecDeque;
use std::ops::Range;

use memchr::memchr;

use crate::ingest::input::blocks::OverlongLine;

/// The lines of a block that are not in the scanned text. Each is rejected when the line count
/// reaches it, so that rejected lines stay in order.
pub(super) struct UnparsedLines<'a> {
    /// Number of the first line of the block.
    first_line: u64,
    overlong: VecDeque<OverlongLine>,
    /// The lines that are not UTF-8: index in the block and offset in its bytes.
    not_utf8: VecDeque<(u32, u32)>,
    /// The bytes of the block.
    bytes: &'a [u8],
}

/// A line that is not scanned.
pub(super) enum UnparsedLine {
    /// A line over the limit.
    Overlong(OverlongLine),
    /// The range, in the bytes of the block, of a line that is not UTF-8.
    NotUtf8(Range<usize>),
}

impl UnparsedLine {
    /// Returns the length in bytes, with a line feed at the end.
    pub(super) fn length(&self) -> u64 {
        match self {
            UnparsedLine::Overlong(long) => long.length + 1,
            UnparsedLine::NotUtf8(range) => range.len() as u64,
        }
    }
}

impl<'a> UnparsedLines<'a> {
    pub(super) fn new(first_line: u64, overlong: Vec<OverlongLine>, bytes: &'a [u8]) -> UnparsedLines<'a> {
        UnparsedLines { first_line, overlong: overlong.into(), not_utf8: VecDeque::new(), bytes }
    }

    /// Returns the lines that are UTF-8, concatenated, and records the others.
    pub(super) fn split_off_invalid_utf8(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes.len());
        let (mut number, mut start) = (self.first_line, 0);
        let mut overlong = self.overlong.iter().map(|long| long.line).peekable();
        for line in self.bytes.split_inclusive(|b| *b == b'\n') {
            while overlong.next_if_eq(&number).is_some() {
                number += 1;
            }
            match simdutf8::basic::from_utf8(line) {
                Ok(line) => text.push_str(line),
                Err(_) => self.not_utf8.push_back(((number - self.first_line) as u32, start)),
            }
            number += 1;
            start += line.len() as u32;
        }
        text
    }

    /// Removes and returns the line with a number; `None` if that line is in the scanned text.
    #[inline]
    pub(super) fn pop(&mut self, number: u64) -> Option<UnparsedLine> {
        if self.overlong.is_empty() && self.not_utf8.is_empty() {
            return None;
        }
        if self.overlong.front().is_some_and(|long| long.line == number) {
            return self.overlong.pop_front().map(UnparsedLine::Overlong);
        }
        let start = match self.not_utf8.front() {
            Some(&(index, start)) if self.first_line + u64::from(index) == number => start,
            _ => return None,
        };
        self.not_utf8.pop_front();
        let rest = start as usize..self.bytes.len();
        let len = memchr(b'\n', self.bytes.get(rest.clone()).unwrap_or(&[])).map_or(rest.len(), |at| at + 1);
        Some(UnparsedLine::NotUtf8(rest.start..rest.start + len))
    }

    /// Returns the bytes of a line that is not UTF-8, with its line end.
    pub(super) fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or(&[])
    }
}
