//! The part of Thrift's compact protocol that Parquet's footers and page headers use.
//!
//! Specification:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>. Values that
//! are not needed are skipped without parsing them: of fifty columns of a footer, a report needs
//! three.

/// Maximum depth of nested values. Parquet has five levels.
const MAX_DEPTH: u32 = 16;

/// Type of a boolean field that is true. The type is the value: no byte follows.
pub const TRUE: u8 = 1;
/// Type of a boolean field that is false.
pub const FALSE: u8 = 2;
const BYTE: u8 = 3;
/// Type of a 16-bit integer.
pub const I16: u8 = 4;
/// Type of a 32-bit integer.
pub const I32: u8 = 5;
/// Type of a 64-bit integer.
pub const I64: u8 = 6;
const DOUBLE: u8 = 7;
/// Type of a byte string.
pub const BINARY: u8 = 8;
/// Type of a list.
pub const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
/// Type of a structure.
pub const STRUCT: u8 = 12;

/// Reads a sequence of values. All methods return `None` if the bytes are damaged or incomplete.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// A field of a structure. Its value has to be read or skipped next.
#[derive(Clone, Copy)]
pub struct Field {
    /// Number of the field in the definition of the structure.
    pub id: i64,
    kind: u8,
}

impl<'a> Reader<'a> {
    /// Returns a reader of bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// Returns the bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn read_bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, rest) = super::varint(self.bytes)?;
        self.bytes = rest;
        Some(number)
    }

    #[inline]
    fn skip_varint(&mut self) -> Option<()> {
        // At most ten bytes, as in `varint`.
        for _ in 0..10 {
            if self.byte()? < 128 {
                return Some(());
            }
        }
        None
    }

    /// Skips the fields of a structure without computing their numbers.
    fn skip_fields(&mut self, depth: u32) -> Option<()> {
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(());
            }
            if header < 16 {
                self.skip_varint()?;
            }
            self.skip_value(header & 15, depth)?;
        }
    }

    fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(super::zigzag)
    }

    /// Calls `each` for the fields of a structure. `each` must read or skip the value.
    pub fn fields(&mut self, mut each: impl FnMut(&mut Self, Field) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(());
            }
            id = if header < 16 { self.zigzag()? } else { id.checked_add(i64::from(header >> 4))? };
            each(self, Field { id, kind: header & 15 })?;
        }
    }

    /// Reads an integer of 16, 32 or 64 bits.
    pub fn int(&mut self, field: Field) -> Option<i64> {
        if matches!(field.kind, I16..=I64) { self.zigzag() } else { None }
    }

    /// Reads an integer that is a count or a size.
    pub fn count(&mut self, field: Field) -> Option<usize> {
        usize::try_from(self.int(field)?).ok()
    }

    /// Reads a boolean.
    pub fn bool(&mut self, field: Field) -> Option<bool> {
        match field.kind {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// Reads a byte string.
    pub fn binary(&mut self, field: Field) -> Option<&'a [u8]> {
        if field.kind != BINARY {
            return None;
        }
        let length = self.varint()?;
        self.read_bytes(length)
    }

    /// Calls `each` for the fields of the structure that is the value of a field.
    pub fn structure(
        &mut self,
        field: Field,
        each: impl FnMut(&mut Self, Field) -> Option<()>,
    ) -> Option<()> {
        if field.kind == STRUCT { self.fields(each) } else { None }
    }

    /// Calls `each` for the structures of a list, with their indexes. `each` must read or
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
        // A structure takes at least one byte: a wrong count fails at the end of the bytes.
        (0..count).try_for_each(|index| each(self, usize::try_from(index).ok()?))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let header = self.byte()?;
        let count = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        Some((count, header & 15))
    }

    /// Skips the value of a field, and returns its encoding.
    pub fn encoded(&mut self, field: Field) -> Option<&'a [u8]> {
        let before = self.bytes;
        self.skip(field)?;
        before.get(..before.len() - self.bytes.len())
    }

    /// Skips the value of a field.
    pub fn skip(&mut self, field: Field) -> Option<()> {
        self.skip_value(field.kind, 0)
    }

    /// Skips a structure.
    pub fn skip_structure(&mut self) -> Option<()> {
        self.skip_value(STRUCT, 0)
    }

    fn skip_value(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            // The type of a boolean field is its value.
            TRUE | FALSE => Some(()),
            BYTE => self.byte().map(drop),
            I16..=I64 => self.skip_varint(),
            DOUBLE => self.read_bytes(8).map(drop),
            BINARY => {
                let length = self.varint()?;
                self.read_bytes(length).map(drop)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(kind, depth + 1))
            }
            MAP => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 15, depth + 1)
                })
            }
            STRUCT => self.skip_fields(depth + 1),
            _ => None,
        }
    }

    /// Skips an element of a list or map. Unlike a boolean field, a boolean element has a byte.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        if matches!(kind, TRUE | FALSE) { self.byte().map(drop) } else { self.skip_value(kind, depth) }
    }
}
