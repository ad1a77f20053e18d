//! Reads and validates a map.

use regex::Regex;
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeValue;

use super::condition::{Alternatives, Condition};
use super::expression::{Expression, FilteredPlace};
use super::local_time::prepare_pattern;
use super::names::Names;
use super::nulls::Nulls;
use super::pointer::tree::{PointerTree, PointerTreeBuilder};
use super::pointer::{ListStep, Pointer};
use super::toml_file::{Entry, TomlFile};
use super::unwrap::{Join, JoinEnd, Place};
use super::{Defaults, EventMap, Map, MapKind, Reader};
use crate::error::Result;
use crate::ingest::fields::{Field, Spelling};
use crate::prehashed::hex;
use crate::time::Zone;

/// The keys of a map.
const KEYS: [&str; 16] = [
    "about",
    "reader",
    "columns",
    "pattern",
    "detect",
    "ignore",
    "null",
    "timezone",
    "time_format",
    "local_epoch",
    "unwrap",
    "join",
    "default",
    "event",
    "properties",
    "names",
];

/// The keys that need `[event]`.
const EVENT_MAP_KEYS: [&str; 2] = ["properties", "names"];

/// Parts of a map that is being read.
#[derive(Default)]
struct Draft {
    events: Option<EventMap>,
    defaults: Option<Defaults>,
    properties: Vec<(String, Expression)>,
    names: Names,
    /// The first key that needs `[event]`.
    event_map_key: Option<(String, usize)>,
    default_at: usize,
    /// The largest number of `^` signs of a pointer of an event, and its position.
    levels_up: (usize, usize),
}

