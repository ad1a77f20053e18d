//! `CREATE VIEW` statements for other SQL engines.
//!
//! Each view reads exactly the files that the manifest names, and names all columns, with the
//! partition column last. A view of a table without files has the same columns and no rows.

use std::path::Path;

use crate::error::{Error, Result};
use crate::store::columns::{ColumnType, Table};
use crate::store::manifest::Manifest;

/// A SQL engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SqlEngine {
    DuckDb,
    ClickHouse,
    Spark,
}

/// Returns the statements for all tables of a store in the folder `dir`, which must be absolute.
///
/// # Errors
/// Fails if the engine cannot read files at this path.
pub(crate) fn create_views(engine: SqlEngine, dir: &Path, manifest: &Manifest) -> Result<String> {
    let dir = engine.check_path(dir)?;
    let mut text = format!(
        "-- The tables of a wa store, generation {}. Every change of the store replaces files:\n\
         -- print the views again afterwards.\n",
        manifest.generation
    );
    for table in Table::ALL {
        let files: Vec<&str> = manifest.files(table).iter().map(|file| file.path.as_str()).collect();
        text.push('\n');
        text.push_str(&engine.view(table, dir, &files));
    }
    Ok(text)
}

impl SqlEngine {
    /// Returns the name of the engine.
    fn name(self) -> &'static str {
        match self {
            SqlEngine::DuckDb => "DuckDB",
            SqlEngine::ClickHouse => "ClickHouse",
            SqlEngine::Spark => "Spark",
        }
    }

    /// Returns the path of a store as a string.
    fn check_path(self, dir: &Path) -> Result<&str> {
        let error = |reason: &str| {
            let message = format!("cannot write views of {}: {reason}", dir.display());
            Error::failed(message).hint("move or link the store to another path")
        };
        let text = dir.to_str().ok_or_else(|| error("the path is not UTF-8"))?;
        // All engines read `name=value` anywhere in a path as a partition column, which would
        // replace a column of that name.
        for folder in text.split('/').filter_map(|folder| folder.split_once('=')) {
            let is_column = |table: &Table| {
                table.partition_key() == folder.0
                    || table.columns().iter().any(|column| column.name == folder.0)
            };
            if Table::ALL.iter().any(is_column) {
                let reason = format!("{} interprets the folder {}= as a partition", self.name(), folder.0);
                return Err(error(&reason));
            }
        }
        if self == SqlEngine::ClickHouse && text.contains(['*', '?', '{', '}', ',']) {
            return Err(error("ClickHouse interprets * ? { } and , as patterns and cannot escape them"));
        }
        Ok(text)
    }

    fn view(self, table: Table, dir: &str, files: &[&str]) -> String {
        if files.is_empty() {
            return self.empty_view(table);
        }
        let (name, key) = (table.name(), table.partition_key());
        match self {
            SqlEngine::DuckDb => {
                let paths: Vec<String> = files
                    .iter()
                    .map(|file| format!("  {}", sql_text(&escape_glob(&format!("{dir}/{file}")))))
                    .collect();
                format!(
                    "CREATE OR REPLACE VIEW {name} AS SELECT\n{}\nFROM read_parquet([\n{}\n], \
                     hive_partitioning = true, hive_types = {{{key}: {}}});\n",
                    self.columns(table),
                    paths.join(",\n"),
                    self.sql_type(partition_type(table)),
                )
            }
            SqlEngine::ClickHouse => {
                let path = sql_text_with_escapes(&format!("{dir}/{}", alternatives(files)));
                format!(
                    "CREATE OR REPLACE VIEW {name} AS SELECT\n{}\nFROM file({path}, Parquet)\n\
                     SETTINGS use_hive_partitioning = 1;\n",
                    self.columns(table),
                )
            }
            SqlEngine::Spark => {
                let columns = all_columns(table)
                    .map(|(column, kind)| format!("  {} {}", self.identifier(column), self.sql_type(kind)));
                let path = format!("{}/{}", escape_hadoop_glob(dir), alternatives(files));
                format!(
                    "CREATE OR REPLACE TEMPORARY VIEW {name} (\n{}\n) USING parquet OPTIONS (\n  \
                     path {},\n  basePath {}\n);\n",
                    columns.collect::<Vec<_>>().join(",\n"),
                    sql_text_with_escapes(&path),
                    sql_text_with_escapes(&format!("{dir}/{name}")),
                )
            }
        }
    }

    fn empty_view(self, table: Table) -> String {
        let columns = all_columns(table).map(|(column, kind)| {
            format!("  CAST(NULL AS {}) AS {}", self.sql_type(kind), self.identifier(column))
        });
        let temporary = if self == SqlEngine::Spark { "TEMPORARY " } else { "" };
        format!(
            "CREATE OR REPLACE {temporary}VIEW {} AS SELECT\n{}\nWHERE false;\n",
            table.name(),
            columns.collect::<Vec<_>>().join(",\n")
        )
    }

    /// Returns all columns of a table as a `SELECT` list.
    fn columns(self, table: Table) -> String {
        let columns = all_columns(table).map(|(column, _)| format!("  {}", self.identifier(column)));
        columns.collect::<Vec<_>>().join(",\n")
    }

    fn identifier(self, name: &str) -> String {
        match self {
            SqlEngine::DuckDb => format!("\"{name}\""),
            SqlEngine::ClickHouse | SqlEngine::Spark => format!("`{name}`"),
        }
    }

    fn sql_type(self, kind: ColumnType) -> &'static str {
        use ColumnType::{Bool, Date, Float, Int32, Int64, Json, Text, Timestamp, Uuid};
        match (self, kind) {
            (SqlEngine::DuckDb, Text | Uuid | Json) => "VARCHAR",
            (SqlEngine::DuckDb, Int32) => "INTEGER",
            (SqlEngine::DuckDb, Timestamp) => "TIMESTAMP WITH TIME ZONE",
            (SqlEngine::DuckDb | SqlEngine::Spark, Int64) => "BIGINT",
            (SqlEngine::DuckDb | SqlEngine::Spark, Float) => "DOUBLE",
            (SqlEngine::DuckDb | SqlEngine::Spark, Bool) => "BOOLEAN",
            (SqlEngine::DuckDb | SqlEngine::Spark, Date) => "DATE",
            (SqlEngine::Spark, Text | Uuid | Json) => "STRING",
            (SqlEngine::Spark, Int32) => "INT",
            (SqlEngine::Spark, Timestamp) => "TIMESTAMP",
            (SqlEngine::ClickHouse, Text | Uuid | Json) => "Nullable(String)",
            (SqlEngine::ClickHouse, Int32) => "Nullable(Int32)",
            (SqlEngine::ClickHouse, Int64) => "Nullable(Int64)",
            (SqlEngine::ClickHouse, Float) => "Nullable(Float64)",
            (SqlEngine::ClickHouse, Bool) => "Nullable(Bool)",
            (SqlEngine::ClickHouse, Timestamp) => "Nullable(DateTime64(6, 'UTC'))",
            (SqlEngine::ClickHouse, Date) => "Nullable(Date32)",
        }
    }
}

