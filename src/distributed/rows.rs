//! The rows that tasks exchange, in columns for the Arrow C data interface.

/// The kind of a row. Among the rows of one key, stored ones come first. The rows of a report use
/// the same kinds for other contents: see [`ReportContext`](super::ReportContext).
pub mod kind {
    /// A stored event, whose payload is the hash of its content, or a stored session.
    pub const STORED: i32 = 0;
    /// A new event. The payload is the event.
    pub const EVENT: i32 = 1;
    /// A report of a task. The payload is JSON.
    pub const REPORT: i32 = 2;
}

/// Byte strings, concatenated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// The start of each string, and the end of the last one.
    pub offsets: Vec<i32>,
    /// The strings.
    pub bytes: Vec<u8>,
}

impl Default for Binary {
    fn default() -> Binary {
        Binary { offsets: vec![0], bytes: Vec::new() }
    }
}

impl Binary {
    /// Returns a string; empty if there is none.
    pub fn get(&self, row: usize) -> &[u8] {
        let offset = |at: usize| self.offsets.get(at).and_then(|offset| usize::try_from(*offset).ok());
        let range = offset(row).zip(offset(row + 1));
        range.and_then(|(start, end)| self.bytes.get(start..end)).unwrap_or(&[])
    }

    /// Appends a string.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end();
    }

    /// Ends a string whose bytes were appended to `bytes`.
    fn end(&mut self) {
        self.offsets.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }
}

/// Rows, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The [`kind`] of each row.
    pub kinds: Vec<i32>,
    /// The key by which rows are distributed: 16 bytes of a hash.
    pub keys: Binary,
    /// The time of the event. For a stored event, midnight of its date; for a stored session, its
    /// start.
    pub times: Vec<i64>,
    /// Index of the input file, or of the file of a stored session.
    pub files: Vec<i32>,
    /// Position of the event in its file, or the row of a stored session in its file.
    pub positions: Vec<i64>,
    /// The event id, 16 bytes in the order of UUIDs.
    pub ids: Binary,
    /// The payload of each row: see [`kind`].
    pub payloads: Binary,
}

/// One row, without its payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    /// The [`kind`] of the row.
    pub kind: i32,
    /// The key by which rows are distributed.
    pub key: u128,
    /// See [`Rows::times`].
    pub time: i64,
    /// See [`Rows::files`].
    pub file: i32,
    /// See [`Rows::positions`].
    pub position: i64,
    /// The event id.
    pub id: u128,
}

impl Rows {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Returns the size of the payloads in bytes.
    pub fn payload_bytes(&self) -> usize {
        self.payloads.bytes.len()
    }

    /// Appends a row.
    pub fn push(&mut self, head: Head, write_payload: impl FnOnce(&mut Vec<u8>)) {
        self.kinds.push(head.kind);
        self.keys.push(&head.key.to_be_bytes());
        self.times.push(head.time);
        self.files.push(head.file);
        self.positions.push(head.position);
        self.ids.push(&head.id.to_be_bytes());
        write_payload(&mut self.payloads.bytes);
        self.payloads.end();
    }

    /// Appends a report.
    pub fn push_report(&mut self, file: i32, position: i64, json: &[u8]) {
        // Distribute reports evenly, like events.
        let key = xxhash_rust::xxh3::xxh3_128(json);
        let head = Head { kind: kind::REPORT, key, file, position, ..Head::default() };
        self.push(head, |payload| payload.extend_from_slice(json));
    }

    /// Returns a row without its payload.
    pub fn head(&self, row: usize) -> Head {
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u128::from_be_bytes);
        Head {
            kind: self.kinds.get(row).copied().unwrap_or(kind::REPORT),
            key: number(self.keys.get(row)),
            time: self.times.get(row).copied().unwrap_or(0),
            file: self.files.get(row).copied().unwrap_or(0),
            position: self.positions.get(row).copied().unwrap_or(0),
            id: number(self.ids.get(row)),
        }
    }

    /// Returns the payload of a row.
    pub fn payload(&self, row: usize) -> &[u8] {
        self.payloads.get(row)
    }
}

/// The rows of a partition in the order of a sort key.
///
/// Spark sorts the rows, so they are passed on as they arrive. Rows of an engine that does not sort
/// are collected and sorted in memory.
pub struct RowSorter {
    sort_key: fn(&Head) -> SortKey,
    /// Rows to sort; `None` if the engine sorts.
    unsorted: Option<Vec<Rows>>,
}

/// A key by which rows are sorted.
pub type SortKey = (u128, i32, i64, i64, i64, u128);

impl RowSorter {
    /// Creates a sorter.
    pub fn new(is_sorted: bool, sort_key: fn(&Head) -> SortKey) -> RowSorter {
        RowSorter { sort_key, unsorted: (!is_sorted).then(Vec::new) }
    }

    /// Passes rows on, or collects them until [`RowSorter::finish`].
    ///
    /// # Errors
    /// Returns the error of `each`.
    pub fn push<E>(
        &mut self,
        rows: Rows,
        mut each: impl FnMut(Head, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.unsorted {
            Some(unsorted) => unsorted.push(rows),
            None => {
                for row in 0..rows.len() {
                    each(rows.head(row), rows.payload(row))?;
                }
            }
        }
        Ok(())
    }

    /// Passes the collected rows on, in order.
    ///
    /// # Errors
    /// Returns the error of `each`.
    pub fn finish<E>(&mut self, mut each: impl FnMut(Head, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let batches = self.unsorted.take().unwrap_or_default();
        let rows = |(batch, rows): (usize, &Rows)| (0..rows.len()).map(move |row| (batch, row));
        let mut order: Vec<(SortKey, (usize, usize))> = batches
            .iter()
            .enumerate()
            .flat_map(rows)
            .filter_map(|(batch, row)| Some(((self.sort_key)(&batches.get(batch)?.head(row)), (batch, row))))
            .collect();
        order.sort_unstable();
        for (_, (batch, row)) in order {
            let Some(rows) = batches.get(batch) else { continue };
            each(rows.head(row), rows.payload(row))?;
        }
        Ok(())
    }
}
