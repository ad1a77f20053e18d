//! The columns of a row group in the order of their table.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::store::columns::Column;
use crate::store::encode::Chunk;

/// Sorts named columns of a row group into the order in which the table defines them.
///
/// # Errors
/// Fails if a column of the table is missing: a defect of the code that encodes the table.
pub fn in_order(definitions: &[Column], columns: Vec<(&str, Chunk)>) -> Result<Vec<Chunk>> {
    let mut columns: HashMap<&str, Chunk> = columns.into_iter().collect();
    let missing = |name: &str| Error::failed(format!("no code fills the column {name:?}"));
    let column = |column: &Column| columns.remove(column.name).ok_or_else(|| missing(column.name));
    definitions.iter().map(column).collect()
}
