//! Column builders, which collect rows and a dictionary of their values.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use hashbrown::{HashMap, HashTable};

use super::chunk::{Chunk, CodeChanges, NULL, plain, text_range};
use super::delta::DeltaWidth;

/// Columns of up to this number of rows always have a dictionary.
const SMALL_COLUMN: usize = 128;
/// Number of strings whose codes are cached by address.
const CACHE_SIZE: usize = 256;
/// Columns of up to this number of rows have no cache of codes: allocating it would take longer
/// than it saves. A commit that changes thousands of dates writes a hundred thousand small columns.
const UNCACHED_ROWS: u32 = 64;
/// Maximum total length of the strings in a page, in bytes. A page cannot hold 2 GiB, and the
/// repetitions of one string alone can exceed 4 GiB.
pub(super) const PAGE_BYTES: usize = 64 << 20;
/// Maximum size of a dictionary, which is a single page, in bytes.
const DICTIONARY_BYTES: usize = 1 << 30;
/// Number of rows whose strings must all be distinct before the dictionary is no longer searched.
/// If each string occurs twice in a row group, in random order, a sample of this size contains one
/// of them twice with a probability of 98 % or more.
const SAMPLE: usize = 1 << 10;
/// Length in bytes from which strings are always searched in the dictionary. Storing a long string
/// once per row could take far more memory than the rows.
const LONG: usize = 1 << 10;

/// Returns whether a dictionary pays off: at most three quarters of the values are distinct.
fn dictionary_pays_off(distinct: usize, values: usize) -> bool {
    values <= SMALL_COLUMN || distinct * 4 <= values * 3
}

/// A column of text.
#[derive(Debug)]
pub struct TextColumn<'a> {
    rows: u32,
    changes: CodeChanges,
    distinct: Vec<&'a str>,
    /// Total length of the distinct strings in bytes.
    text_bytes: usize,
    /// The codes of the distinct strings, by half of the string's hash.
    table: HashTable<(u32, u32)>,
    /// Codes by the address of the string; empty for the first rows. Rows of one block of events
    /// mostly refer to the same strings in memory, which need not be hashed again.
    cache: Vec<(TextAddress, u32)>,
    /// Whether the first strings were all distinct. Short strings then get a new code without being
    /// searched, so several codes can stand for equal strings.
    is_unsearched: bool,
}

/// Address and length of a string in memory.
type TextAddress = (usize, usize);

impl Default for TextColumn<'_> {
    fn default() -> Self {
        TextColumn {
            rows: 0,
            changes: CodeChanges::default(),
            distinct: Vec::new(),
            text_bytes: 0,
            table: HashTable::new(),
            cache: Vec::new(),
            is_unsearched: false,
        }
    }
}

