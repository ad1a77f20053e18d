//! The lines in the text of a block.
//!
//! Native lines are an exception: the scanner finds the end of an object's line while it reads the
//! object, so [`BlockLines::run`] does not search for the line end first.

use memchr::memchr;

use super::block_parser::BlockLines;

/// A line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextLine {
    /// Line number in the input.
    pub number: u64,
    /// Position in the text at which the line starts.
    pub start: usize,
    /// Position after its text, without carriage returns at the end.
    pub end: usize,
    /// Position of the next line.
    pub next: usize,
}

impl BlockLines<'_, '_> {
    /// Returns the first line at or after a position that is not blank, and counts the blank lines
    /// before it. Rejects the lines before it that are not part of the text.
    #[inline]
    pub(super) fn next_line(&mut self, mut pos: usize) -> Option<TextLine> {
        loop {
            self.reject_unparsed_lines();
            let rest = self.text.as_bytes().get(pos..).filter(|rest| !rest.is_empty())?;
            let number = self.number;
            self.number += 1;
            let len = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let line = rest.get(..len).unwrap_or(rest);
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let returns = text.iter().rev().take_while(|byte| **byte == b'\r').count();
            let (end, next) = (pos + text.len() - returns, pos + len);
            if !line.trim_ascii().is_empty() {
                return Some(TextLine { number, start: pos, end, next });
            }
            self.counts.blank += 1;
            pos = next;
        }
    }
}

/// Returns a line without `\n` or `\r\n`.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
