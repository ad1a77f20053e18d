//! `wa files`: lists the files of a table.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Globals, Printer};
use crate::error::Result;
use crate::render::text::escape_control;
use crate::store::{Store, columns};

/// List the current Parquet files of a table, one path per line
///
/// Use this list to read the store with other tools. A glob over the folder may also match files of
/// a running or interrupted command.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa files sessions
      list the files of a table
  wa files events | xargs du -ch | tail -1
      show the disk space of all events")]
pub(super) struct Args {
    /// Table
    #[arg(value_enum)]
    table: Table,
}

/// A table, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Table {
    /// One row per event.
    Events,
    /// One row per session.
    Sessions,
    /// One row per chatbot and day.
    DailyStats,
    /// One row per visitor id, with the time of its first event.
    Visitors,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    table: columns::Table,
}

impl Args {
    /// Converts the arguments, which are all valid.
    pub(super) fn validate(self, globals: &Globals) -> Options {
        let table = match self.table {
            Table::Events => columns::Table::Events,
            Table::Sessions => columns::Table::Sessions,
            Table::DailyStats => columns::Table::DailyStats,
            Table::Visitors => columns::Table::Visitors,
        };
        Options { store: globals.store.clone(), table }
    }
}

/// Prints the paths.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be opened or the output cannot be written.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let snapshot = Store::new(&options.store).snapshot()?;
    printer.stream(|out| {
        for file in snapshot.manifest().files(options.table) {
            let path = snapshot.dir().join(&file.path);
            if printer.is_terminal() {
                writeln!(out, "{}", escape_control(&path.to_string_lossy()))?;
            } else {
                // Another program opens the path, so it is written unchanged even if it is not
                // UTF-8.
                out.write_all(path.as_os_str().as_encoded_bytes())?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    })
}