impl Map {
    /// Reads a map. `name` is the name of a preset, or the path of the file.
    ///
    /// # Errors
    /// Fails with [`crate::ErrorKind::Usage`] and the line of the first mistake.
    pub fn parse(name: &str, text: &str) -> Result<Map> {
        let file = TomlFile { name, text };
        let table = file.parse()?;
        let mut map = Map {
            name: name.to_owned(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
            about: String::new(),
            readers: vec![Reader::Json],
            columns: Vec::new(),
            pattern: None,
            detect: Vec::new(),
            ignore: Vec::new(),
            nulls: Nulls::default(),
            timezone: None,
            time_formats: Vec::new(),
            local_epoch: false,
            unwrap: Vec::new(),
            join: None,
            kind: MapKind::Wrapping(Defaults::default()),
        };
        let mut draft = Draft::default();
        for entry in file.entries(table.get_ref()) {
            read_key(file, entry, &mut map, &mut draft)?;
        }
        finish(file, map, draft)
    }
}

fn read_key(file: TomlFile<'_>, entry: Entry<'_>, map: &mut Map, draft: &mut Draft) -> Result<()> {
    if EVENT_MAP_KEYS.contains(&entry.key) {
        draft.event_map_key.get_or_insert((entry.key.to_owned(), entry.at));
    }
    match entry.key {
        "about" => map.about = file.text(entry)?,
        "reader" => map.readers = readers(file, entry)?,
        "columns" => {
            let texts = file.texts(entry)?;
            for (text, at) in &texts {
                for name in text.split_whitespace() {
                    if map.columns.iter().any(|other| other == name) {
                        return Err(file.error(*at, &format!("the column '{name}' is named twice")));
                    }
                    map.columns.push(name.into());
                }
            }
        }
        "pattern" => map.pattern = Some(pattern(file, entry)?),
        "detect" => map.detect = conditions(file, entry)?,
        "ignore" => {
            // The outer list contains alternatives; all conditions of an inner list must hold
            // together.
            map.ignore = conditions(file, entry)?;
        }
        "null" => map.nulls = Nulls::new(file.texts(entry)?.into_iter().map(|(text, _)| text).collect()),
        "timezone" => {
            let name = file.text(entry)?;
            let zone = Zone::parse(&name).or_else(|| Zone::parse_abbreviation(&name)).ok_or_else(|| {
                let message = format!("there is no time zone '{name}'");
                file.error(entry.value_at, &message).hint("use an IANA name such as Europe/Berlin")
            });
            map.timezone = Some(zone?);
        }
        "time_format" => {
            for (pattern, at) in file.texts(entry)? {
                let prepared = prepare_pattern(&pattern).map_err(|fault| {
                    file.error(at, &format!("'{pattern}' does not describe a time: {fault}"))
                        .hint("write it in the notation of strftime: \"%d.%m.%Y %H:%M:%S\"")
                });
                map.time_formats.push(prepared?);
            }
        }
        "local_epoch" => map.local_epoch = file.boolean(entry)?,
        "unwrap" => {
            map.unwrap =
                file.texts(entry)?.iter().map(|place| unwrap_place(file, place)).collect::<Result<_>>()?;
        }
        "join" => map.join = Some(join(file, entry)?),
        "default" => {
            draft.default_at = entry.at;
            draft.defaults = Some(defaults(file, entry)?);
        }
        "event" => {
            draft.events = Some(events(file, entry)?);
            draft.levels_up = draft.levels_up.max(levels_up(file, entry)?);
        }
        "properties" => {
            draft.levels_up = draft.levels_up.max(levels_up(file, entry)?);
            let entries = file.table(entry)?;
            draft.properties = entries
                .into_iter()
                .map(|each| Ok((each.key.to_owned(), expression(file, each)?)))
                .collect::<Result<_>>()?;
        }
        "names" => {
            let entries = file.table(entry)?;
            let pairs = entries.into_iter().map(|each| Ok((each.key.to_owned(), file.text(each)?)));
            draft.names = Names::new(pairs.collect::<Result<_>>()?);
        }
        _ => return Err(file.unknown(entry.at, "key", entry.key, &KEYS)),
    }
    Ok(())
}

/// Checks the rules that concern several keys.
fn finish(file: TomlFile<'_>, mut map: Map, draft: Draft) -> Result<Map> {
    match (draft.events, draft.defaults) {
        (Some(_), Some(_)) => {
            return Err(file.error(
                draft.default_at,
                "[default] is for wrappings only, and a map with [event] is not a wrapping",
            ));
        }
        (Some(events), None) => {
            let (up, at) = draft.levels_up;
            let outer = outer_levels(&map.unwrap);
            if up > outer {
                let message = match outer {
                    0 => "there is no outer level for '^': the map has no 'unwrap'".to_owned(),
                    1 => "the events of 'unwrap' have one outer level, so '^' can occur once".to_owned(),
                    _ => {
                        format!("the events of 'unwrap' have {outer} outer levels, but '^' occurs {up} times")
                    }
                };
                return Err(file.error(at, &message));
            }
            let mut events = EventMap { properties: draft.properties, names: draft.names, ..events };
            events.pointers = pointers(&mut map, &mut events);
            map.kind = MapKind::Events(events);
        }
        (None, defaults) => {
            if let Some((key, at)) = draft.event_map_key {
                return Err(file.error(at, &format!("'{key}' needs [event]")));
            }
            if map.unwrap.is_empty() {
                let message = "a map reads events or removes a wrapping: write [event] or 'unwrap'";
                return Err(file.error(0, message));
            }
            map.kind = MapKind::Wrapping(defaults.unwrap_or_default());
        }
    }
    let missing = [
        (Reader::Text, map.pattern.is_none(), "the reader 'text' needs a 'pattern'"),
        (Reader::Tsv, map.columns.is_empty(), "the reader 'tsv' needs the names of its 'columns'"),
    ];
    for (reader, is_missing, message) in missing {
        if is_missing && map.has_reader(reader) {
            return Err(file.error(0, message));
        }
    }
    Ok(map)
}

/// Returns the largest number of `^` signs of the pointers in a table of expressions, and the
/// position of the expression.
fn levels_up(file: TomlFile<'_>, entry: Entry<'_>) -> Result<(usize, usize)> {
    let mut most = (0, 0);
    for part in file.table(entry)? {
        let mut up = 0;
        expression(file, part)?.for_each_pointer(&mut |pointer| up = up.max(pointer.up));
        most = most.max((up, part.value_at));
    }
    Ok(most)
}

/// Returns the largest number of levels outside of an event: the record, and the element at each
/// `*` before the end of a place. Without a place, the record is the event.
fn outer_levels(places: &[Place]) -> usize {
    let levels = places.iter().map(|place| {
        let steps = place.pointer.steps.split_last().map_or(&[][..], |(_, before)| before);
        1 + steps.iter().filter(|step| step.in_list == ListStep::Any).count()
    });
    levels.max().unwrap_or(0)
}

/// Arranges the pointers that are evaluated for each event.
fn pointers(map: &mut Map, events: &mut EventMap) -> PointerTree {
    let mut builder = PointerTreeBuilder::default();
    let columns = events.columns.iter_mut().map(|(_, expression)| expression);
    let properties = events.properties.iter_mut().map(|(_, expression)| expression);
    columns.chain(properties).for_each(|each| each.for_each_pointer(&mut |pointer| builder.add(pointer)));
    // The conditions concern the record, which is the event only if nothing is unwrapped.
    if map.unwrap.is_empty() {
        map.ignore.iter_mut().flatten().for_each(|condition| builder.add(&mut condition.pointer));
    }
    builder.finish()
}

fn readers(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Vec<Reader>> {
    let texts = file.texts(entry)?;
    let names = Reader::ALL.map(Reader::name);
    let readers = texts.iter().map(|(name, at)| {
        let found = Reader::ALL.into_iter().find(|reader| reader.name() == name);
        found.ok_or_else(|| file.unknown(*at, "reader", name, &names))
    });
    let readers: Vec<Reader> = readers.collect::<Result<_>>()?;
    match readers.is_empty() {
        true => Err(file.error(entry.value_at, "'reader' must name at least one reader")),
        false => Ok(readers),
    }
}

fn pattern(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Regex> {
    let text = file.text(entry)?;
    let pattern = Regex::new(&text).map_err(|e| {
        // The message of a syntax error has several lines. The last line describes the error.
        let message = e.to_string();
        let last = message.lines().last().unwrap_or("").trim_start_matches("error: ");
        file.error(entry.value_at, &format!("'pattern' is not a regular expression: {last}"))
    })?;
    match pattern.capture_names().flatten().next() {
        None => Err(file.error(entry.value_at, "'pattern' has no named group: write (?<name>…)")),
        Some(_) => Ok(pattern),
    }
}

/// Returns the conditions of a list. An element that is itself a list has several conditions.
fn conditions(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Vec<Alternatives>> {
    let error = |at| file.error(at, &format!("'{}' must be a condition or a list of conditions", entry.key));
    let parse = |text: &str, at| Condition::parse(text).map_err(|e| file.error(at, &e));
    match entry.value {
        DeValue::String(text) => Ok(vec![vec![parse(text, entry.value_at)?]]),
        DeValue::Array(list) => list
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(vec![parse(text, item.span().start)?]),
                DeValue::Array(inner) => inner
                    .iter()
                    .map(|item| match item.get_ref() {
                        DeValue::String(text) => parse(text, item.span().start),
                        _ => Err(error(item.span().start)),
                    })
                    .collect(),
                _ => Err(error(item.span().start)),
            })
            .collect(),
        _ => Err(error(entry.value_at)),
    }
}

fn unwrap_place(file: TomlFile<'_>, (text, at): &(String, usize)) -> Result<Place> {
    let FilteredPlace { pointer, filters } = FilteredPlace::parse(text).map_err(|e| file.error(*at, &e))?;
    match pointer.up {
        0 => Ok(Place { pointer, filters }),
        _ => Err(file.error(*at, "pointers of 'unwrap' begin at the record, so '^' is not allowed")),
    }
}

fn join(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Join> {
    let (mut by, mut until) = (None, None);
    for part in file.table(entry)? {
        match part.key {
            "by" => by = Some(Pointer::parse(&file.text(part)?).map_err(|e| file.error(part.value_at, &e))?),
            "while" => {
                let text = file.text(part)?;
                let condition = Condition::parse(&text).map_err(|e| file.error(part.value_at, &e))?;
                until = Some(JoinEnd::While(condition));
            }
            "until_newline" if file.boolean(part)? => until = Some(JoinEnd::Newline),
            "until_newline" => {}
            other => {
                return Err(file.unknown(part.at, "key of 'join'", other, &["by", "while", "until_newline"]));
            }
        }
    }
    match (by, until) {
        (Some(by), Some(until)) => Ok(Join { by, until }),
        _ => Err(file.error(entry.at, "'join' needs 'by', and 'while' or 'until_newline'")),
    }
}

fn events(file: TomlFile<'_>, entry: Entry<'_>) -> Result<EventMap> {
    let mut columns = Vec::new();
    for part in file.table(entry)? {
        let field = column(part.key).ok_or_else(|| unknown_column(file, part))?;
        columns.push((field, expression(file, part)?));
    }
    columns.sort_by_key(|(field, _)| *field);
    if !columns.iter().any(|(field, _)| *field == Field::EventName) {
        return Err(file.error(entry.at, "[event] has no 'event_name'"));
    }
    Ok(EventMap { columns, ..EventMap::default() })
}

fn defaults(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Defaults> {
    let mut defaults = Defaults::default();
    for part in file.table(entry)? {
        let expression = expression(file, part)?;
        match column(part.key) {
            Some(field) => defaults.columns.push((field, expression)),
            None => defaults.members.push((part.key.to_owned(), expression)),
        }
    }
    Ok(defaults)
}

/// Returns the field of a column that a map can set.
fn column(name: &str) -> Option<Field> {
    let (field, spelling) = Field::from_key(name.as_bytes())?;
    (spelling == Spelling::Snake && !matches!(field, Field::Events | Field::Type)).then_some(field)
}

fn unknown_column(file: TomlFile<'_>, entry: Entry<'_>) -> crate::error::Error {
    let names: Vec<&str> =
        Field::ALL.into_iter().map(Field::name).filter(|name| column(name).is_some()).collect();
    file.unknown(entry.at, "column", entry.key, &names)
}

fn expression(file: TomlFile<'_>, entry: Entry<'_>) -> Result<Expression> {
    expression_of(file, entry.key, entry.value, entry.value_at)
}

fn expression_of(file: TomlFile<'_>, key: &str, value: &DeValue<'_>, at: usize) -> Result<Expression> {
    match value {
        DeValue::String(text) => Expression::parse(text).map_err(|e| file.error(at, &e)),
        DeValue::Array(list) if list.is_empty() => {
            Err(file.error(at, &format!("the list of '{key}' is empty: it needs at least one expression")))
        }
        DeValue::Array(list) => {
            let item =
                |item: &Spanned<DeValue<'_>>| expression_of(file, key, item.get_ref(), item.span().start);
            Ok(Expression::First(list.iter().map(item).collect::<Result<_>>()?))
        }
        DeValue::Table(table) => {
            let (mut all, mut result) = (None, None);
            for part in file.entries(table) {
                match part.key {
                    "if" => all = Some(conditions(file, part)?),
                    "value" => result = Some(expression(file, part)?),
                    other => {
                        return Err(file.unknown(part.at, "key of an expression", other, &["if", "value"]));
                    }
                }
            }
            match (all, result) {
                (Some(conditions), Some(value)) => Ok(Expression::If { conditions, value: Box::new(value) }),
                _ => Err(file.error(at, &format!("'{key}': a condition is written {{ if = …, value = … }}"))),
            }
        }
        _ => Err(file.error(at, &format!("'{key}' must be an expression: string, list, or {{ if, value }}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::NameMemo;
    use super::*;

    /// Returns the message of the error in a map, without the hint.
    fn error(text: &str) -> String {
        Map::parse("my.toml", text).unwrap_err().to_string()
    }

    const EVENT: &str = "[event]\nevent_name = \"/e\"\n";

    #[test]
    fn map_with_every_key_is_parsed() {
        let map = Map::parse(
            "my.toml",
            r#"
            about = "mine"
            reader = ["csv", "text"]
            pattern = '^(?<e>\w+) (?<t>.*)$'
            columns = "a b\tc"
            detect = ["/e", ["/a", "!/b = 1"]]
            ignore = "/e = x"
            null = ["?"]
            timezone = "Europe/Berlin"
            local_epoch = true
            unwrap = ["/list/*", "/one|base64"]
            [event]
            timestamp = "/t"
            event_name = ["/e", { if = ["/x", ["/y", "/z"]], value = "=y" }]
            [properties]
            n = "/n"
            [names]
            "b*" = "second"
            "a*" = "first"
            "ab*" = ""
            "#,
        )
        .unwrap();
        assert_eq!((map.about.as_str(), map.readers.as_slice()), ("mine", &[Reader::Csv, Reader::Text][..]));
        assert_eq!(map.columns, ["a", "b", "c"]);
        assert_eq!(map.conditions(), 3);
        assert_eq!((map.detect[1].len(), map.ignore.len(), map.unwrap.len()), (2, 1, 2));
        assert!(map.nulls.contains("?") && map.local_epoch && !map.is_wrapping());
        let MapKind::Events(events) = &map.kind else { panic!() };
        let fields: Vec<Field> = events.columns.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, [Field::EventName, Field::Timestamp]);
        // The patterns apply in the order of the file, not alphabetically.
        assert_eq!(events.names.renamed("abc", &mut NameMemo::default()).as_deref(), Some("first"));
        assert_eq!(map.sha256.len(), 64);
    }

    #[test]
    fn mistake_is_named_with_its_line() {
        assert_eq!(
            error("about = \"x\"\n\n[event]\nevent_name = \"/e\"\npage_uri = \"/u\"\n"),
            "my.toml:5: there is no column 'page_uri'; did you mean 'page_url'?"
        );
        assert_eq!(error("unwarp = \"/a\""), "my.toml:1: there is no key 'unwarp'; did you mean 'unwrap'?");
        assert_eq!(
            error(&format!("reader = [\"json\",\n \"jsn\"]\n{EVENT}")),
            "my.toml:2: there is no reader 'jsn'; did you mean 'json'?"
        );
        assert_eq!(
            error(&format!("{EVENT}user_id = \"/u|uper\"")),
            "my.toml:3: there is no filter 'uper'; filters are lower, strip, urldecode, base64, gunzip"
        );
        assert_eq!(
            error(&format!("{EVENT}user_id = [\"/a\",\n\"b\"]")),
            "my.toml:4: 'b' is not an expression: a pointer begins with '/', a constant with '=', as in \"=b\""
        );
        assert_eq!(
            error(&format!("timezone = \"Berlin\"\n{EVENT}")),
            "my.toml:1: there is no time zone 'Berlin'"
        );
        assert!(error("[event]\nuser_id = \"/u\"").ends_with(":1: [event] has no 'event_name'"));
        assert!(error(&format!("{EVENT}[default]\ntimestamp = \"/t\"")).starts_with("my.toml:3: [default]"));
        assert!(error(&format!("\nreader = \"text\"\npattern = \"(\"\n{EVENT}")).starts_with("my.toml:3: "));
        assert!(error(&format!("detect = [\"a\"]\n{EVENT}")).contains("must begin with '/'"));
        assert!(error("about = \"x\"\nnames = { a = \"b\" }").contains("'names' needs [event]"));
        assert!(error("about = \"x\n").starts_with("my.toml:1: "));
        assert!(error("unwrap = \"/a\"\njoin = { by = \"/b\" }").contains("'join' needs"));
        assert!(error("unwrap = \"^/a\"").contains("'^' is not allowed"));
        assert_eq!(
            error("[event]\nevent_name = []"),
            "my.toml:2: the list of 'event_name' is empty: it needs at least one expression"
        );
    }

    #[test]
    fn pointer_beyond_the_record_is_an_error() {
        assert_eq!(
            error("[event]\nevent_name = \"/e\"\nuser_id = [\"/a\", \"{^/b}\"]"),
            "my.toml:3: there is no outer level for '^': the map has no 'unwrap'"
        );
        // The levels outside of an event at `/a/*/b` are the element of the list and the record.
        let map = |up: &str, place: &str| {
            Map::parse("my.toml", &format!("unwrap = '{place}'\n[event]\nevent_name = '{up}/e'"))
        };
        for (up, place, is_valid) in
            [("^", "/a", true), ("^^", "/a", false), ("^", "/a/*", true), ("^^", "/a/*", false)]
        {
            assert_eq!(map(up, place).is_ok(), is_valid, "{up} {place}");
        }
        assert!(map("^^", "/a/*/b").is_ok());
        let message = map("^^^", "/a/*/b").unwrap_err().to_string();
        assert_eq!(message, "my.toml:3: the events of 'unwrap' have 2 outer levels, but '^' occurs 3 times");
    }

    #[test]
    fn map_that_reads_nothing_is_an_error() {
        assert!(error("about = \"x\"").contains("write [event] or 'unwrap'"));
        assert!(error(&format!("reader = \"tsv\"\n{EVENT}")).contains("'columns'"));
        let repeated = error(&format!("reader = \"tsv\"\ncolumns = \"e x e\"\n{EVENT}"));
        assert_eq!(repeated, "my.toml:2: the column 'e' is named twice");
        assert!(error(&format!("reader = \"text\"\n{EVENT}")).contains("'pattern'"));
        assert!(error(&format!("pattern = \"a(b)\"\n{EVENT}")).contains("named group"));
    }
}
