//! A column of a row group, encoded: what its pages hold before they are compressed.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/>: a data page begins with the definition
//! levels, which say where there are nulls, and goes on with the values that are there.

use polars_parquet::write::Encoding;

use super::delta::{self, Steps};
use super::rle_hybrid::{self, Hybrid, bits_of};

/// The code of a null.
pub const NULL: u32 = u32::MAX;
/// Texts up to this length, in bytes, are given as the least and the greatest of a column.
const RANGE_LIMIT: usize = 64;

/// A column of a row group.
#[derive(Debug)]
pub struct Chunk {
    /// The distinct values, in plain encoding, and how many they are.
    pub dictionary: Option<(Vec<u8>, usize)>,
    /// Its rows: one page, but where the texts of a column are too long for one.
    pub pages: Vec<Page>,
    /// How the values are encoded.
    pub encoding: Encoding,
    /// The least and the greatest value, in plain encoding.
    pub range: Option<(Vec<u8>, Vec<u8>)>,
}

/// Some rows of a column.
#[derive(Debug)]
pub struct Page {
    /// Levels and values.
    pub data: Vec<u8>,
    /// Rows, nulls among them.
    pub rows: usize,
    /// Rows without a value.
    pub nulls: usize,
}

impl Page {
    /// Begins with the levels; `runs` are of codes, of which [`NULL`] is one.
    fn begin(runs: impl Iterator<Item = (u32, usize)>) -> Page {
        let mut data = vec![0; 4];
        let (mut rows, mut nulls) = (0, 0);
        let mut levels = Hybrid::new(&mut data, 1);
        // Runs of different values are one run of levels.
        let mut run = (true, 0);
        for (code, times) in runs {
            let there = code != NULL;
            rows += times;
            nulls += if there { 0 } else { times };
            if there != run.0 {
                levels.run(u32::from(run.0), run.1);
                run = (there, 0);
            }
            run.1 += times;
        }
        levels.run(u32::from(run.0), run.1);
        levels.finish();
        let length = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&length.to_le_bytes());
        Page { data, rows, nulls }
    }

    /// Makes a page of texts: their lengths, then all of them in one piece.
    fn of_texts<'a>(
        levels: impl Iterator<Item = (u32, usize)>,
        runs: impl Iterator<Item = (u32, usize)> + Clone,
        text: impl Fn(u32) -> &'a str,
    ) -> Page {
        let mut page = Page::begin(levels);
        let runs = runs.filter(|(code, _)| *code != NULL);
        let mut lengths = Vec::with_capacity(page.rows - page.nulls);
        for (code, times) in runs.clone() {
            lengths.extend(std::iter::repeat_n(text(code).len() as i64, times));
        }
        delta::encode(&mut page.data, &lengths, Steps::Alike);
        page.data.reserve_exact(lengths.iter().sum::<i64>() as usize);
        for (code, times) in runs {
            (0..times).for_each(|_| page.data.extend_from_slice(text(code).as_bytes()));
        }
        page
    }
}

impl Chunk {
    fn of(page: Page, encoding: Encoding) -> Chunk {
        Chunk { dictionary: None, pages: vec![page], encoding, range: None }
    }

    /// Makes a column of codes of a dictionary of so many values, which stand in plain encoding one
    /// after the other. Every code that occurs is to be less than their number.
    pub fn of_codes(rows: usize, changes: &Changes, values: Vec<u8>, distinct: usize) -> Chunk {
        let mut page = Page::begin(changes.levels(rows));
        if distinct == 0 {
            return Chunk::of(page, Encoding::Plain);
        }
        let bits = bits_of((distinct - 1) as u32);
        page.data.push(bits as u8);
        rle_hybrid::encode(&mut page.data, bits, changes.runs(rows).filter(|(code, _)| *code != NULL));
        Chunk { dictionary: Some((values, distinct)), ..Chunk::of(page, Encoding::RleDictionary) }
    }