/// Returns the columns of a table and their types. The partition column is the last one.
fn all_columns(table: Table) -> impl Iterator<Item = (&'static str, ColumnType)> {
    let columns = table.columns().iter().map(|column| (column.name, column.kind));
    columns.chain([(table.partition_key(), partition_type(table))])
}

fn partition_type(table: Table) -> ColumnType {
    match table {
        Table::Events | Table::Sessions => ColumnType::Date,
        // A month, such as `2026-11`.
        Table::DailyStats | Table::Visitors => ColumnType::Text,
    }
}

/// Returns a pattern that matches exactly these files. Their names contain no special characters.
fn alternatives(files: &[&str]) -> String {
    match files {
        [file] => (*file).to_owned(),
        files => format!("{{{}}}", files.join(",")),
    }
}

/// Escapes the characters that DuckDB interprets as patterns, even in a list of paths.
fn escape_glob(path: &str) -> String {
    let escape = |c: char| match c {
        '*' | '?' | '[' => format!("[{c}]"),
        c => c.to_string(),
    };
    path.chars().map(escape).collect()
}

/// Escapes the characters that Hadoop interprets as patterns. Spark uses Hadoop's file systems.
fn escape_hadoop_glob(path: &str) -> String {
    let escape = |c: char| match c {
        '*' | '?' | '[' | ']' | '{' | '}' | '\\' => format!("\\{c}"),
        c => c.to_string(),
    };
    path.chars().map(escape).collect()
}

