//! Ids for events whose lines have none.
//!
//! The id is derived from the line's content and its ordinal among identical lines of its file, so
//! that two identical lines of one file are two events, and the same file, a copy, or a longer
//! version of it adds nothing twice.

use std::collections::HashMap;

use crate::event::Row;

/// Counts identical lines of one file. Memory: about 40 bytes a distinct line without an id.
#[derive(Debug, Default)]
pub struct Ordinals {
    seen: HashMap<u128, u32>,
}

impl Ordinals {
    /// Gives the rows, in the order of their lines, their ids.
    pub fn assign(&mut self, rows: &mut [Row]) {
        for row in rows.iter_mut().filter(|row| !row.has_own_id) {
            let ordinal = self.seen.entry(row.id).or_insert(0);
            row.id = derived_id(row.id, *ordinal);
            *ordinal = ordinal.saturating_add(1);
        }
    }
}

/// Returns the id of the n-th (from 0) of identical lines with this hash: a UUID of version 8, the
/// one for ids of one's own making (RFC 9562).
pub fn derived_id(content: u128, ordinal: u32) -> u128 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&content.to_le_bytes());
    bytes[16..].copy_from_slice(&ordinal.to_le_bytes());
    let hash = xxhash_rust::xxh3::xxh3_128(&bytes);
    uuid::Uuid::new_v8(hash.to_be_bytes()).as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(contents: &[u128]) -> Vec<Row> {
        contents.iter().map(|&id| Row { id, ..Row::EMPTY }).collect()
    }

    #[test]
    fn identical_lines_of_one_file_get_different_ids_and_a_copy_gets_the_same() {
        let (mut first, mut copy) = (rows(&[7, 8, 7]), rows(&[7, 8, 7, 7]));
        Ordinals::default().assign(&mut first);
        Ordinals::default().assign(&mut copy);
        let ids = |rows: &[Row]| rows.iter().map(|r| r.id).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&copy)[..3]);
        let distinct: std::collections::HashSet<u128> = ids(&copy).into_iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(uuid::Uuid::from_u128(first[0].id).get_version_num(), 8);
    }

    #[test]
    fn ordinals_go_on_from_block_to_block() {
        let mut whole = rows(&[1, 2, 1, 1, 2]);
        Ordinals::default().assign(&mut whole);
        let mut parts = rows(&[1, 2, 1, 1, 2]);
        let mut ordinals = Ordinals::default();
        let (a, b) = parts.split_at_mut(2);
        ordinals.assign(a);
        ordinals.assign(b);
        assert!(whole.iter().zip(&parts).all(|(w, p)| w.id == p.id));
    }

    #[test]
    fn an_id_of_its_own_is_left_alone() {
        let mut row = [Row { id: 5, has_own_id: true, ..Row::EMPTY }];
        Ordinals::default().assign(&mut row);
        assert_eq!(row[0].id, 5);
    }
}
