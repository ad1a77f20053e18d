//! The order of the columns of a row group.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::encode::Chunk;

/// Sorts the named columns of a row group into the order of the table's columns.
///
/// # Errors
/// Fails if a column is missing, which is a bug in the code that encodes the table.
pub(super) fn in_table_order(table: Table, columns: Vec<(&str, Chunk)>) -> Result<Vec<Chunk>> {
    let mut columns: HashMap<&str, Chunk> = columns.into_iter().collect();
    let missing = |name: &str| Error::failed(format!("the column {name:?} is not encoded"));
    let names = table.columns().iter().map(|column| column.name);
    names.map(|name| columns.remove(name).ok_or_else(|| missing(name))).collect()
}
