//! The values that wrappings supply for the events inside them: `[default]` of a map.

use crate::ingest::fields::Field;
use crate::ingest::map::Defaults;
use crate::ingest::map::local_time::{TimeRules, is_number};
use crate::ingest::map::record::{Found, Record};
use crate::json::Kind;
use crate::time::{Zone, format_utc};

/// The values that wrappings supply, as JSON.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Values of columns.
    columns: Vec<(Field, String)>,
    /// Members to add to the wrapped object.
    pub members: Vec<(String, String)>,
}

impl Given {
    /// Returns the defaults for one of several values inside a wrapping. Appends the index to the
    /// event id, which the values would otherwise share.
    pub fn numbered(&self, index: usize) -> Given {
        let mut given = self.clone();
        for (field, json) in &mut given.columns {
            if *field == Field::EventId {
                *json = match json.strip_suffix('"') {
                    Some(text) => format!("{text}#{index}\""),
                    None => format!("\"{json}#{index}\""),
                };
            }
        }
        given
    }

    /// Returns the columns as a JSON object; `None` if there are none.
    pub fn columns_json(&self) -> Option<String> {
        if self.columns.is_empty() {
            return None;
        }
        let members: Vec<String> =
            self.columns.iter().map(|(field, json)| format!("\"{}\":{json}", field.name())).collect();
        Some(format!("{{{}}}", members.join(",")))
    }
}

/// Evaluates the defaults of a wrapping, and adds those of outer wrappings. Inner wrappings have
/// precedence.
pub fn given(
    record: &mut Record<'_, '_>,
    defaults: &Defaults,
    outer: Given,
    zone: Option<Zone>,
    local_epoch: bool,
) -> Given {
    let rules = TimeRules { zone: zone.unwrap_or(Zone::UTC), local_epoch };
    let mut result = Given { columns: Vec::new(), members: Vec::new() };
    for (field, expression) in &defaults.columns {
        let found = record.evaluate(expression);
        let json = match field {
            Field::Timestamp | Field::ClientTimestamp | Field::SentAt | Field::ReceivedAt => {
                time_json(record, found, rules)
            }
            _ => json(record, found),
        };
        result.columns.extend(json.map(|json| (*field, json)));
    }
    for (key, expression) in &defaults.members {
        let found = record.evaluate(expression);
        result.members.extend(json(record, found).map(|json| (key.clone(), json)));
    }
    let outer_columns = outer.columns.into_iter();
    let missing: Vec<_> =
        outer_columns.filter(|(field, _)| !result.columns.iter().any(|(own, _)| own == field)).collect();
    result.columns.extend(missing);
    result
}

/// Returns a value as JSON on one line.
fn json(record: &Record<'_, '_>, found: Found) -> Option<String> {
    if let Found::Node(node) = found {
        let value = record.values.tree.value(node);
        if matches!(value.kind(), Kind::Object | Kind::Array | Kind::Number | Kind::Bool) {
            return record.buffer.get(value.raw()).map(str::to_owned);
        }
    }
    let text = record.found_text(found)?;
    Some(serde_json::Value::from(&*text).to_string())
}

/// Returns a time as JSON in a form that native lines accept; `None` if it is not a time.
fn time_json(record: &Record<'_, '_>, found: Found, rules: TimeRules) -> Option<String> {
    let text = record.found_text(found)?;
    if is_number(&text) && !rules.local_epoch {
        return Some(text.into_owned());
    }
    Some(format!("\"{}\"", format_utc(rules.text(&text)?)))
}