    /// Makes a column of 64-bit numbers that seldom repeat, by runs of codes that say where there is
    /// a number, and the numbers that are there.
    pub fn of_numbers(runs: impl Iterator<Item = (u32, usize)>, there: &[i64], steps: Steps) -> Chunk {
        let mut page = Page::begin(runs);
        let Some((least, greatest)) = there.iter().min().zip(there.iter().max()) else {
            return Chunk::of(page, Encoding::Plain);
        };
        let levels = page.data.len();
        delta::encode(&mut page.data, there, steps);
        let mut encoding = Encoding::DeltaBinaryPacked;
        // Hashes are in no order: between two of them is as much as there is in one.
        if page.data.len() - levels > size_of_val(there) {
            page.data.truncate(levels);
            page.data.extend(there.iter().flat_map(|number| number.to_le_bytes()));
            encoding = Encoding::Plain;
        }
        let range = Some((least.to_le_bytes().into(), greatest.to_le_bytes().into()));
        Chunk { range, ..Chunk::of(page, encoding) }
    }

    /// Makes a column of times; `null` stands for none.
    pub fn of_times(times: &[i64], null: i64, steps: Steps) -> Chunk {
        if !times.contains(&null) {
            return Chunk::of_numbers(std::iter::once((0, times.len())), times, steps);
        }
        let runs = times.iter().map(|time| (if *time == null { NULL } else { 0 }, 1));
        let there: Vec<i64> = times.iter().copied().filter(|time| *time != null).collect();
        Chunk::of_numbers(runs, &there, steps)
    }

    /// Makes a column of texts that seldom repeat, in pages of about so many bytes at most; `written` is how
    /// many all texts have, each as often as it stands there.
    pub fn of_texts(rows: usize, changes: &Changes, distinct: &[&str], written: usize, most: usize) -> Chunk {
        let text = |code: u32| distinct.get(code as usize).copied().unwrap_or("");
        let pages = if written <= most {
            vec![Page::of_texts(changes.levels(rows), changes.runs(rows), text)]
        } else {
            let pages = in_pages(changes.runs(rows), |code| text(code).len(), most).into_iter();
            pages.map(|runs| Page::of_texts(runs.iter().copied(), runs.iter().copied(), text)).collect()
        };
        let encoding = Encoding::DeltaLengthByteArray;
        Chunk { dictionary: None, pages, encoding, range: range_of_texts(distinct) }
    }

    /// Makes a column of UUIDs as text, no two of which are the same.
    pub fn of_uuids(ids: &[u128]) -> Chunk {
        const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;
        let mut page = Page::begin(std::iter::once((0, ids.len())));
        delta::encode(&mut page.data, &vec![LENGTH as i64; ids.len()], Steps::Alike);
        let start = page.data.len();
        page.data.resize(start + LENGTH * ids.len(), 0);
        let text = |id: u128, room: &mut [u8]| {
            uuid::Uuid::from_u128(id).hyphenated().encode_lower(room);
        };
        for (room, id) in page.data[start..].chunks_exact_mut(LENGTH).zip(ids) {
            text(*id, room);
        }
        // Their texts have the order of the numbers.
        let (least, greatest) = (ids.iter().min().copied(), ids.iter().max().copied());
        let of = |id: u128| {
            let mut room = vec![0; LENGTH];
            text(id, &mut room);
            room
        };
        let range = least.zip(greatest).map(|(least, greatest)| (of(least), of(greatest)));
        Chunk { range, ..Chunk::of(page, Encoding::DeltaLengthByteArray) }
    }

    /// Makes a column of truths, none of which is null.
    pub fn of_truths(truths: &[bool]) -> Chunk {
        Chunk::of_some_truths(std::iter::once((0, truths.len())), truths)
    }

    /// Makes a column of truths, by runs of codes that say where there is one, and those that are there.
    pub fn of_some_truths(runs: impl Iterator<Item = (u32, usize)>, there: &[bool]) -> Chunk {
        let mut page = Page::begin(runs);
        let bits = |eight: &[bool]| eight.iter().rev().fold(0u8, |bits, truth| bits << 1 | u8::from(*truth));
        page.data.extend(there.chunks(8).map(bits));
        let (least, greatest) = (there.iter().min(), there.iter().max());
        let range = least.zip(greatest).map(|(a, b)| (vec![u8::from(*a)], vec![u8::from(*b)]));
        Chunk { range, ..Chunk::of(page, Encoding::Plain) }
    }
}

