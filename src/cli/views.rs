//! `wa views`: prints SQL views of the tables.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::render::text::escape_control;
use crate::render::views::{SqlEngine, create_views};
use crate::store::Store;

/// Print SQL that creates views of the tables in DuckDB, ClickHouse or Spark
///
/// The views events, sessions, daily_stats and visitors read the current files at their absolute
/// paths. Print them again after each change of the store.
#[derive(clap::Args, Debug)]
#[command(
    override_usage = "wa views --for <ENGINE>",
    after_help = "\
Examples:
  wa views --for duckdb > views.sql
      write the views to a file for `duckdb -init views.sql`
  wa views --for clickhouse
      show the views for clickhouse-local"
)]
pub(super) struct Args {
    /// SQL engine: duckdb, clickhouse or spark
    #[arg(long = "for", value_enum, hide_possible_values = true, value_name = "ENGINE")]
    engine: Engine,
}

/// A SQL engine, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Engine {
    DuckDb,
    ClickHouse,
    Spark,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    engine: SqlEngine,
}

impl Args {
    /// Converts the arguments, which are all valid.
    pub(super) fn validate(self, globals: &Globals) -> Options {
        let engine = match self.engine {
            Engine::DuckDb => SqlEngine::DuckDb,
            Engine::ClickHouse => SqlEngine::ClickHouse,
            Engine::Spark => SqlEngine::Spark,
        };
        Options { store: globals.store.clone(), engine }
    }
}

/// Prints the statements.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be opened, the engine cannot read its path, or
/// the output cannot be written.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let snapshot = Store::new(&options.store).snapshot()?;
    let dir = std::path::absolute(snapshot.dir()).map_err(|e| Error::io("find", snapshot.dir(), e))?;
    // `./wa-store` becomes `/path/./wa-store`; this removes the dot.
    let dir: PathBuf = dir.components().collect();
    let text = create_views(options.engine, &dir, snapshot.manifest())?;
    if !printer.is_terminal() {
        return printer.result(&text);
    }
    let lines: Vec<_> = text.lines().map(escape_control).collect();
    printer.result(&(lines.join("\n") + "\n"))
}
