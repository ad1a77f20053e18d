//! Columns under way: a dictionary that grows with the rows.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use hashbrown::{HashMap, HashTable};

use super::chunk::{Changes, Chunk, NULL, plain, range_of_texts};
use super::delta::Steps;

/// A column of so few rows always has a dictionary.
const FEW: usize = 128;
/// Texts whose codes are known by where they lie.
const RECENT: usize = 256;
/// Bytes of texts of a page: 4 GiB and more can be the repetitions of one text, and no page can hold 2 GiB.
const PAGE: usize = 64 << 20;
/// Bytes of the largest dictionary, which is one page.
const DICTIONARY: usize = 1 << 30;

/// Tells whether a dictionary pays: where less than three quarters of the values are distinct.
fn pays(distinct: usize, rows: usize) -> bool {
    rows <= FEW || distinct * 4 <= rows * 3
}

/// A column of text.
#[derive(Debug)]
pub struct TextColumn<'a> {
    rows: u32,
    changes: Changes,
    distinct: Vec<&'a str>,
    /// Bytes of the distinct texts.
    held: usize,
    /// The distinct texts by hash: half of it, and the code.
    table: HashTable<(u32, u32)>,
    /// Codes by the place of the text: most texts of a block of events are those of its other rows,
    /// and need not be looked at again.
    recent: Vec<(Place, u32)>,
}

/// Address and length of a text.
type Place = (usize, usize);

impl Default for TextColumn<'_> {
    fn default() -> Self {
        TextColumn {
            rows: 0,
            changes: Changes::default(),
            distinct: Vec::new(),
            held: 0,
            table: HashTable::new(),
            // No text lies there.
            recent: vec![((0, 0), NULL); RECENT],
        }
    }
}

impl<'a> TextColumn<'a> {
    /// Adds a row. Returns how many bytes it adds to the distinct texts.
    #[inline]
    pub fn push(&mut self, text: Option<&'a str>) -> usize {
        self.rows += 1;
        self.change(self.rows - 1, text)
    }

    /// From this row on, which is not before the last one, it is this text. Returns how many bytes it adds
    /// to the distinct texts.
    #[inline]
    pub fn change(&mut self, row: u32, text: Option<&'a str>) -> usize {
        let before = self.held;
        let code = text.map_or(NULL, |text| self.code(text));
        self.changes.set(row, code);
        self.held - before
    }

    #[inline]
    fn code(&mut self, text: &'a str) -> u32 {
        let place = (text.as_ptr() as usize, text.len());
        let slot = (place.0 ^ place.1).wrapping_mul(0x9e37_79b9) >> 7;
        let slot = &mut self.recent[slot % RECENT];
        if slot.0 == place {
            return slot.1;
        }
        let last = self.changes.last();
        let code = match self.distinct.get(last as usize) {
            Some(known) if *known == text => last,
            _ => look_up(&mut self.table, &mut self.distinct, &mut self.held, text),
        };
        *slot = (place, code);
        code
    }

    /// Ends the column of so many rows: with a dictionary, where texts repeat enough for it to pay.
    pub fn finish(self, rows: usize) -> Chunk {
        self.finish_within(rows, PAGE, DICTIONARY)
    }

    /// Like [`TextColumn::finish`], in pages and with a dictionary of at most so many bytes.
    pub(super) fn finish_within(self, rows: usize, page: usize, dictionary: usize) -> Chunk {
        let TextColumn { changes, distinct, held, .. } = self;
        let fits = held + distinct.len() * size_of::<u32>() <= dictionary;
        if !fits || !pays(distinct.len(), changes.there(rows)) {
            let lengths = changes
                .runs(rows)
                .filter_map(|(code, times)| Some(distinct.get(code as usize)?.len() * times));
            let written: usize = lengths.sum();
            // A few long texts can repeat among many short ones that do not.
            if !fits || held > written / 2 {
                return Chunk::of_texts(rows, &changes, &distinct, written, page);
            }
        }
        let range = range_of_texts(&distinct);
        Chunk { range, ..Chunk::of_codes(rows, &changes, plain(&distinct), distinct.len()) }
    }
}

