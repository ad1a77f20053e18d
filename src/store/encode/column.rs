//! Columns under way: a dictionary that grows with the rows.

use std::hash::Hash;

use hashbrown::{HashMap, HashTable};

use super::chunk::{Changes, Chunk, NULL, plain, range_of_texts};

/// A column of so few rows always has a dictionary.
const FEW: usize = 128;
/// Texts whose codes are known by where they lie.
const RECENT: usize = 256;

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
            table: HashTable::new(),
            // No text lies there.
            recent: vec![((0, 0), NULL); RECENT],
        }
    }
}

impl<'a> TextColumn<'a> {
    /// Adds a row.
    #[inline]
    pub fn push(&mut self, text: Option<&'a str>) {
        self.change(self.rows, text);
        self.rows += 1;
    }

    /// From this row on, which is not before the last one, it is this text.
    #[inline]
    pub fn change(&mut self, row: u32, text: Option<&'a str>) {
        let code = text.map_or(NULL, |text| self.code(text));
        self.changes.set(row, code);
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
            _ => look_up(&mut self.table, &mut self.distinct, text),
        };
        *slot = (place, code);
        code
    }

    /// Ends the column of so many rows: with a dictionary, where texts repeat enough for it to pay.
    pub fn finish(self, rows: usize) -> Chunk {
        let TextColumn { changes, distinct, .. } = self;
        if !pays(distinct.len(), changes.there(rows)) {
            return Chunk::of_texts(rows, &changes, &distinct);
        }
        let range = range_of_texts(&distinct);
        Chunk { range, ..Chunk::of_codes(rows, &changes, plain(&distinct), distinct.len()) }
    }
}

fn look_up<'a>(table: &mut HashTable<(u32, u32)>, distinct: &mut Vec<&'a str>, text: &'a str) -> u32 {
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
    code
}

/// A number that a column can hold.
pub trait Number: Copy + Eq + Ord + Hash {
    /// Returns the number in plain encoding.
    fn plain(self) -> impl AsRef<[u8]>;
    /// Returns a column without a dictionary, where there is such an encoding: of these rows, whose
    /// changes say where there is a number, and of the numbers that are there.
    fn without_dictionary(rows: usize, changes: &Changes, there: &[Self]) -> Option<Chunk>;
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
        Some(Chunk::of_numbers(rows, changes.runs(rows), there))
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
        let range = least.zip(greatest).map(|(least, greatest)| (bytes(least), bytes(greatest)));
        Chunk { range, ..Chunk::of_codes(rows, &changes, plain, distinct.len()) }
    }
}
