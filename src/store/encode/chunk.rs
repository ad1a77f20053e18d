//! Encoded columns of a row group, before compression.
//!
//! A data page consists of definition levels, which mark the nulls, and of the values that are not
//! null: see <https://parquet.apache.org/docs/file-format/data-pages/>.
//!
//! Rows are given as runs of codes: a code and a number of rows. The code [`NULL`] marks nulls.

use super::delta::{self, DeltaWidth};
use super::rle_hybrid::{self, HybridEncoder, bit_width};

/// The code of a null.
pub const NULL: u32 = u32::MAX;
/// Maximum length in bytes of the minimum and the maximum of a column of text.
const RANGE_LIMIT: usize = 64;

/// Encodings of values, with their numbers in Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The values themselves.
    Plain = 0,
    /// Runs and bit-packed integers, for the definition levels.
    Rle = 3,
    /// Deltas of integers.
    DeltaBinaryPacked = 5,
    /// Deltas of the lengths of strings, then the strings.
    DeltaLengthByteArray = 6,
    /// Runs and bit-packed integers that refer to a dictionary.
    RleDictionary = 8,
}

/// An encoded column of a row group.
#[derive(Debug)]
pub struct Chunk {
    /// The distinct values in plain encoding, and their number.
    pub dictionary: Option<(Vec<u8>, usize)>,
    /// Data pages: one, unless the strings exceed the maximum size of a page.
    pub pages: Vec<Page>,
    /// Encoding of the values.
    pub encoding: Encoding,
    /// Minimum and maximum in plain encoding; `None` if they are unknown or too long.
    pub range: Option<(Vec<u8>, Vec<u8>)>,
}

/// A data page.
#[derive(Debug)]
pub struct Page {
    /// Definition levels and values.
    pub data: Vec<u8>,
    /// Number of rows, including nulls.
    pub rows: usize,
    /// Number of nulls.
    pub nulls: usize,
}

impl Page {
    /// Returns a page with the definition levels of runs of codes, and no values.
    fn with_levels(runs: impl Iterator<Item = (u32, usize)>) -> Page {
        let mut data = vec![0; 4];
        let (mut rows, mut nulls) = (0, 0);
        let mut levels = HybridEncoder::new(&mut data, 1);
        // Adjacent runs of different values are one run of levels.
        let mut run = (true, 0);
        for (code, count) in runs {
            let is_valid = code != NULL;
            rows += count;
            nulls += if is_valid { 0 } else { count };
            if is_valid != run.0 {
                levels.run(u32::from(run.0), run.1);
                run = (is_valid, 0);
            }
            run.1 += count;
        }
        levels.run(u32::from(run.0), run.1);
        levels.finish();
        let length = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&length.to_le_bytes());
        Page { data, rows, nulls }
    }

    /// Returns a page of strings: their lengths, then their concatenation.
    fn from_texts<'a>(
        levels: impl Iterator<Item = (u32, usize)>,
        runs: impl Iterator<Item = (u32, usize)> + Clone,
        text: impl Fn(u32) -> &'a str,
    ) -> Page {
        let mut page = Page::with_levels(levels);
        let runs = runs.filter(|(code, _)| *code != NULL);
        let mut lengths = Vec::with_capacity(page.rows - page.nulls);
        for (code, count) in runs.clone() {
            lengths.extend(std::iter::repeat_n(text(code).len() as i64, count));
        }
        delta::encode(&mut page.data, &lengths, DeltaWidth::PerMiniblock);
        page.data.reserve_exact(lengths.iter().sum::<i64>() as usize);
        for (code, count) in runs {
            (0..count).for_each(|_| page.data.extend_from_slice(text(code).as_bytes()));
        }
        page
    }
}

impl Chunk {
    fn from_page(page: Page, encoding: Encoding) -> Chunk {
        Chunk { dictionary: None, pages: vec![page], encoding, range: None }
    }

    /// Encodes a column with a dictionary of `distinct` values. `values` are the values in plain
    /// encoding. All codes must be less than `distinct`.
    pub fn from_codes(rows: usize, changes: &CodeChanges, values: Vec<u8>, distinct: usize) -> Chunk {
        let mut page = Page::with_levels(changes.levels(rows));
        if distinct == 0 {
            return Chunk::from_page(page, Encoding::Plain);
        }
        let bits = bit_width((distinct - 1) as u32);
        page.data.push(bits as u8);
        rle_hybrid::encode(&mut page.data, bits, changes.runs(rows).filter(|(code, _)| *code != NULL));
        Chunk { dictionary: Some((values, distinct)), ..Chunk::from_page(page, Encoding::RleDictionary) }
    }