/// Returns a string in quotes, as in standard SQL.
fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns a string in quotes for engines that read `\` as an escape.
fn sql_text_with_escapes(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [SqlEngine; 3] = [SqlEngine::DuckDb, SqlEngine::ClickHouse, SqlEngine::Spark];

    fn view(engine: SqlEngine, dir: &str, files: &[&str]) -> String {
        engine.view(Table::Sessions, engine.check_path(Path::new(dir)).unwrap(), files)
    }

    #[test]
    fn view_names_exactly_the_files_of_the_manifest() {
        let files =
            ["sessions/session_date=2026-06-01/a.parquet", "sessions/session_date=2026-06-02/b.parquet"];
        let [duckdb, clickhouse, spark] = ENGINES.map(|engine| view(engine, "/data/shop", &files));
        assert!(duckdb.contains(
            "FROM read_parquet([\n  '/data/shop/sessions/session_date=2026-06-01/a.parquet',\n  \
             '/data/shop/sessions/session_date=2026-06-02/b.parquet'\n], \
             hive_partitioning = true, hive_types = {session_date: DATE});\n"
        ));
        let both =
            "/{sessions/session_date=2026-06-01/a.parquet,sessions/session_date=2026-06-02/b.parquet}'";
        assert!(clickhouse.contains(&format!("FROM file('/data/shop{both}, Parquet)\n")));
        assert!(spark.contains(&format!("path '/data/shop{both},\n  basePath '/data/shop/sessions'\n")));
        assert!(spark.contains("`started_at` TIMESTAMP,\n") && spark.contains("`session_date` DATE\n"));
        let one = view(SqlEngine::Spark, "/data/shop", &files[..1]);
        assert!(one.contains("path '/data/shop/sessions/session_date=2026-06-01/a.parquet',"));
    }

    #[test]
    fn special_characters_of_the_path_are_escaped() {
        let duckdb = view(SqlEngine::DuckDb, "/it's [1]*", &["f"]);
        assert!(duckdb.contains("  '/it''s [[]1][*]/f'\n"), "{duckdb}");
        let spark = view(SqlEngine::Spark, r"/it's\[1]", &["f"]);
        assert!(spark.contains(r"path '/it\'s\\\\\\[1\\]/f'"), "{spark}");
        assert!(spark.contains(r"basePath '/it\'s\\[1]/sessions'"), "{spark}");
        let clickhouse = view(SqlEngine::ClickHouse, r"/it's\1", &["f"]);
        assert!(clickhouse.contains(r"FROM file('/it\'s\\1/f', Parquet)"), "{clickhouse}");
    }

    #[test]
    fn path_that_an_engine_cannot_read_is_an_error() {
        for (engine, path) in [
            (SqlEngine::ClickHouse, "/a{b}"),
            (SqlEngine::ClickHouse, "/a*"),
            (SqlEngine::DuckDb, "/data/chatbot_id=shop/store"),
            (SqlEngine::Spark, "/data/event_date=x/store"),
        ] {
            let error = engine.check_path(Path::new(path)).unwrap_err();
            assert!(error.to_string().starts_with(&format!("cannot write views of {path}: ")), "{error}");
        }
        assert!(SqlEngine::DuckDb.check_path(Path::new("/env=prod/a{b}")).is_ok());
    }

    #[test]
    fn table_without_files_gives_a_view_with_all_columns() {
        for engine in ENGINES {
            let text = view(engine, "/d", &[]);
            let columns = Table::Sessions.columns().len() + 1;
            assert_eq!(text.matches("CAST(NULL AS ").count(), columns, "{text}");
            assert!(text.ends_with("WHERE false;\n"), "{text}");
        }
    }
}
