//! The part of Thrift's compact protocol that footers and page headers use.
//!
//! [`decode::thrift`](crate::store::decode::thrift) reads it and names the specification.

use super::delta::zigzag;
use super::varint;
use crate::store::decode::thrift::{BINARY, FALSE, I16, I32, I64, LIST, STRUCT, TRUE};

/// A structure in progress. Fields must be written in ascending order of their numbers.
pub struct Structure<'a> {
    out: &'a mut Vec<u8>,
    /// Number of the last field.
    last: u8,
}

/// Appends a structure. `write` writes its fields.
pub fn structure(out: &mut Vec<u8>, write: impl FnOnce(&mut Structure<'_>)) {
    write(&mut Structure { out, last: 0 });
    out.push(0);
}

/// Appends the header of a list: the number and the type of its elements, which must follow.
pub fn list_header(out: &mut Vec<u8>, count: usize, kind: u8) {
    if count < 15 {
        out.push((count as u8) << 4 | kind);
    } else {
        out.push(15 << 4 | kind);
        varint(out, count as u64);
    }
}

impl Structure<'_> {
    /// Starts a field. Field numbers of Parquet are at most 15 apart.
    fn field(&mut self, id: u8, kind: u8) {
        debug_assert!(self.last < id && id - self.last <= 15, "fields {} and {id}", self.last);
        self.out.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    /// Writes a 16-bit integer.
    pub fn i16(&mut self, id: u8, value: i64) {
        self.field(id, I16);
        zigzag(self.out, value);
    }

    /// Writes a 32-bit integer.
    pub fn i32(&mut self, id: u8, value: i64) {
        self.field(id, I32);
        zigzag(self.out, value);
    }

    /// Writes a 64-bit integer.
    pub fn i64(&mut self, id: u8, value: i64) {
        self.field(id, I64);
        zigzag(self.out, value);
    }

    /// Writes a boolean.
    pub fn bool(&mut self, id: u8, value: bool) {
        self.field(id, if value { TRUE } else { FALSE });
    }

    /// Writes a byte string.
    pub fn binary(&mut self, id: u8, bytes: &[u8]) {
        self.field(id, BINARY);
        varint(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Writes a structure.
    pub fn structure(&mut self, id: u8, write: impl FnOnce(&mut Structure<'_>)) {
        self.field(id, STRUCT);
        structure(self.out, write);
    }

    /// Writes a list of structures.
    pub fn structures<T>(
        &mut self,
        id: u8,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Structure<'_>, T),
    ) {
        self.field(id, LIST);
        list_header(self.out, items.len(), STRUCT);
        items.for_each(|item| structure(self.out, |structure| write(structure, item)));
    }

    /// Writes a list of one byte string.
    pub fn binary_list(&mut self, id: u8, bytes: &[u8]) {
        self.field(id, LIST);
        list_header(self.out, 1, BINARY);
        varint(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Writes a list that is encoded already.
    pub fn encoded_list(&mut self, id: u8, list: &[u8]) {
        self.field(id, LIST);
        self.out.extend_from_slice(list);
    }

    /// Writes a structure that is encoded already.
    pub fn encoded_structure(&mut self, id: u8, structure: &[u8]) {
        self.field(id, STRUCT);
        self.out.extend_from_slice(structure);
    }
}