    /// Encodes a column of 64-bit integers that seldom repeat, without a dictionary. `runs` mark
    /// the nulls, and `values` are the numbers of all other rows.
    pub fn from_numbers(
        runs: impl Iterator<Item = (u32, usize)>,
        values: &[i64],
        width: DeltaWidth,
    ) -> Chunk {
        let mut page = Page::with_levels(runs);
        let Some((min, max)) = values.iter().min().zip(values.iter().max()) else {
            return Chunk::from_page(page, Encoding::Plain);
        };
        let levels = page.data.len();
        delta::encode(&mut page.data, values, width);
        let mut encoding = Encoding::DeltaBinaryPacked;
        // Deltas of random numbers, such as hashes, are as wide as the numbers.
        if page.data.len() - levels > size_of_val(values) {
            page.data.truncate(levels);
            page.data.extend(values.iter().flat_map(|number| number.to_le_bytes()));
            encoding = Encoding::Plain;
        }
        let range = Some((min.to_le_bytes().into(), max.to_le_bytes().into()));
        Chunk { range, ..Chunk::from_page(page, encoding) }
    }

    /// Encodes a column of times, in which `null` marks nulls.
    pub fn from_times(times: &[i64], null: i64, width: DeltaWidth) -> Chunk {
        if !times.contains(&null) {
            return Chunk::from_numbers(std::iter::once((0, times.len())), times, width);
        }
        let runs = times.iter().map(|time| (if *time == null { NULL } else { 0 }, 1));
        let values: Vec<i64> = times.iter().copied().filter(|time| *time != null).collect();
        Chunk::from_numbers(runs, &values, width)
    }

    /// Encodes a column of strings that seldom repeat, without a dictionary. `total_bytes` is the
    /// length of the strings of all rows, and `page_bytes` the maximum for one page.
    pub fn from_texts(
        rows: usize,
        changes: &CodeChanges,
        distinct: &[&str],
        total_bytes: usize,
        page_bytes: usize,
    ) -> Chunk {
        let text = |code: u32| distinct.get(code as usize).copied().unwrap_or("");
        let pages = if total_bytes <= page_bytes {
            vec![Page::from_texts(changes.levels(rows), changes.runs(rows), text)]
        } else {
            let pages = split_into_pages(changes.runs(rows), |code| text(code).len(), page_bytes).into_iter();
            pages.map(|runs| Page::from_texts(runs.iter().copied(), runs.iter().copied(), text)).collect()
        };
        let encoding = Encoding::DeltaLengthByteArray;
        Chunk { dictionary: None, pages, encoding, range: text_range(distinct) }
    }

    /// Encodes a column of distinct UUIDs as text, without nulls.
    pub fn from_uuids(ids: &[u128]) -> Chunk {
        const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
        let mut page = Page::with_levels(std::iter::once((0, ids.len())));
        delta::encode(&mut page.data, &vec![LENGTH as i64; ids.len()], DeltaWidth::PerMiniblock);
        let start = page.data.len();
        page.data.resize(start + LENGTH * ids.len(), 0);
        let write = |id: u128, out: &mut [u8]| {
            uuid::Uuid::from_u128(id).hyphenated().encode_lower(out);
        };
        for (out, id) in page.data[start..].chunks_exact_mut(LENGTH).zip(ids) {
            write(*id, out);
        }
        // The text form of UUIDs sorts like their numbers.
        let (min, max) = (ids.iter().min().copied(), ids.iter().max().copied());
        let text = |id: u128| {
            let mut text = vec![0; LENGTH];
            write(id, &mut text);
            text
        };
        let range = min.zip(max).map(|(min, max)| (text(min), text(max)));
        Chunk { range, ..Chunk::from_page(page, Encoding::DeltaLengthByteArray) }
    }

    /// Encodes a column of booleans without nulls.
    pub fn from_bools(values: &[bool]) -> Chunk {
        Chunk::from_nullable_bools(std::iter::once((0, values.len())), values)
    }

    /// Encodes a column of booleans. `runs` mark the nulls, and `values` are the booleans of all
    /// other rows.
    pub fn from_nullable_bools(runs: impl Iterator<Item = (u32, usize)>, values: &[bool]) -> Chunk {
        let mut page = Page::with_levels(runs);
        let pack = |eight: &[bool]| eight.iter().rev().fold(0u8, |bits, bit| bits << 1 | u8::from(*bit));
        page.data.extend(values.chunks(8).map(pack));
        let (min, max) = (values.iter().min(), values.iter().max());
        let range = min.zip(max).map(|(min, max)| (vec![u8::from(*min)], vec![u8::from(*max)]));
        Chunk { range, ..Chunk::from_page(page, Encoding::Plain) }
    }
}