/// Divides runs of texts into pages of at most so many bytes, or of one text that is longer.
fn in_pages(
    runs: impl Iterator<Item = (u32, usize)>,
    length: impl Fn(u32) -> usize,
    most: usize,
) -> Vec<Vec<(u32, usize)>> {
    let mut pages = vec![Vec::new()];
    let mut room = most;
    for (code, times) in runs {
        let (length, mut left) = (length(code), times);
        while left > 0 {
            let fits = room.checked_div(length).unwrap_or(left).min(left);
            let is_empty = pages.last().is_none_or(Vec::is_empty);
            if fits == 0 && !is_empty {
                pages.push(Vec::new());
                room = most;
                continue;
            }
            let fits = fits.max(1);
            if let Some(page) = pages.last_mut() {
                page.push((code, fits));
            }
            room = room.saturating_sub(fits * length);
            left -= fits;
        }
    }
    pages
}

/// Returns the least and the greatest of some texts, unless one of them is long.
pub fn range_of_texts(texts: &[&str]) -> Option<(Vec<u8>, Vec<u8>)> {
    // Most texts lie between two others by their first bytes alone.
    let beginning = |text: &str| match text.as_bytes().first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => text
            .bytes()
            .zip((0..u64::BITS).step_by(8).rev())
            .fold(0, |all, (byte, at)| all | u64::from(byte) << at),
    };
    let (first, rest) = texts.split_first()?;
    let (mut least, mut greatest) = ((beginning(first), *first), (beginning(first), *first));
    for text in rest {
        let text = (beginning(text), *text);
        if text.0 <= least.0 && text < least {
            least = text;
        } else if text.0 >= greatest.0 && text > greatest {
            greatest = text;
        }
    }
    let ((_, least), (_, greatest)) = (least, greatest);
    let short = least.len() <= RANGE_LIMIT && greatest.len() <= RANGE_LIMIT;
    short.then(|| (least.as_bytes().to_vec(), greatest.as_bytes().to_vec()))
}

/// Returns texts in plain encoding: each after its length.
pub fn plain(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 4).sum());
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The codes of a column, as the rows in which they change.
#[derive(Debug, Default)]
pub struct Changes {
    /// Row and code; before the first, all is null.
    at: Vec<(u32, u32)>,
    /// Some of the codes is [`NULL`].
    nulls: bool,
}

impl Changes {
    /// From this row on, which is not before the last one, it is this code.
    #[inline]
    pub fn set(&mut self, row: u32, code: u32) {
        match self.at.last() {
            Some((_, last)) if *last == code => {}
            None if code == NULL => {}
            _ => {
                self.nulls |= code == NULL;
                self.at.push((row, code));
            }
        }
    }

    /// Returns the code of the last row.
    #[inline]
    pub fn last(&self) -> u32 {
        self.at.last().map_or(NULL, |(_, code)| *code)
    }

    /// Returns how many of so many rows are not null.
    pub fn there(&self, rows: usize) -> usize {
        self.levels(rows).filter(|(code, _)| *code != NULL).map(|(_, times)| times).sum()
    }

    /// Returns codes and how often they follow each other, in so many rows.
    pub fn runs(&self, rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
        runs(&self.at, rows)
    }

    /// Returns runs that say where there is a null: one for all rows, where there is none.
    pub fn levels(&self, rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
        let is_full = !self.nulls && self.at.first().is_some_and(|(row, _)| *row == 0);
        let (all, at, rest) =
            if is_full { (Some((0, rows)), &[][..], 0) } else { (None, &self.at[..], rows) };
        all.into_iter().chain(runs(at, rest))
    }
}

fn runs(at: &[(u32, u32)], rows: usize) -> impl Iterator<Item = (u32, usize)> + Clone {
    let first = at.first().map_or(rows, |(row, _)| *row as usize);
    let ends = at.iter().skip(1).map(|(row, _)| *row as usize).chain([rows]);
    let runs = at.iter().zip(ends).map(|(&(row, code), end)| (code, end - row as usize));
    std::iter::once((NULL, first)).chain(runs).filter(|(_, times)| *times > 0)
}
