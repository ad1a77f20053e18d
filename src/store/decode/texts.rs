//! Texts: views into the bytes of pages, which stay as they were decompressed.

use polars_arrow::array::{Array, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;

use super::column::add_codes;
use super::delta;
use super::levels::Levels;
use super::page::{DELTA_LENGTH, PLAIN};

/// A column of texts under way.
///
/// What always holds: every view was made of a text in UTF-8 that lies at its offset in the buffer of its
/// number, and no buffer changes once it is there.
#[derive(Default)]
pub struct Texts {
    views: Vec<View>,
    buffers: Vec<Vec<u8>>,
    dictionary: Vec<View>,
}

impl Texts {
    /// Begins a column of so many rows.
    pub fn new(rows: usize) -> Texts {
        Texts { views: Vec::with_capacity(rows), ..Texts::default() }
    }

    /// Begins a row group.
    pub fn begin(&mut self) {
        self.dictionary.clear();
    }

    /// Takes so many texts in plain encoding as the dictionary of the pages that follow.
    pub fn dictionary(&mut self, bytes: Vec<u8>, count: usize) -> Option<()> {
        self.dictionary.clear();
        // Each text has four bytes of length.
        self.dictionary.reserve(count.min(bytes.len() / 4));
        add_plain(&mut self.dictionary, &bytes, 0, count, self.buffers.len())?;
        self.buffers.push(bytes);
        Some(())
    }

    /// Adds the rows of a page of codes.
    pub fn codes(&mut self, bytes: &[u8], levels: &Levels) -> Option<()> {
        let start = self.views.len();
        add_codes(&mut self.views, &self.dictionary, bytes, levels.there)?;
        levels.spread(&mut self.views, start);
        Some(())
    }

    /// Adds the rows of a page whose values begin at a place in its bytes, and keeps the bytes.
    pub fn page(
        &mut self,
        bytes: Vec<u8>,
        start: usize,
        encoding: i64,
        levels: &Levels,
        lengths: &mut Vec<i64>,
    ) -> Option<()> {
        let first = self.views.len();
        match encoding {
            PLAIN => add_plain(&mut self.views, &bytes, start, levels.there, self.buffers.len())?,
            DELTA_LENGTH => {
                lengths.clear();
                let values = bytes.get(start..)?;
                let rest = delta::decode(values, levels.there, lengths)?;
                let start = bytes.len() - rest.len();
                add_lengths(&mut self.views, &bytes, start, lengths, self.buffers.len())?;
            }
            _ => return None,
        }
        levels.spread(&mut self.views, first);
        self.buffers.push(bytes);
        Some(())
    }

    /// Ends the column.
    pub fn finish(self, nulls: Option<Bitmap>) -> Box<dyn Array> {
        let held = self.buffers.iter().map(Vec::len).sum();
        // SAFETY: what always holds of `Texts` is what is asked for: views are of texts in UTF-8 (where a
        // row is null, of the empty one), and within the buffers of their numbers. To have that checked
        // again takes as long as to read the column (`tests::views_are_sound` does it).
        unsafe {
            Utf8ViewArray::new_unchecked(
                ArrowDataType::Utf8View,
                self.views.into(),
                self.buffers.into_iter().map(Into::into).collect(),
                nulls,
                None,
                held,
            )
        }
        .boxed()
    }
}

/// Adds so many texts, each behind its length, from a place in a buffer on.
fn add_plain(views: &mut Vec<View>, bytes: &[u8], start: usize, count: usize, buffer: usize) -> Option<()> {
    let buffer = u32::try_from(buffer).ok()?;
    // Where all is ASCII, lengths among it, no text need be looked at.
    let ascii = bytes.get(start..)?.is_ascii();
    let mut at = start;
    for _ in 0..count {
        let length = bytes.get(at..)?.first_chunk::<4>()?;
        let from = at + 4;
        at = from.checked_add(u32::from_le_bytes(*length) as usize)?;
        let text = bytes.get(from..at)?;
        if !ascii && !text.is_ascii() {
            simdutf8::basic::from_utf8(text).ok()?;
        }
        views.push(View::new_from_bytes(text, buffer, u32::try_from(from).ok()?));
    }
    Some(())
}

/// Adds the texts of these lengths, which stand one after the other from a place in a buffer to its end.
fn add_lengths(
    views: &mut Vec<View>,
    bytes: &[u8],
    start: usize,
    lengths: &[i64],
    buffer: usize,
) -> Option<()> {
    let buffer = u32::try_from(buffer).ok()?;
    let all = bytes.get(start..)?;
    let ascii = all.is_ascii();
    let all = if ascii { None } else { Some(simdutf8::basic::from_utf8(all).ok()?) };
    let mut from = start;
    for length in lengths {
        let to = from.checked_add(usize::try_from(*length).ok()?)?;
        // A text is not to begin or end within a character.
        if all.is_some_and(|all| !all.is_char_boundary(to - start)) {
            return None;
        }
        views.push(View::new_from_bytes(bytes.get(from..to)?, buffer, u32::try_from(from).ok()?));
        from = to;
    }
    (from == bytes.len()).then_some(())
}