impl<'a> TextColumn<'a> {
    /// Returns a column of the given codes of distinct strings. No row can be added to it.
    pub(super) fn from_codes(changes: CodeChanges, distinct: Vec<&'a str>) -> TextColumn<'a> {
        let text_bytes = distinct.iter().map(|text| text.len()).sum();
        TextColumn { changes, distinct, text_bytes, ..TextColumn::default() }
    }

    /// Appends a row. Returns the number of bytes that this adds to the distinct strings.
    #[inline]
    pub fn push(&mut self, text: Option<&'a str>) -> usize {
        self.rows += 1;
        self.set_from(self.rows - 1, text)
    }

    /// Sets the string of all rows from `row` on. Rows must be in ascending order. Returns the
    /// number of bytes that this adds to the distinct strings.
    #[inline]
    pub fn set_from(&mut self, row: u32, text: Option<&'a str>) -> usize {
        let before = self.text_bytes;
        let code = text.map_or(NULL, |text| self.code(row, text));
        self.changes.set_from(row, code);
        self.text_bytes - before
    }

    #[inline]
    fn code(&mut self, row: u32, text: &'a str) -> u32 {
        if self.is_unsearched && text.len() < LONG {
            return match self.is_last(text) {
                true => self.changes.last(),
                false => append(&mut self.distinct, &mut self.text_bytes, text),
            };
        }
        let address = (text.as_ptr() as usize, text.len());
        let slot = ((address.0 ^ address.1).wrapping_mul(0x9e37_79b9) >> 7) % CACHE_SIZE;
        let Some(cached) = self.cache.get(slot) else {
            if row >= UNCACHED_ROWS {
                // No string has the address 0.
                self.cache = vec![((0, 0), NULL); CACHE_SIZE];
            }
            return self.code_by_value(row, text);
        };
        if cached.0 == address {
            return cached.1;
        }
        let code = self.code_by_value(row, text);
        self.cache[slot] = (address, code);
        code
    }

    /// Returns whether a string is that of the previous row.
    #[inline]
    fn is_last(&self, text: &str) -> bool {
        self.distinct.get(self.changes.last() as usize).is_some_and(|last| *last == text)
    }

    fn code_by_value(&mut self, row: u32, text: &'a str) -> u32 {
        if self.is_last(text) {
            return self.changes.last();
        }
        let before = self.distinct.len();
        let code = find_or_insert(&mut self.table, &mut self.distinct, &mut self.text_bytes, text);
        if before < self.distinct.len() && self.distinct.len() == SAMPLE {
            self.is_unsearched = self.changes.count_valid(row as usize) + 1 == SAMPLE;
        }
        code
    }

    /// Gives equal strings the same code.
    fn merge_equal_strings(&mut self) {
        let distinct = std::mem::take(&mut self.distinct);
        (self.text_bytes, self.table, self.is_unsearched) = (0, HashTable::new(), false);
        let mut merged =
            |text| find_or_insert(&mut self.table, &mut self.distinct, &mut self.text_bytes, text);
        let codes: Vec<u32> = distinct.into_iter().map(&mut merged).collect();
        self.changes.replace_codes(|code| codes.get(code as usize).copied().unwrap_or(NULL));
    }

    /// Encodes the column, with a dictionary if it pays off.
    pub fn finish(self, rows: usize) -> Chunk {
        self.finish_within(rows, PAGE_BYTES, DICTIONARY_BYTES)
    }

    /// Encodes the column with limits for the bytes of a page and of the dictionary.
    pub(super) fn finish_within(mut self, rows: usize, page_bytes: usize, dictionary_bytes: usize) -> Chunk {
        let TextColumn { changes, distinct, text_bytes, .. } = &self;
        let text_bytes = *text_bytes;
        let fits = text_bytes + distinct.len() * size_of::<u32>() <= dictionary_bytes;
        if !fits || !dictionary_pays_off(distinct.len(), changes.count_valid(rows)) {
            let lengths = changes
                .runs(rows)
                .filter_map(|(code, count)| Some(distinct.get(code as usize)?.len() * count));
            let total_bytes: usize = lengths.sum();
            // A dictionary still pays off if a few long strings repeat among many distinct short
            // ones.
            if !fits || text_bytes > total_bytes / 2 {
                return Chunk::from_texts(rows, changes, distinct, total_bytes, page_bytes);
            }
        }
        if self.is_unsearched {
            // Readers compare the codes of a dictionary instead of its strings.
            self.merge_equal_strings();
        }
        let TextColumn { changes, distinct, .. } = self;
        let range = text_range(&distinct);
        Chunk { range, ..Chunk::from_codes(rows, &changes, plain(&distinct), distinct.len()) }
    }
}

/// Returns the code of a string, which is added if it is new.
fn find_or_insert<'a>(
    table: &mut HashTable<(u32, u32)>,
    distinct: &mut Vec<&'a str>,
    text_bytes: &mut usize,
    text: &'a str,
) -> u32 {
    let half = xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32;
    // The table uses the high and the low bits of a hash, so the 32 bits are spread over 64.
    let spread = |half: u32| u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let is_same = |&(other, code): &(u32, u32)| other == half && distinct.get(code as usize) == Some(&text);
    if let Some((_, code)) = table.find(spread(half), is_same) {
        return *code;
    }
    let code = append(distinct, text_bytes, text);
    table.insert_unique(spread(half), (half, code), |(half, _)| spread(*half));
    code
}

/// Appends a string and returns its code.
#[inline]
fn append<'a>(distinct: &mut Vec<&'a str>, text_bytes: &mut usize, text: &'a str) -> u32 {
    distinct.push(text);
    *text_bytes += text.len();
    distinct.len() as u32 - 1
}

