//! Describes a map in words, for its page in the documentation.

use super::condition::{Alternatives, Condition};
use super::expression::{Expression, FilteredPlace, Part};
use super::filter::Filter;
use super::pointer::Pointer;
use super::{Map, MapKind, Reader};

/// A description of a map. Pointers are in backticks.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// How to export the records from the product, from the comment at the top of the map.
    pub export: String,
    /// The forms of the records.
    pub readers: Vec<&'static str>,
    /// The conditions by which the map is detected.
    pub detection: Vec<String>,
    /// The pointers to several events in a record, or to wrapped values.
    pub places: Vec<String>,
    /// Columns of the events, or columns that a wrapping supplies. A column has the first of its
    /// values that is not null.
    pub columns: Vec<(String, Vec<String>)>,
    /// Keys of `properties` with their values.
    pub properties: Vec<(String, Vec<String>)>,
    /// Old and new names of events, without ignored events.
    pub names: Vec<(String, String)>,
    /// Events and records that are ignored.
    pub ignored: Vec<String>,
    /// Strings that are null in this map only.
    pub nulls: Vec<String>,
    /// Whether numeric times are local times as well.
    pub local_epoch: bool,
}

/// Describes a map. `text` is its file.
pub fn describe(map: &Map, text: &str) -> Description {
    let comment = text.lines().map_while(|line| line.strip_prefix("# "));
    let comment: Vec<&str> = comment.collect();
    let mut description = Description {
        export: comment.join(" ").trim_start_matches("Export: ").to_owned(),
        readers: map.readers.iter().map(|reader| form(*reader)).collect(),
        detection: map.detect.iter().map(alternatives).collect(),
        places: map.unwrap.iter().map(|place| filtered(&place.pointer, &place.filters)).collect(),
        nulls: map.nulls.own().map(|text| format!("`{}`", text.escape_default())).collect(),
        local_epoch: map.local_epoch,
        ..Description::default()
    };
    if map.pattern.is_some() {
        description.detection.insert(0, "the line matches the pattern of the map".to_owned());
    }
    let ignored = map.ignore.iter().map(|all| {
        let all: Vec<String> = all.iter().map(condition).collect();
        format!("records for which {}", all.join(" and "))
    });
    description.ignored.extend(ignored);
    match &map.kind {
        MapKind::Events(events) => {
            let columns = events.columns.iter();
            description.columns =
                columns.map(|(field, value)| (field.name().to_owned(), values(value))).collect();
            let properties = events.properties.iter();
            description.properties = properties.map(|(key, value)| (key.clone(), values(value))).collect();
            for (old, new) in events.names.pairs() {
                let event = if old.trim().is_empty() {
                    "events without a name".to_owned()
                } else {
                    format!("events with the name `{old}`")
                };
                match new {
                    "" => description.ignored.push(event),
                    new => description.names.push((old, new.to_owned())),
                }
            }
            if !map.unwrap.is_empty() {
                description.ignored.push("records without an event".to_owned());
            }
        }
        MapKind::Wrapping(defaults) => {
            let columns = defaults.columns.iter();
            description.columns =
                columns.map(|(field, value)| (field.name().to_owned(), values(value))).collect();
            description
                .ignored
                .push("wrapped text that is not JSON and that no map for text matches".to_owned());
        }
    }
    description
}

fn form(reader: Reader) -> &'static str {
    match reader {
        Reader::Json => "JSON values",
        Reader::Csv => "CSV with a header",
        Reader::Tsv => "tab-separated values",
        Reader::W3c => "the W3C extended log format",
        Reader::Text => "lines of text",
    }
}

/// Returns the alternatives of an expression.
fn values(value: &Expression) -> Vec<String> {
    match value {
        Expression::First(values) => values.iter().map(expression).collect(),
        other => vec![expression(other)],
    }
}