/// Splits runs of strings into pages of at most `page_bytes`, or of a single longer string.
fn split_into_pages(
    runs: impl Iterator<Item = (u32, usize)>,
    length: impl Fn(u32) -> usize,
    page_bytes: usize,
) -> Vec<Vec<(u32, usize)>> {
    let mut pages = vec![Vec::new()];
    let mut free = page_bytes;
    for (code, count) in runs {
        let (length, mut remaining) = (length(code), count);
        while remaining > 0 {
            let fits = free.checked_div(length).unwrap_or(remaining).min(remaining);
            let is_empty = pages.last().is_none_or(Vec::is_empty);
            if fits == 0 && !is_empty {
                pages.push(Vec::new());
                free = page_bytes;
                continue;
            }
            let fits = fits.max(1);
            if let Some(page) = pages.last_mut() {
                page.push((code, fits));
            }
            free = free.saturating_sub(fits * length);
            remaining -= fits;
        }
    }
    pages
}

/// Returns the minimum and the maximum of strings; `None` if there are no strings, or one of the
/// two is longer than [`RANGE_LIMIT`].
pub fn text_range(texts: &[&str]) -> Option<(Vec<u8>, Vec<u8>)> {
    // The first eight bytes are enough for most comparisons.
    let prefix = |text: &str| match text.as_bytes().first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => text
            .bytes()
            .zip((0..u64::BITS).step_by(8).rev())
            .fold(0, |prefix, (byte, shift)| prefix | u64::from(byte) << shift),
    };
    let (first, rest) = texts.split_first()?;
    let (mut min, mut max) = ((prefix(first), *first), (prefix(first), *first));
    for text in rest {
        let text = (prefix(text), *text);
        if text.0 <= min.0 && text < min {
            min = text;
        } else if text.0 >= max.0 && text > max {
            max = text;
        }
    }
    let ((_, min), (_, max)) = (min, max);
    let is_short = min.len() <= RANGE_LIMIT && max.len() <= RANGE_LIMIT;
    is_short.then(|| (min.as_bytes().to_vec(), max.as_bytes().to_vec()))
}

/// Returns strings in plain encoding: each preceded by its length.
pub fn plain(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The codes of a column's rows, stored as the rows in which the code changes.
#[derive(Debug, Default)]
pub struct CodeChanges {
    /// Row and code. Rows before the first are null.
    changes: Vec<(u32, u32)>,
    /// Whether any code is [`NULL`].
    has_nulls: bool,
}

impl CodeChanges {
    /// Sets the code of all rows from `row` on. Rows must be in ascending order.
    #[inline]
    pub fn set_from(&mut self, row: u32, code: u32) {
        match self.changes.last() {
            Some((_, last)) if *last == code => {}
            None if code == NULL => {}
            _ => {
                self.has_nulls |= code == NULL;
                self.changes.push((row, code));
            }
        }
    }

    /// Returns the code of the last row.
    #[inline]
    pub fn last(&self) -> u32 {
        self.changes.last().map_or(NULL, |(_, code)| *code)
    }

    /// Replaces each code except [`NULL`].
    pub fn replace_codes(&mut self, new: impl Fn(u32) -> u32) {
        let changes = std::mem::take(self).changes;
        for (row, code) in changes {
            self.set_from(row, if code == NULL { NULL } else { new(code) });
        }
    }

    /// Returns the number of rows that are not null.
    pub fn count_valid(&self, rows: usize) -> usize {
        self.levels(rows).filter(|(code, _)| *code != NULL).map(|(_, count)| count).sum()
    }

    /// Returns the runs of codes of the first `rows` rows.
    pub fn runs(&self, rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
        runs(&self.changes, rows)
    }

    /// Returns runs that mark the nulls: a single run if there are none.
    pub fn levels(&self, rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
        let is_full = !self.has_nulls && self.changes.first().is_some_and(|(row, _)| *row == 0);
        let (all, changes, rest) =
            if is_full { (Some((0, rows)), &[][..], 0) } else { (None, &self.changes[..], rows) };
        all.into_iter().chain(runs(changes, rest))
    }
}

fn runs(changes: &[(u32, u32)], rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
    let first = changes.first().map_or(rows, |(row, _)| *row as usize);
    let ends = changes.iter().skip(1).map(|(row, _)| *row as usize).chain([rows]);
    let runs = changes.iter().zip(ends).map(|(&(row, code), end)| (code, end - row as usize));
    std::iter::once((NULL, first)).chain(runs).filter(|(_, count)| *count > 0)
}
