//! `wa files`: list the files of a table.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Globals, Printer};
use crate::error::Result;
use crate::render::text::escape_control;
use crate::store::{Store, columns};

/// List the Parquet files that hold a table now, one path a line
///
/// For other tools that read while a writer is at work: a glob over the folder is exact only when
/// none is, and the last one ended cleanly.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa files sessions
      the paths, one a line
  wa files events | xargs du -ch | tail -1
      how much disk space the events take")]
pub struct Args {
    /// The table
    #[arg(value_enum)]
    table: Table,
}

/// A table, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Table {
    /// One row per event.
    Events,
    /// One row per session.
    Sessions,
    /// One row per chatbot and day.
    DailyStats,
    /// The first-seen index.
    Visitors,
}

/// What the list needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The table.
    pub table: columns::Table,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// None: there is nothing in them that could make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let table = match self.table {
            Table::Events => columns::Table::Events,
            Table::Sessions => columns::Table::Sessions,
            Table::DailyStats => columns::Table::DailyStats,
            Table::Visitors => columns::Table::Visitors,
        };
        Ok(Options { store: globals.store.clone(), table })
    }
}

/// Prints the paths.
///
/// # Errors
/// What opening the store returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let snapshot = Store::new(&options.store).snapshot()?;
    printer.stream(|out| {
        for file in snapshot.manifest().files(options.table) {
            let path = snapshot.dir().join(&file.path);
            if printer.is_terminal() {
                writeln!(out, "{}", escape_control(&path.to_string_lossy()))?;
            } else {
                // As it is, even where it is no UTF-8: the next program opens it.
                out.write_all(path.as_os_str().as_encoded_bytes())?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    })
}
