//! Segments: named conditions of `wa.toml`, for `--segment`.

use super::{Subject, Where};
use crate::config::{Definition, ResolvedConfig};
use crate::error::{Error, Result};
use crate::suggest::nearest;

/// Returns the conditions of the named segments.
///
/// # Errors
/// Returns a usage error if a segment is not defined. If one of its conditions is invalid, the
/// error names the line of the condition.
pub fn segment_conditions(config: &ResolvedConfig, names: &[String], subject: Subject) -> Result<Vec<Where>> {
    let segments: Vec<&Definition> =
        config.definitions.iter().filter(|definition| definition.table == "segments").collect();
    let mut conditions = Vec::new();
    for name in names {
        let segment = segments.iter().find(|segment| segment.name == *name);
        let segment = segment.ok_or_else(|| unknown(name, &segments))?;
        for written in &segment.events {
            if !written.conditions.is_empty() {
                return Err(segment
                    .error(written.line, "a segment must be a condition or a list of conditions")
                    .hint(EXAMPLE));
            }
            let parsed = Where::parse("condition", &written.event, subject);
            conditions.push(parsed.map_err(|error| segment.error_caused_by(written.line, &error))?);
        }
    }
    Ok(conditions)
}

const EXAMPLE: &str = "write it like germans = [\"country_code=DE\", \"device_type=mobile\"]";

fn unknown(name: &str, segments: &[&Definition]) -> Error {
    let error = Error::usage(format!("--segment {name:?}: wa.toml defines no such segment"));
    let names = || segments.iter().map(|segment| segment.name.as_str());
    match nearest(name, names()) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None if segments.is_empty() => error.hint(format!("below [segments] in wa.toml, {EXAMPLE}")),
        None => error.hint(format!("the segments are {}", names().collect::<Vec<_>>().join(", "))),
    }
}
