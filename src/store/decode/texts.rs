//! Columns of text: views of the decompressed bytes of pages.

use polars_arrow::array::{Array, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;

use super::codes::{Codes, extend_from_codes};
use super::column::PageValues;
use super::delta;
use super::levels::Levels;
use super::page::{DELTA_LENGTH, PLAIN};
use super::selected_rows::SelectedRows;

/// Builds a column of text.
///
/// Invariant: every view refers to UTF-8 text at its offset in its buffer, and no buffer changes
/// after it was added.
#[derive(Default)]
pub struct TextBuilder {
    views: Vec<View>,
    buffers: Vec<Vec<u8>>,
    dictionary: Vec<View>,
}

impl TextBuilder {
    /// Starts a column of about `rows` rows.
    pub fn new(rows: usize) -> TextBuilder {
        TextBuilder { views: Vec::with_capacity(rows), ..TextBuilder::default() }
    }

    /// Starts a row group, which has its own dictionary.
    pub fn start_row_group(&mut self) {
        self.dictionary.clear();
    }

    /// Sets the dictionary of the following pages: `count` strings in plain encoding.
    pub fn set_dictionary(&mut self, bytes: Vec<u8>, count: usize) -> Option<()> {
        self.dictionary.clear();
        // A string takes at least four bytes, for its length.
        self.dictionary.reserve(count.min(bytes.len() / 4));
        let all = PageValues { count, encoding: PLAIN, selected: None };
        add_plain(&mut self.dictionary, &bytes, 0, all, self.buffers.len())?;
        self.buffers.push(bytes);
        Some(())
    }

    /// Adds the rows of a page of dictionary codes.
    pub fn add_codes_page(&mut self, bytes: &[u8], page: PageValues, levels: &Levels) -> Option<()> {
        let start = self.views.len();
        extend_from_codes(&mut self.views, &self.dictionary, bytes, page.count, page.selected)?;
        levels.spread_to_rows(&mut self.views, start);
        Some(())
    }

    /// Adds the rows of a page of strings, and keeps its bytes. The values begin at `start`.
    pub fn add_page(
        &mut self,
        bytes: Vec<u8>,
        start: usize,
        page: PageValues,
        levels: &Levels,
        lengths: &mut Vec<i64>,
    ) -> Option<()> {
        let first = self.views.len();
        match page.encoding {
            PLAIN => add_plain(&mut self.views, &bytes, start, page, self.buffers.len())?,
            DELTA_LENGTH => {
                lengths.clear();
                let values = bytes.get(start..)?;
                let rest = delta::decode(values, page.count, lengths)?;
                let start = bytes.len() - rest.len();
                add_lengths(&mut self.views, &bytes, start, (lengths, page.selected), self.buffers.len())?;
            }
            _ => return None,
        }
        levels.spread_to_rows(&mut self.views, first);
        self.buffers.push(bytes);
        Some(())
    }

    /// Returns the column.
    pub fn finish(self, validity: Option<Bitmap>) -> Box<dyn Array> {
        let total_bytes = self.buffers.iter().map(Vec::len).sum();
        // SAFETY: by the invariant of `TextBuilder`, all views refer to UTF-8 text within their
        // buffers; those of null rows are empty. Checking this takes as long as decoding the
        // column. The tests check it.
        unsafe {
            Utf8ViewArray::new_unchecked(
                ArrowDataType::Utf8View,
                self.views.into(),
                self.buffers.into_iter().map(Into::into).collect(),
                validity,
                None,
                total_bytes,
            )
        }
        .boxed()
    }
}

/// A column of text with a dictionary, whose rows are decoded a few at a time.
pub struct CodedTexts {
    dictionary: Utf8ViewArray,
    codes: Codes,
    validity: Option<Bitmap>,
}

impl CodedTexts {
    /// Creates a column from its dictionary, `count` strings in plain encoding, and from the codes
    /// of its rows. Returns `None` if the dictionary is damaged.
    pub fn new(texts: Vec<u8>, count: usize, codes: Codes, levels: Levels) -> Option<CodedTexts> {
        let mut views = Vec::with_capacity(count.min(texts.len() / 4));
        add_plain(&mut views, &texts, 0, PageValues { count, encoding: PLAIN, selected: None }, 0)?;
        let (total_bytes, buffers) = (texts.len(), [texts.into()].into_iter().collect());
        // SAFETY: `add_plain` has checked that the views refer to UTF-8 text of the only buffer.
        let dictionary = unsafe {
            Utf8ViewArray::new_unchecked(
                ArrowDataType::Utf8View,
                views.into(),
                buffers,
                None,
                None,
                total_bytes,
            )
        };
        Some(CodedTexts { dictionary, codes, validity: levels.validity.map(Into::into) })
    }

    /// Decodes `rows` rows. `start` is the number of rows that were decoded before. Returns `None`
    /// if the codes are damaged.
    pub fn next(&mut self, start: usize, rows: usize) -> Option<Box<dyn Array>> {
        let validity = match &self.validity {
            Some(validity) if validity.len() >= start.checked_add(rows)? => {
                Some(validity.clone().sliced(start, rows)).filter(|validity| validity.unset_bits() > 0)
            }
            Some(_) => return None,
            None => None,
        };
        let valid = rows - validity.as_ref().map_or(0, Bitmap::unset_bits);
        let mut views = Vec::with_capacity(rows);
        self.codes.decode(valid, self.dictionary.views(), &mut views)?;
        let levels = Levels { valid, validity: validity.clone().map(Bitmap::make_mut) };
        levels.spread_to_rows(&mut views, 0);
        let (buffers, total_bytes) =
            (self.dictionary.data_buffers().clone(), self.dictionary.total_buffer_len());
        // SAFETY: all views come from the dictionary, and those of null rows are empty.
        let array = unsafe {
            Utf8ViewArray::new_unchecked(
                ArrowDataType::Utf8View,
                views.into(),
                buffers,
                validity,
                None,
                total_bytes,
            )
        };
        Some(array.boxed())
    }
}

/// Adds views of strings in plain encoding, which begin at `start` in a buffer.
fn add_plain(
    views: &mut Vec<View>,
    bytes: &[u8],
    start: usize,
    page: PageValues,
    buffer: usize,
) -> Option<()> {
    let buffer = u32::try_from(buffer).ok()?;
    // If all bytes are ASCII, including the lengths, no string has to be validated.
    let is_ascii = bytes.get(start..)?.is_ascii();
    let mut at = start;
    let mut selected = page.selected;
    for number in 0..page.count {
        let length = bytes.get(at..)?.first_chunk::<4>()?;
        let from = at + 4;
        at = from.checked_add(u32::from_le_bytes(*length) as usize)?;
        let text = bytes.get(from..at)?;
        if selected.as_mut().is_none_or(|selected| selected.next_is(number)) {
            if !is_ascii && !text.is_ascii() {
                simdutf8::basic::from_utf8(text).ok()?;
            }
            views.push(View::new_from_bytes(text, buffer, u32::try_from(from).ok()?));
        }
    }
    Some(())
}

/// Adds views of concatenated strings, which extend from `start` to the end of a buffer.
fn add_lengths(
    views: &mut Vec<View>,
    bytes: &[u8],
    start: usize,
    (lengths, mut selected): (&[i64], Option<SelectedRows>),
    buffer: usize,
) -> Option<()> {
    let buffer = u32::try_from(buffer).ok()?;
    let all = bytes.get(start..)?;
    let all = if all.is_ascii() { None } else { Some(simdutf8::basic::from_utf8(all).ok()?) };
    let mut from = start;
    for (number, length) in lengths.iter().enumerate() {
        let to = from.checked_add(usize::try_from(*length).ok()?)?;
        // A string must not end within a character.
        if all.is_some_and(|all| !all.is_char_boundary(to - start)) {
            return None;
        }
        if selected.as_mut().is_none_or(|selected| selected.next_is(number)) {
            views.push(View::new_from_bytes(bytes.get(from..to)?, buffer, u32::try_from(from).ok()?));
        }
        from = to;
    }
    (from == bytes.len()).then_some(())
}
