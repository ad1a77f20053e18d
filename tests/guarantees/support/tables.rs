//! The tables of a store as plain rows, and their comparison.

use std::collections::BTreeMap;

use serde_json::Value;
use wa::Result;
use wa::store::columns::Table;
use wa::store::frame::{Cell, Cells};
use wa::store::manifest::DataFile;
use wa::store::snapshot::Snapshot;

/// A row: values by column name, with JSON columns parsed.
pub type Row = BTreeMap<String, Value>;
/// The rows of each table, by the name of the table and in order of its key.
pub type Tables = BTreeMap<&'static str, Vec<Row>>;

/// The columns that depend on the time of the write rather than on the events.
pub const WRITE_TIMES: &[&str] = &["created_at", "updated_at"];

/// Reads all tables.
pub fn read(snapshot: &Snapshot) -> Result<Tables> {
    let mut tables = Tables::new();
    for table in Table::ALL {
        let mut rows = Vec::new();
        for file in snapshot.manifest().files(table) {
            rows.extend(read_file(snapshot, table, file)?);
        }
        tables.insert(table.name(), rows);
    }
    sort(&mut tables);
    Ok(tables)
}

/// Reads the rows of one file of a table.
pub fn read_file(snapshot: &Snapshot, table: Table, file: &DataFile) -> Result<Vec<Row>> {
    let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let frame = snapshot.read_file(file, Some(&names))?;
    let columns: Vec<(&str, Cells)> = table
        .columns()
        .iter()
        .map(|column| Ok((column.name, frame.cells(column)?)))
        .collect::<Result<_>>()?;
    let row = |row: usize| {
        columns.iter().map(|(name, cells)| ((*name).to_owned(), value(cells.get(row)))).collect()
    };
    Ok((0..frame.height()).map(row).collect())
}

/// Sorts the rows of each table by its key.
pub fn sort(tables: &mut Tables) {
    for (table, rows) in tables {
        let key: &[&str] = match *table {
            "events" => &["chatbot_id", "timestamp", "id"],
            "sessions" => &["chatbot_id", "started_at", "first_event_id"],
            "daily_stats" => &["chatbot_id", "stat_date"],
            _ => &["chatbot_id", "id_kind", "visitor_id"],
        };
        rows.sort_by_cached_key(|row| {
            key.iter().map(|name| row.get(*name).unwrap_or(&Value::Null).to_string()).collect::<Vec<_>>()
        });
    }
}

fn value(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => text.into(),
        // serde_json rejects numbers that exceed a float, such as 1e400. Such JSON is compared as
        // text.
        Cell::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        Cell::Int(n) | Cell::Time(n) => n.into(),
        Cell::Float(n) => n.into(),
        Cell::Bool(value) => value.into(),
        Cell::Date(day) => day.to_string().into(),
    }
}

/// Returns a description of the differences between two sets of tables, or `None` if there are
/// none. Columns in `ignored` are not compared.
pub fn difference(expected: &Tables, found: &Tables, ignored: &[&str]) -> Option<String> {
    let mut text = String::new();
    for (table, expected) in expected {
        let found = found.get(table).map_or(&[][..], Vec::as_slice);
        if expected.len() != found.len() {
            text.push_str(&format!("{table}: {} rows expected, {} found\n", expected.len(), found.len()));
        }
        let mut shown = 0;
        for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
            let names = expected.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>();
            for name in names {
                let (e, f) = (expected.get(name), found.get(name));
                if e != f && !ignored.contains(&name.as_str()) && shown < 12 {
                    shown += 1;
                    text.push_str(&format!("{table} row {number}, {name}: expected {e:?}, found {f:?}\n"));
                }
            }
        }
    }
    (!text.is_empty()).then_some(text)
}
