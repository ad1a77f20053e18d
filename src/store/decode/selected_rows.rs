//! Selected rows of a file, so that only their values are decoded.

use polars_arrow::bitmap::Bitmap;

use super::levels::Levels;

/// Selected rows of a file, or of the rest of it, as positions in ascending order.
#[derive(Clone, Copy, Debug)]
pub struct SelectedRows<'r> {
    rows: &'r [u32],
    /// The row of the file from which positions are counted.
    first: usize,
}

impl<'r> SelectedRows<'r> {
    /// Returns the selection of a whole file, given positions in ascending order, each once.
    pub fn new(rows: &'r [u32]) -> SelectedRows<'r> {
        SelectedRows { rows, first: 0 }
    }

    /// Returns the selection of these positions; `None` if they are not in ascending order, or not
    /// in the range of `count` rows.
    pub fn checked(rows: &'r [u32], count: usize) -> Option<SelectedRows<'r>> {
        let is_inside = rows.last().is_none_or(|row| (*row as usize) < count);
        (is_inside && rows.is_sorted_by(|a, b| a < b)).then(|| SelectedRows::new(rows))
    }

    /// Returns the number of selected rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether no row is selected.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Iterates over the positions, counted from `first`.
    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = usize> + Clone + 'r {
        self.rows.iter().map(move |row| (*row as usize).wrapping_sub(self.first))
    }

    /// Returns whether the next selected row has this position, and removes it if it does.
    #[inline]
    pub fn next_is(&mut self, position: usize) -> bool {
        match self.rows.split_first() {
            Some((row, rest)) if *row as usize == self.first + position => {
                self.rows = rest;
                true
            }
            _ => false,
        }
    }

    /// Splits off the selection of the next `count` rows of the file.
    pub fn split_off(&mut self, count: usize) -> SelectedRows<'r> {
        let end = self.first.saturating_add(count);
        // At most `count` rows are before the end.
        let possible = self.rows.get(..count).unwrap_or(self.rows);
        let (part, rest) = self.rows.split_at(possible.partition_point(|row| (*row as usize) < end));
        let part = SelectedRows { rows: part, first: self.first };
        *self = SelectedRows { rows: rest, first: end };
        part
    }
}

impl Levels {
    /// Selects rows of a page. Returns their levels, and the positions of their values among the
    /// values of the page. `positions` is the buffer for these positions.
    pub fn select<'a>(
        &self,
        rows: SelectedRows<'a>,
        positions: &'a mut Vec<u32>,
    ) -> (Levels, SelectedRows<'a>) {
        let Some(validity) = &self.validity else {
            return (Levels { valid: rows.len(), validity: None }, rows);
        };
        let selected: Bitmap = rows.iter().map(|row| validity.get(row)).collect();
        let bytes = validity.as_slice();
        // The number of values before byte `at`.
        let (mut at, mut before) = (0, 0);
        positions.clear();
        positions.reserve(rows.len());
        for row in rows.iter() {
            while at < row / 8 {
                before += bytes[at].count_ones();
                at += 1;
            }
            if bytes[at] >> (row % 8) & 1 == 1 {
                positions.push(before + (bytes[at] & ((1 << (row % 8)) - 1)).count_ones());
            }
        }
        let valid = positions.len();
        let validity = (valid < rows.len()).then(|| selected.make_mut());
        (Levels { valid, validity }, SelectedRows::new(positions))
    }
}