/// A type of numbers that a column can have.
pub trait Number: Copy + Eq + Ord + Hash {
    /// Returns the number in plain encoding.
    fn plain(self) -> impl AsRef<[u8]>;
    /// Encodes a column without a dictionary; `None` if the type has no such encoding. `changes`
    /// mark the nulls, and `values` are the numbers of all other rows.
    fn encode_without_dictionary(rows: usize, changes: &CodeChanges, values: &[Self]) -> Option<Chunk>;
    /// Returns whether the number compares with all others: false for NaN.
    fn is_comparable(self) -> bool {
        true
    }
}

impl Number for i32 {
    fn plain(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
    fn encode_without_dictionary(_: usize, _: &CodeChanges, _: &[i32]) -> Option<Chunk> {
        None
    }
}

impl Number for i64 {
    fn plain(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
    fn encode_without_dictionary(rows: usize, changes: &CodeChanges, values: &[i64]) -> Option<Chunk> {
        Some(Chunk::from_numbers(changes.levels(rows), values, DeltaWidth::PerMiniblock))
    }
}

/// A float that is compared and hashed by its bits.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl Number for Float {
    fn plain(self) -> impl AsRef<[u8]> {
        self.0.to_le_bytes()
    }
    fn encode_without_dictionary(_: usize, _: &CodeChanges, _: &[Float]) -> Option<Chunk> {
        None
    }
    fn is_comparable(self) -> bool {
        !self.0.is_nan()
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Float) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Float) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Float) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A column of numbers.
#[derive(Debug)]
pub struct NumberColumn<T> {
    rows: u32,
    changes: CodeChanges,
    distinct: Vec<T>,
    codes: HashMap<T, u32>,
}

impl<T> Default for NumberColumn<T> {
    fn default() -> Self {
        NumberColumn { rows: 0, changes: CodeChanges::default(), distinct: Vec::new(), codes: HashMap::new() }
    }
}

impl<T: Number> NumberColumn<T> {
    /// Returns a column of the given codes of distinct numbers. No row can be added to it.
    pub(super) fn from_codes(changes: CodeChanges, distinct: Vec<T>) -> NumberColumn<T> {
        NumberColumn { changes, distinct, ..NumberColumn::default() }
    }

    /// Appends a row.
    #[inline]
    pub fn push(&mut self, number: Option<T>) {
        self.set_from(self.rows, number);
        self.rows += 1;
    }

    /// Sets the number of all rows from `row` on. Rows must be in ascending order.
    #[inline]
    pub fn set_from(&mut self, row: u32, number: Option<T>) {
        let code = number.map_or(NULL, |number| self.code(number));
        self.changes.set_from(row, code);
    }

    #[inline]
    fn code(&mut self, number: T) -> u32 {
        let last = self.changes.last();
        if self.distinct.get(last as usize) == Some(&number) {
            return last;
        }
        *self.codes.entry(number).or_insert_with(|| {
            self.distinct.push(number);
            (self.distinct.len() - 1) as u32
        })
    }

    /// Encodes the column, with a dictionary if it pays off.
    pub fn finish(self, rows: usize) -> Chunk {
        let NumberColumn { changes, distinct, .. } = self;
        if !dictionary_pays_off(distinct.len(), changes.count_valid(rows)) {
            let number = |code: u32| distinct.get(code as usize);
            let runs = changes.runs(rows).filter_map(|(code, count)| Some((number(code)?, count)));
            let values: Vec<T> =
                runs.flat_map(|(number, count)| std::iter::repeat_n(*number, count)).collect();
            if let Some(chunk) = T::encode_without_dictionary(rows, &changes, &values) {
                return chunk;
            }
        }
        let mut plain = Vec::with_capacity(distinct.len() * size_of::<T>());
        distinct.iter().for_each(|number| plain.extend_from_slice(number.plain().as_ref()));
        let (min, max) = (distinct.iter().min(), distinct.iter().max());
        let bytes = |number: &T| number.plain().as_ref().to_vec();
        // `Ord` sorts NaN before or after all other numbers: if there is one, it is the minimum or
        // the maximum, and the range is unknown.
        let range = min.zip(max).filter(|(min, max)| min.is_comparable() && max.is_comparable());
        let range = range.map(|(min, max)| (bytes(min), bytes(max)));
        Chunk { range, ..Chunk::from_codes(rows, &changes, plain, distinct.len()) }
    }
}
