//! The values of a column chunk as they are stored, for writers that remove rows.
//!
//! A frame would hold the string of every row. Most columns have a dictionary, and a writer only
//! needs the codes of the rows that remain.

use polars_arrow::bitmap::MutableBitmap;

use super::codes::extend_from_codes;
use super::delta;
use super::levels::Levels;
use super::page::{DELTA, DELTA_LENGTH, DICTIONARY, PLAIN, Page, ReadBuffers};
use crate::store::columns::ColumnType;

/// Minimum size of a dictionary entry in plain encoding, in bytes.
const MIN_ENTRY_BYTES: usize = 4;

/// The values of an optional column in a row group.
pub struct StoredColumn {
    /// The rows that are not null; `None` if none is null.
    pub validity: Option<MutableBitmap>,
    /// The values of these rows.
    pub values: StoredValues,
}

/// Values in the order of their rows, without nulls.
pub enum StoredValues {
    /// All rows are null.
    None,
    /// Codes of a dictionary, each less than `distinct`.
    Codes {
        /// The entries of the dictionary in plain encoding.
        dictionary: Vec<u8>,
        /// Number of entries.
        distinct: usize,
        codes: Vec<u32>,
    },
    /// Concatenated strings.
    Texts {
        bytes: Vec<u8>,
        lengths: Vec<i64>,
    },
    Numbers(Vec<i64>),
    Bools(Vec<bool>),
}

impl StoredColumn {
    /// Reads the bytes of a column chunk with `rows` rows. `uncompressed` is the uncompressed size
    /// of all pages. Returns `None` if the bytes are damaged, have several data pages, or an
    /// encoding that `wa` does not write.
    pub fn read(
        mut bytes: &[u8],
        kind: ColumnType,
        rows: usize,
        is_zstd: bool,
        uncompressed: usize,
    ) -> Option<StoredColumn> {
        ReadBuffers::with(|buffers| {
            let ReadBuffers { decompressor, page: data, .. } = buffers;
            let mut dictionary = (Vec::new(), 0);
            let mut max_bytes = uncompressed;
            let mut page = Page::next(&mut bytes)?;
            if page.is_dictionary {
                page.decompress(is_zstd, max_bytes, decompressor, &mut dictionary.0)?;
                dictionary.1 = page.values;
                max_bytes = max_bytes.checked_sub(dictionary.0.len())?;
                page = Page::next(&mut bytes)?;
            }
            // Only a chunk of long strings has several pages.
            if page.is_dictionary || page.values != rows || !bytes.is_empty() {
                return None;
            }
            page.decompress(is_zstd, max_bytes, decompressor, data)?;
            let (levels, values) = Levels::read(data, rows, true)?;
            let values = match levels.valid {
                0 => StoredValues::None,
                valid => StoredValues::read(values, page.encoding, kind, valid, dictionary)?,
            };
            Some(StoredColumn { validity: levels.validity, values })
        })
    }
}

impl StoredValues {
    fn read(
        bytes: &[u8],
        encoding: i64,
        kind: ColumnType,
        count: usize,
        (dictionary, distinct): (Vec<u8>, usize),
    ) -> Option<StoredValues> {
        let is_text = matches!(kind, ColumnType::Text | ColumnType::Uuid | ColumnType::Json);
        let is_long = matches!(kind, ColumnType::Int64 | ColumnType::Timestamp);
        Some(match encoding {
            _ if DICTIONARY.contains(&encoding) => {
                if distinct > dictionary.len() / MIN_ENTRY_BYTES {
                    return None;
                }
                let all: Vec<u32> = (0..distinct as u32).collect();
                let mut codes = Vec::with_capacity(count);
                extend_from_codes(&mut codes, &all, bytes, count, None)?;
                StoredValues::Codes { dictionary, distinct, codes }
            }
            DELTA_LENGTH if is_text => {
                let mut lengths = Vec::with_capacity(count);
                let bytes = delta::decode(bytes, count, &mut lengths)?.to_vec();
                StoredValues::Texts { bytes, lengths }
            }
            DELTA if is_long => {
                let mut numbers = Vec::with_capacity(count);
                delta::decode(bytes, count, &mut numbers)?;
                StoredValues::Numbers(numbers)
            }
            PLAIN if is_long => {
                let (numbers, _) = bytes.get(..count.checked_mul(size_of::<i64>())?)?.as_chunks();
                StoredValues::Numbers(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
            }
            PLAIN if kind == ColumnType::Bool => {
                let bytes = bytes.get(..count.div_ceil(8))?;
                let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
                StoredValues::Bools((0..count).map(bit).collect())
            }
            _ => return None,
        })
    }
}
