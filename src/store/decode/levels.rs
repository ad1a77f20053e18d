//! Definition levels, which mark the nulls of a page.

use polars_arrow::bitmap::MutableBitmap;

use super::rle_hybrid::{Run, for_each_run};

/// The definition levels of a page.
pub struct Levels {
    /// Number of rows that are not null.
    pub valid: usize,
    /// The rows that are not null; `None` if none is null.
    pub validity: Option<MutableBitmap>,
}

impl Levels {
    /// Reads the levels of `rows` rows. Returns them and the bytes after them; `None` if the bytes
    /// are damaged.
    pub fn read(bytes: &[u8], rows: usize, is_optional: bool) -> Option<(Levels, &[u8])> {
        if !is_optional {
            return Some((Levels { valid: rows, validity: None }, bytes));
        }
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (levels, values) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let mut done = 0;
        let mut validity: Option<MutableBitmap> = None;
        for_each_run(levels, 1, rows, |run| {
            if validity.is_none() && matches!(run, Run::Repeated(1, _)) {
                // No row so far is null.
            } else {
                let validity = validity.get_or_insert_with(|| {
                    let mut validity = MutableBitmap::with_capacity(rows);
                    validity.extend_constant(done, true);
                    validity
                });
                match run {
                    Run::Repeated(level, count) if level < 2 => validity.extend_constant(count, level == 1),
                    Run::Repeated(..) => return None,
                    Run::Packed(bits, count) => validity.extend_from_slice(bits, 0, count),
                }
            }
            done += match run {
                Run::Repeated(_, count) | Run::Packed(_, count) => count,
            };
            Some(())
        })?;
        let valid = validity.as_ref().map_or(rows, |validity| validity.set_bits());
        Some((Levels { valid, validity: validity.filter(|_| valid < rows) }, values))
    }

    /// Moves the contiguous values that begin at `start` to their rows. Nulls get the default
    /// value.
    pub fn spread_to_rows<T: Copy + Default>(&self, values: &mut Vec<T>, start: usize) {
        let Some(validity) = &self.validity else { return };
        let mut contiguous = values.split_off(start).into_iter();
        values.resize(start + validity.len(), T::default());
        for (value, is_valid) in values[start..].iter_mut().zip(validity.iter()) {
            if is_valid {
                *value = contiguous.next().unwrap_or_default();
            }
        }
    }
}