fn look_up<'a>(
    table: &mut HashTable<(u32, u32)>,
    distinct: &mut Vec<&'a str>,
    held: &mut usize,
    text: &'a str,
) -> u32 {
    let half = xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32;
    // The table wants high bits and low ones.
    let whole = |half: u32| u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let same = |&(other, code): &(u32, u32)| other == half && distinct.get(code as usize) == Some(&text);
    if let Some((_, code)) = table.find(whole(half), same) {
        return *code;
    }
    let code = distinct.len() as u32;
    table.insert_unique(whole(half), (half, code), |(half, _)| whole(*half));
    distinct.push(text);
    *held += text.len();
    code
}

/// A number that a column can hold.
pub trait Number: Copy + Eq + Ord + Hash {
    /// Returns the number in plain encoding.
    fn plain(self) -> impl AsRef<[u8]>;
    /// Returns a column without a dictionary, where there is such an encoding: of these rows, whose
    /// changes say where there is a number, and of the numbers that are there.
    fn without_dictionary(rows: usize, changes: &Changes, there: &[Self]) -> Option<Chunk>;
    /// Tells whether it is less than, greater than or the same as any other.
    fn is_in_order(self) -> bool {
        true
    }
}

impl Number for i32 {
    fn plain(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
    fn without_dictionary(_: usize, _: &Changes, _: &[i32]) -> Option<Chunk> {
        None
    }
}

impl Number for i64 {
    fn plain(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
    fn without_dictionary(rows: usize, changes: &Changes, there: &[i64]) -> Option<Chunk> {
        Some(Chunk::of_numbers(changes.levels(rows), there, Steps::Alike))
    }
}

/// A float; any two of the same bits are the same.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl Number for Float {
    fn plain(self) -> impl AsRef<[u8]> {
        self.0.to_le_bytes()
    }
    fn without_dictionary(_: usize, _: &Changes, _: &[Float]) -> Option<Chunk> {
        None
    }
    fn is_in_order(self) -> bool {
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

/// A column of numbers that repeat.
#[derive(Debug)]
pub struct NumberColumn<T> {
    rows: u32,
    changes: Changes,
    distinct: Vec<T>,
    codes: HashMap<T, u32>,
}

impl<T> Default for NumberColumn<T> {
    fn default() -> Self {
        NumberColumn { rows: 0, changes: Changes::default(), distinct: Vec::new(), codes: HashMap::new() }
    }
}

impl<T: Number> NumberColumn<T> {
    /// Adds a row.
    #[inline]
    pub fn push(&mut self, number: Option<T>) {
        self.change(self.rows, number);
        self.rows += 1;
    }

    /// From this row on, which is not before the last one, it is this number.
    #[inline]
    pub fn change(&mut self, row: u32, number: Option<T>) {
        let code = number.map_or(NULL, |number| self.code(number));
        self.changes.set(row, code);
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

    /// Ends the column of so many rows: with a dictionary, where numbers repeat enough for it to pay.
    pub fn finish(self, rows: usize) -> Chunk {
        let NumberColumn { changes, distinct, .. } = self;
        if !pays(distinct.len(), changes.there(rows)) {
            let number = |code: u32| distinct.get(code as usize);
            let runs = changes.runs(rows).filter_map(|(code, times)| Some((number(code)?, times)));
            let there: Vec<T> =
                runs.flat_map(|(number, times)| std::iter::repeat_n(*number, times)).collect();
            if let Some(chunk) = T::without_dictionary(rows, &changes, &there) {
                return chunk;
            }
        }
        let mut plain = Vec::with_capacity(distinct.len() * size_of::<T>());
        distinct.iter().for_each(|number| plain.extend_from_slice(number.plain().as_ref()));
        let (least, greatest) = (distinct.iter().min(), distinct.iter().max());
        let bytes = |number: &T| number.plain().as_ref().to_vec();
        // What has no place in the order comes before all others or after them.
        let range =
            least.zip(greatest).filter(|(least, greatest)| least.is_in_order() && greatest.is_in_order());
        let range = range.map(|(least, greatest)| (bytes(least), bytes(greatest)));
        Chunk { range, ..Chunk::of_codes(rows, &changes, plain, distinct.len()) }
    }
}
