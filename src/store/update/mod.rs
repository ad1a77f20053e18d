//! What a batch of new events changes in the tables: whole rows are replaced in the files that hold
//! them, and nothing else is touched.
//!
//! [`sessions`] merges pieces of sessions with the stored ones; [`visitors`] moves first sights
//! earlier; [`daily`] works the touched days out again; [`events`] adds the events themselves.
//! [`fold`] keeps the number of files small.

pub mod coverage;
pub mod daily;
pub mod events;
pub mod fold;
pub mod sessions;
pub mod visitors;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::transaction::{NewFile, Transaction};

/// What is made for a partition: its new file, and the files that this one stands for. Making is the
/// work, and needs no transaction: several tables are made side by side.
#[derive(Debug)]
pub struct Made {
    /// The new file; `None` where no row is left.
    pub file: Option<NewFile>,
    /// The files that it replaces.
    pub replaced: Vec<DataFile>,
}

impl Made {
    /// Puts the file into a transaction; returns its path.
    pub fn put(self, table: Table, transaction: &mut Transaction) -> Result<Option<String>> {
        for old in self.replaced {
            transaction.remove(table, &old.path);
        }
        self.file.map(|file| transaction.add(file)).transpose()
    }
}

/// A file that loses rows, and for each of its rows whether it goes.
pub type Losing = (DataFile, Vec<bool>);