fn expression(value: &Expression) -> String {
    match value {
        Expression::Place(FilteredPlace { pointer, filters }) => filtered(pointer, filters),
        Expression::Constant(text) if text.is_empty() => "the empty string".to_owned(),
        Expression::Constant(text) => format!("`{text}`"),
        Expression::Template(parts) => {
            let part = |part: &Part| match part {
                Part::Text(text) => text.to_string(),
                Part::Place(place) => format!("{{{}}}", with_filters(&place.pointer, &place.filters)),
            };
            format!("`{}`", parts.iter().map(part).collect::<String>())
        }
        Expression::First(values) => {
            let values: Vec<String> = values.iter().map(expression).collect();
            values.join(", else ")
        }
        Expression::If { conditions, value } => {
            let all: Vec<String> = conditions.iter().map(alternatives).collect();
            format!("{} if {}", expression(value), all.join(" and "))
        }
    }
}

fn alternatives(any: &Alternatives) -> String {
    if let [first, .., last] = any.as_slice() {
        let is_value = |each: &Condition| each.pointer == first.pointer && !each.negated;
        let texts: Option<Vec<&str>> =
            any.iter().map(|each| each.equals.as_deref().filter(|_| is_value(each))).collect();
        if let (Some(texts), Some(last)) = (texts, &last.equals) {
            let others: Vec<String> =
                texts.iter().take(texts.len() - 1).map(|text| format!("`{text}`")).collect();
            return format!("`{}` is {} or `{last}`", pointer(&first.pointer), others.join(", "));
        }
    }
    let any: Vec<String> = any.iter().map(condition).collect();
    any.join(" or ")
}

fn condition(condition: &Condition) -> String {
    let place = format!("`{}`", pointer(&condition.pointer));
    match (&condition.equals, condition.negated) {
        (None, false) => format!("{place} exists"),
        (None, true) => format!("{place} is missing"),
        (Some(text), false) => format!("{place} is `{text}`"),
        (Some(text), true) => format!("{place} is not `{text}`"),
    }
}

fn filtered(place: &Pointer, filters: &[Filter]) -> String {
    format!("`{}`", with_filters(place, filters))
}

fn with_filters(place: &Pointer, filters: &[Filter]) -> String {
    let filters = filters.iter().map(|filter| match filter {
        Filter::Strip(prefix) => format!("|strip:{prefix}"),
        Filter::Lower => "|lower".to_owned(),
        Filter::UrlDecode => "|urldecode".to_owned(),
        Filter::Base64 => "|base64".to_owned(),
        Filter::Gunzip => "|gunzip".to_owned(),
    });
    format!("{}{}", pointer(place), filters.collect::<String>())
}

fn pointer(place: &Pointer) -> String {
    let step = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
    let steps: String = place.steps.iter().map(|each| step(&each.key)).collect();
    format!("{}{steps}", "^".repeat(place.up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_is_described_in_words() {
        let text = "# Export: call\n# `it`.\nabout = 'x'\ndetect = ['/a', ['/b', '!/c = 1']]\nignore = '/a = t'\n\
            null = 'none'\nunwrap = '/list/*'\n[event]\nevent_name = [{ if = '/k', value = '=v' }, '{^/a~1b|lower}-x']\n\
            [properties]\nn = { if = [['/a = x', '/a = y', '/a = z']], value = '/n' }\n[names]\nold = 'new'\n'' = ''\n";
        let map = Map::parse("x", text).unwrap();
        let found = describe(&map, text);
        assert_eq!(found.export, "call `it`.");
        assert_eq!(found.detection, ["`/a` exists", "`/b` exists or `/c` is not `1`"]);
        assert_eq!(found.places, ["`/list/*`"]);
        let name = vec!["`v` if `/k` exists".to_owned(), "`{^/a~1b|lower}-x`".to_owned()];
        assert_eq!(found.columns, [("event_name".to_owned(), name)]);
        let property = vec!["`/n` if `/a` is `x`, `y` or `z`".to_owned()];
        assert_eq!(found.properties, [("n".to_owned(), property)]);
        assert_eq!(found.names, [("old".into(), "new".into())]);
        let ignored = ["records for which `/a` is `t`", "events without a name", "records without an event"];
        assert_eq!(found.ignored, ignored);
        assert_eq!((found.readers, found.nulls), (vec!["JSON values"], vec!["`none`".to_owned()]));
    }
}
