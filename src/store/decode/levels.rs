//! Where a page has nulls: its definition levels.

use polars_arrow::bitmap::MutableBitmap;

use super::rle_hybrid::{Run, each_run};

/// The nulls of a page.
pub struct Levels {
    /// How many rows have a value.
    pub there: usize,
    /// Which ones do; `None` where all do.
    pub nulls: Option<MutableBitmap>,
}

impl Levels {
    /// Reads the levels of so many rows, and returns what stands behind them; `None` where the bytes make
    /// no sense.
    pub fn read(bytes: &[u8], rows: usize, optional: bool) -> Option<(Levels, &[u8])> {
        if !optional {
            return Some((Levels { there: rows, nulls: None }, bytes));
        }
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (levels, values) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let mut done = 0;
        let mut nulls: Option<MutableBitmap> = None;
        each_run(levels, 1, rows, |run| {
            if nulls.is_none() && matches!(run, Run::Repeated(1, _)) {
                // All are there so far.
            } else {
                let nulls = nulls.get_or_insert_with(|| {
                    let mut nulls = MutableBitmap::with_capacity(rows);
                    nulls.extend_constant(done, true);
                    nulls
                });
                match run {
                    Run::Repeated(level, times) if level < 2 => nulls.extend_constant(times, level == 1),
                    Run::Repeated(..) => return None,
                    Run::Packed(bits, times) => nulls.extend_from_slice(bits, 0, times),
                }
            }
            done += match run {
                Run::Repeated(_, times) | Run::Packed(_, times) => times,
            };
            Some(())
        })?;
        let there = nulls.as_ref().map_or(rows, |nulls| nulls.set_bits());
        Some((Levels { there, nulls: nulls.filter(|_| there < rows) }, values))
    }

    /// Puts values that stand side by side from `start` on to their rows, with the default between.
    pub fn spread<T: Copy + Default>(&self, values: &mut Vec<T>, start: usize) {
        let Some(nulls) = &self.nulls else { return };
        let mut from = values.len();
        values.resize(start + nulls.len(), T::default());
        for row in (0..nulls.len()).rev() {
            if from == start {
                // Only nulls are left, and what was moved is to go.
                values[start..=start + row].fill(T::default());
                break;
            }
            if nulls.get(row) {
                from -= 1;
                values[start + row] = values[from];
            } else {
                values[start + row] = T::default();
            }
        }
    }
}
