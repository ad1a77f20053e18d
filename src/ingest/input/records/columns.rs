//! The names of the columns of rows, as their file gives them.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::ingest::map::{Map, Reader};

/// A column that a file names twice and a map reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedColumn(String);

impl RepeatedColumn {
    /// Returns the error of a file with such a column.
    pub fn of_file(&self, file: &str, map: &Map, reader: Reader) -> Error {
        let (name, map) = (&self.0, &map.name);
        let header = if reader == Reader::W3c { "#Fields line" } else { "first row" };
        Error::failed(format!(
            "cannot read {file}: its {header} names the column '{name}' twice, and the map '{map}' reads it"
        ))
        .hint(format!("rename one of the two columns in the {header}"))
    }
}

/// Returns the names of columns, each once: the second column `note` is `note (2)`. All of its
/// values are then stored in `extra`.
///
/// # Errors
/// Returns [`RepeatedColumn`] if the map reads a repeated name. It is unknown which of the columns
/// is meant.
pub fn distinct_columns(names: Vec<String>, map: &Map) -> Result<Vec<String>, RepeatedColumn> {
    let all: HashSet<String> = names.iter().cloned().collect();
    if all.len() == names.len() {
        return Ok(names);
    }
    let mut used = HashSet::new();
    let mut distinct = Vec::with_capacity(names.len());
    for name in names {
        let mut column = name.clone();
        let mut number = 2;
        while used.contains(&column) || (column != name && all.contains(&column)) {
            column = format!("{name} ({number})");
            number += 1;
        }
        if column != name && (map.reads_column(&name) || map.reads_column(&column)) {
            return Err(RepeatedColumn(name));
        }
        used.insert(column.clone());
        distinct.push(column);
    }
    Ok(distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(names: &str, map: &str) -> Result<Vec<String>, RepeatedColumn> {
        let map = Map::parse("m.toml", map).unwrap();
        distinct_columns(names.split(',').map(str::to_owned).collect(), &map)
    }

    #[test]
    fn repeated_column_is_numbered_unless_the_map_reads_it() {
        let map = "reader = \"csv\"\nignore = [\"/test\"]\n[event]\nevent_name = \"/name\"\n\
                   page_url = \"{/host}{/path}\"\n[properties]\nplan = \"/plan\"\n";
        assert_eq!(distinct("name,a,b", map).unwrap(), ["name", "a", "b"]);
        let expected = ["name", "a", "a (2)", "a (4)", "a (3)", "", " (2)"];
        assert_eq!(distinct("name,a,a (2),a,a (3),,", map).unwrap(), expected);
        for name in ["name", "host", "path", "plan", "test"] {
            let found = distinct(&format!("a,{name},b,{name}"), map);
            assert_eq!(found, Err(RepeatedColumn(name.to_owned())));
        }
    }

    #[test]
    fn repeated_column_of_a_wrapping_is_an_error() {
        let found = distinct("a,a,message", "reader = \"csv\"\nunwrap = \"/message\"\n");
        assert_eq!(found, Err(RepeatedColumn("a".to_owned())));
    }
}
