//! The values of `--map` and `--timezone`.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ingest::{Map, SharedMap, presets};
use crate::suggest::nearest;
use crate::time::Zone;

/// Returns the built-in map with a name, or else the map in the file at that path.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if there is no such map or file, or if the map is invalid.
pub(in crate::cli) fn load(name: &str) -> Result<SharedMap> {
    if let Some(map) = presets::named(name) {
        return Ok(map);
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(unknown(name));
    }
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::usage(format!("cannot read the map {name}")).caused_by(e).hint("name a TOML file in UTF-8")
    })?;
    Ok(Arc::new(Map::parse(name, &text)?))
}

/// Returns the error about a name that is neither a built-in map nor a file.
pub(in crate::cli) fn unknown(name: &str) -> Error {
    let near = nearest(name, presets::files().map(|(name, _)| name));
    let near = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
    Error::usage(format!("there is no built-in map and no file '{name}'{near}"))
        .hint("run `wa formats` to list the built-in maps")
}

/// Returns the time zone with an IANA name.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if there is no time zone with this name.
pub(in crate::cli) fn timezone(name: &str) -> Result<Zone> {
    Zone::parse(name).ok_or_else(|| {
        Error::usage(format!("there is no time zone '{name}'")).hint("use an IANA name such as Europe/Berlin")
    })
}
