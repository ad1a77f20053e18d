//! Thrift's compact protocol, as far as Parquet's footers and page headers need it.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>. What is not asked
//! for is stepped over without being kept: of a footer that describes fifty columns, readers want three.

/// Structures within structures: Parquet has five levels of them.
const DEEPEST: u32 = 16;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Reads values one after the other; `None` where the bytes make no sense or end.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// A field of a structure, whose value is to be read or skipped next.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its number in the structure's definition.
    pub id: i64,
    kind: u8,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of some bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// Returns what has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, rest) = super::varint(self.bytes)?;
        self.bytes = rest;
        Some(number)
    }

    fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(super::zigzag)
    }

    /// Calls `each` for the fields of a structure; it is to read or to skip the value.
    pub fn fields(&mut self, mut each: impl FnMut(&mut Self, Field) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = if head < 16 { self.zigzag()? } else { id.checked_add(i64::from(head >> 4))? };
            each(self, Field { id, kind: head & 15 })?;
        }
    }

    /// Reads an integer of 16, 32 or 64 bits.
    pub fn int(&mut self, field: Field) -> Option<i64> {
        if matches!(field.kind, 4..=6) { self.zigzag() } else { None }
    }

    /// Reads an integer that is a number of things.
    pub fn count(&mut self, field: Field) -> Option<usize> {
        usize::try_from(self.int(field)?).ok()
    }

    /// Reads a truth.
    pub fn truth(&mut self, field: Field) -> Option<bool> {
        match field.kind {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// Reads bytes.
    pub fn binary(&mut self, field: Field) -> Option<&'a [u8]> {
        if field.kind != BINARY {
            return None;
        }
        let length = self.varint()?;
        self.take(length)
    }

    /// Calls `each` for the fields of a structure that is a field's value.
    pub fn structure(
        &mut self,
        field: Field,
        each: impl FnMut(&mut Self, Field) -> Option<()>,
    ) -> Option<()> {
        if field.kind == STRUCT { self.fields(each) } else { None }
    }

    /// Calls `each` for the structures of a list, with their places in it; it is to read or to
    /// [skip](Reader::skip_structure) them.
    pub fn structures(
        &mut self,
        field: Field,
        mut each: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        if field.kind != LIST {
            return None;
        }
        let (count, kind) = self.list()?;
        if kind != STRUCT {
            return None;
        }
        // Each takes a byte at least, so that a wrong count ends with the bytes.
        (0..count).try_for_each(|place| each(self, usize::try_from(place).ok()?))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((count, head & 15))
    }

    /// Steps over the value of a field.
    pub fn skip(&mut self, field: Field) -> Option<()> {
        self.step_over(field.kind, 0)
    }

    /// Steps over a structure.
    pub fn skip_structure(&mut self) -> Option<()> {
        self.step_over(STRUCT, 0)
    }

    fn step_over(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            // The value of a truth stands in its kind.
            TRUE | FALSE => Some(()),
            BYTE => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => {
                let length = self.varint()?;
                self.take(length).map(drop)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.step_over_element(kind, depth + 1))
            }
            MAP => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.step_over_element(kinds >> 4, depth + 1)?;
                    self.step_over_element(kinds & 15, depth + 1)
                })
            }
            STRUCT => self.fields(|reader, field| reader.step_over(field.kind, depth + 1)),
            _ => None,
        }
    }

    /// In lists a truth has a byte of its own: every element takes one at least.
    fn step_over_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        if matches!(kind, TRUE | FALSE) { self.byte().map(drop) } else { self.step_over(kind, depth) }
    }
}
