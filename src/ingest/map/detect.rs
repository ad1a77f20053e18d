//! Decides which map reads a file, based on its first records.

use super::record::{Found, Record, Values};
use super::unwrap::values_at;
use super::{Map, MapKind, Reader, SharedMap};
use crate::error::{Error, ErrorKind};
use crate::ingest::fields::Field;
use crate::json::{Kind, NodeId, Scanner, TextBuffer, TreeError};
use crate::shell::quote_file;

/// The number of records from which the format of a file is detected.
pub const EXAMINED: usize = 100;
/// The number of conditions of the native form, for a record that is not a complete native record.
const NATIVE_CONDITIONS: usize = 1;

/// The maps from which one is chosen.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// The maps.
    pub maps: Vec<SharedMap>,
    /// The map that the user chose for the values inside a wrapping. It reads every value that is
    /// not itself a wrapping.
    pub chosen: Option<SharedMap>,
}

/// A map, and how many of a file's first records match it.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The map; `None` for the native form.
    pub map: Option<SharedMap>,
    /// The reader with which it matches.
    pub reader: Reader,
    /// The number of records that match.
    pub records: usize,
    /// Whether only complete native records are counted: see [`Nativeness::Complete`].
    pub complete: bool,
}

/// The result of a detection.
#[derive(Clone, Debug, Default)]
pub struct Detection {
    /// The maps that match at least one record, the best one first.
    pub fits: Vec<Fit>,
    /// The number of records that were examined.
    pub examined: usize,
}

/// Two maps that match a file equally well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub String, pub String);

impl Ambiguous {
    /// Returns the error of a file whose format is ambiguous.
    pub fn of_file(&self, file: &str) -> Error {
        let Ambiguous(one, other) = self;
        let message =
            format!("cannot tell the format of {file}: the maps '{one}' and '{other}' match equally well");
        Error::failed(message).hint(format!("choose one: {}", self.options()))
    }

    /// Returns the error of a file in which two maps match a value inside a wrapping equally well.
    pub fn within(&self, file: &str, line: u64) -> Error {
        let Ambiguous(one, other) = self;
        let message = format!(
            "cannot read {file} to its end: the maps '{one}' and '{other}' match the value at line {line} \
             inside the wrapping equally well"
        );
        Error::new(ErrorKind::PartialInput, message)
            .hint(format!("choose the map of the wrapped values: {}", self.options()))
    }

    fn options(&self) -> String {
        format!("--map {} or --map {}", quote_file(&self.0), quote_file(&self.1))
    }
}

impl Fit {
    /// Returns the number of conditions of the map. Complete native records have more than any map.
    fn conditions(&self) -> usize {
        match &self.map {
            Some(map) => map.conditions(),
            None if self.complete => usize::MAX,
            None => NATIVE_CONDITIONS,
        }
    }

    /// Returns whether the map matches at least half of the examined records.
    pub fn matches_half(&self, detection: &Detection) -> bool {
        self.records * 2 >= detection.examined
    }

    fn name(&self) -> &str {
        self.map.as_ref().map_or("wa", |map| &map.name)
    }
}

impl Detection {
    /// Returns the fit of the map that reads the file; `None` for the native form.
    ///
    /// # Errors
    /// Returns [`Ambiguous`] if two maps match equally well.
    pub fn choose(&self) -> Result<Option<&Fit>, Ambiguous> {
        let mut fits = self.fits.iter().filter(|fit| fit.matches_half(self));
        let Some(best) = fits.next() else { return Ok(None) };
        match fits.next() {
            Some(other) if rank(other) == rank(best) => {
                Err(Ambiguous(best.name().to_owned(), other.name().to_owned()))
            }
            _ => Ok(Some(best).filter(|fit| fit.map.is_some())),
        }
    }

    /// Returns the best fits: those that match equally well, and at least half of the records.
    pub fn best(&self) -> impl Iterator<Item = &Fit> {
        let mut fits = self.fits.iter().filter(|fit| fit.matches_half(self)).peekable();
        let best = fits.peek().map(|fit| rank(fit));
        fits.take_while(move |fit| Some(rank(fit)) == best)
    }

    /// Removes a map from the result.
    pub fn remove(&mut self, map: &Map) {
        self.fits.retain(|fit| fit.map.as_ref().is_none_or(|other| other.sha256 != map.sha256));
    }
}

fn rank(fit: &Fit) -> (usize, usize) {
    (fit.conditions(), fit.records)
}

/// Counts how many records match each map.
pub struct Examination<'c> {
    candidates: &'c Candidates,
    /// The number of matching records by map and reader.
    counts: Vec<(usize, Reader, usize)>,
    /// The number of native records, and how many of them are complete.
    native: usize,
    complete: usize,
    examined: usize,
    values: Values,
}

impl<'c> Examination<'c> {
    /// Creates an examination.
    pub fn new(candidates: &'c Candidates) -> Examination<'c> {
        let counts = Vec::new();
        Examination { candidates, counts, native: 0, complete: 0, examined: 0, values: Values::default() }
    }

    /// Returns whether enough records were examined.
    pub fn is_full(&self) -> bool {
        self.examined >= EXAMINED
    }

    /// Examines a line: JSON values, or a line of text.
    pub fn line(&mut self, line: &str) {
        if !self.json(line) {
            self.examined += 1;
            for (index, map) in self.candidates.maps.iter().enumerate() {
                if map.fits_text(line) {
                    self.count(index, Reader::Text, 1);
                }
            }
        }
    }

    /// Examines JSON values. Returns false if the text is not JSON.
    pub fn json(&mut self, text: &str) -> bool {
        self.values.clear();
        let mut buffer = TextBuffer::new(text);
        let mut roots = Vec::new();
        let broken = values_of(text, &mut self.values, &mut roots).err();
        if broken.is_some_and(|broken| !broken.follows_values(text, &self.values, &roots)) || roots.is_empty()
        {
            return false;
        }
        for root in roots {
            if self.is_full() {
                break;
            }
            self.examined += 1;
            let nativeness = nativeness(&mut buffer, &self.values, root);
            self.native += usize::from(nativeness > Nativeness::None);
            self.complete += usize::from(nativeness == Nativeness::Complete);
            for (index, map) in self.candidates.maps.iter().enumerate() {
                if fits(map, &mut buffer, &mut self.values, root) {
                    count(&mut self.counts, index, Reader::Json, 1);
                }
            }
        }
        true
    }

    /// Examines rows with a header.
    pub fn header(&mut self, reader: Reader, columns: &[&str], rows: usize) {
        for (index, map) in self.candidates.maps.iter().enumerate() {
            if map.has_reader(reader) && fits_columns(map, columns) {
                self.count(index, reader, rows);
            }
        }
    }

    /// Examines a row without a header.
    pub fn row(&mut self, line: &str) {
        let width = line.split('\t').count();
        for (index, map) in self.candidates.maps.iter().enumerate() {
            if map.has_reader(Reader::Tsv) && width > 1 && map.columns.len() == width {
                let columns: Vec<&str> = map.columns.iter().map(String::as_str).collect();
                if fits_columns(map, &columns) {
                    self.count(index, Reader::Tsv, 1);
                }
            }
        }
    }

    fn count(&mut self, index: usize, reader: Reader, records: usize) {
        count(&mut self.counts, index, reader, records);
    }

    /// Returns the result.
    pub fn finish(self) -> Detection {
        let mut fits: Vec<Fit> = self
            .counts
            .into_iter()
            .map(|(index, reader, records)| Fit {
                map: self.candidates.maps.get(index).cloned(),
                reader,
                records,
                complete: false,
            })
            .collect();
        if self.native > 0 {
            let complete = self.complete * 2 >= self.examined;
            let records = if complete { self.complete } else { self.native };
            fits.push(Fit { map: None, reader: Reader::Json, records, complete });
        }
        fits.sort_by_key(|fit| std::cmp::Reverse(rank(fit)));
        Detection { fits, examined: self.examined }
    }
}

fn count(counts: &mut Vec<(usize, Reader, usize)>, index: usize, reader: Reader, records: usize) {
    match counts.iter_mut().find(|(map, by, _)| (*map, *by) == (index, reader)) {
        Some((_, _, count)) => *count += records,
        None => counts.push((index, reader, records)),
    }
}

/// A value that is not JSON, after which the rest of a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenValue {
    /// Why it cannot be read.
    pub error: TreeError,
    /// Its position in the text.
    pub start: usize,
}

impl BrokenValue {
    /// Returns whether the values before it can be read: one of them is an object, and this one
    /// begins like an object or a list. Otherwise the text can be one damaged value.
    pub fn follows_values(&self, text: &str, values: &Values, roots: &[NodeId]) -> bool {
        self.error == TreeError::Invalid
            && matches!(text.as_bytes().get(self.start), Some(b'{' | b'['))
            && roots.iter().any(|root| values.tree.value(*root).kind() == Kind::Object)
    }
}

/// Adds the JSON values of a line to `values`, and their nodes to `roots`; for a list, the nodes of
/// its elements. U+001E counts as white space.
///
/// # Errors
/// Fails if the line as a whole is not JSON. The values before the error are added.
pub fn values_of(line: &str, values: &mut Values, roots: &mut Vec<NodeId>) -> Result<(), BrokenValue> {
    let mut scanner = Scanner::new(line.as_bytes());
    add_values(&mut scanner, 0, line.len(), 0, values, roots)
}

/// Returns whether a line consists of JSON values.
pub fn is_values(line: &str) -> bool {
    let mut roots = Vec::new();
    values_of(line, &mut Values::default(), &mut roots).is_ok()
}

/// Adds the JSON values of a part of the scanner's text: see [`values_of`].
pub fn add_values(
    scanner: &mut Scanner<'_>,
    from: usize,
    end: usize,
    base: usize,
    values: &mut Values,
    roots: &mut Vec<NodeId>,
) -> Result<(), BrokenValue> {
    let mut pos = skip_space(scanner, from);
    while pos < end {
        let added = values.tree.add(scanner, pos, base);
        let (root, after) = added.map_err(|error| BrokenValue { error, start: pos })?;
        if values.tree.value(root).kind() == Kind::Array {
            roots.extend(values.tree.children(root));
        } else {
            roots.push(root);
        }
        pos = skip_space(scanner, after);
    }
    Ok(())
}

/// Skips white space and U+001E.
fn skip_space(scanner: &Scanner<'_>, mut pos: usize) -> usize {
    loop {
        pos = scanner.skip_space(pos);
        if scanner.at(pos) != 0x1e {
            return pos;
        }
        pos += 1;
    }
}

impl Candidates {
    /// Returns the candidates for the values inside a wrapping, if the user chose a map for them.
    pub fn within(&self, chosen: SharedMap) -> Candidates {
        let maps = self.maps.iter().filter(|map| map.is_wrapping()).cloned().collect();
        Candidates { maps, chosen: Some(chosen) }
    }

    /// Returns the map that matches a JSON value with the most conditions; `None` for the native
    /// form, which every complete native record has.
    ///
    /// # Errors
    /// Returns [`Ambiguous`] if two maps match equally well.
    pub fn best(
        &self,
        buffer: &mut TextBuffer<'_>,
        values: &mut Values,
        root: NodeId,
    ) -> Result<Option<&SharedMap>, Ambiguous> {
        self.best_where(buffer, values, root, |_| true)
    }

    /// Returns the map that matches a JSON value that is not a wrapping: see [`Candidates::best`].
    ///
    /// # Errors
    /// Returns [`Ambiguous`] if two maps match equally well.
    pub fn best_of_events(
        &self,
        buffer: &mut TextBuffer<'_>,
        values: &mut Values,
        root: NodeId,
    ) -> Result<Option<&SharedMap>, Ambiguous> {
        self.best_where(buffer, values, root, |map| !map.is_wrapping())
    }

    /// Returns the best match of the maps that a condition accepts.
    fn best_where(
        &self,
        buffer: &mut TextBuffer<'_>,
        values: &mut Values,
        root: NodeId,
        accepts: impl Fn(&Map) -> bool,
    ) -> Result<Option<&SharedMap>, Ambiguous> {
        let nativeness = match self.chosen {
            Some(_) => Nativeness::None,
            None => nativeness(buffer, values, root),
        };
        if nativeness == Nativeness::Complete {
            return Ok(None);
        }
        let native = nativeness == Nativeness::Partial;
        self.most_conditions(native, |map| accepts(map) && fits(map, buffer, values, root))
    }

    /// Returns the map whose pattern matches a line of text.
    ///
    /// # Errors
    /// Returns [`Ambiguous`] if two maps match equally well.
    pub fn best_of_text(&self, text: &str) -> Result<Option<&SharedMap>, Ambiguous> {
        self.most_conditions(false, |map| map.fits_text(text))
    }

    fn most_conditions(
        &self,
        native: bool,
        mut fits: impl FnMut(&Map) -> bool,
    ) -> Result<Option<&SharedMap>, Ambiguous> {
        let (mut best, mut equal) = (None, None);
        let mut most = if native { NATIVE_CONDITIONS } else { 0 };
        for map in &self.maps {
            // A map with fewer conditions than the best map is not evaluated.
            if map.conditions() < most.max(1) || !fits(map) {
                continue;
            }
            if map.conditions() > most {
                (best, equal, most) = (Some(map), None, map.conditions());
            } else {
                equal = Some(map);
            }
        }
        if let Some(chosen) = &self.chosen {
            let is_chosen = best.is_none() || (chosen.conditions() >= most && fits(chosen));
            if is_chosen {
                return Ok(Some(chosen));
            }
        }
        match equal {
            Some(other) => {
                let best = best.map_or("wa", |map: &SharedMap| &map.name);
                Err(Ambiguous(best.to_owned(), other.name.clone()))
            }
            None => Ok(best),
        }
    }
}

/// Returns whether a map matches a JSON value.
fn fits(map: &Map, buffer: &mut TextBuffer<'_>, values: &mut Values, root: NodeId) -> bool {
    if !map.has_reader(Reader::Json) || map.detect.is_empty() {
        return false;
    }
    let mut record = Record { buffer, values, nulls: &map.nulls, levels: &[root] };
    record.all_hold(&map.detect)
}

/// Returns the number of JSON records from which a map reads a named event or a list of events, and
/// the number of all records.
pub fn named_events(map: &Map, text: &str) -> (usize, usize) {
    let MapKind::Events(events) = &map.kind else { return (0, 0) };
    let name = events.columns.iter().find(|(field, _)| *field == Field::EventName);
    let (mut values, mut roots) = (Values::default(), Vec::new());
    let mut buffer = TextBuffer::new(text);
    if values_of(text, &mut values, &mut roots).is_err() {
        return (0, 1);
    }
    let has_name = |root: &&NodeId| {
        let levels = [**root];
        let (buffer, values) = (&mut buffer, &mut values);
        let mut record = Record { buffer, values, nulls: &map.nulls, levels: &levels };
        if !map.unwrap.is_empty() {
            return values_at(&mut record, **root, &map.unwrap).is_ok_and(|found| !found.is_empty());
        }
        let found = name.map_or(Found::Null, |(_, expression)| record.evaluate_name(expression));
        record.found_text(found).is_some_and(|name| !name.trim().is_empty())
    };
    (roots.iter().filter(has_name).count(), roots.len())
}

/// Returns whether a map matches rows with these columns.
pub fn fits_columns(map: &Map, columns: &[&str]) -> bool {
    let holds = |any: &Vec<_>| {
        any.iter().any(|condition: &super::condition::Condition| condition.holds_for_columns(columns))
    };
    !map.detect.is_empty() && map.detect.iter().all(holds)
}

/// How closely a value matches the native form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nativeness {
    /// It does not have the native form.
    None,
    /// It has an event name, a list of events, or the `type` of a session or identify line.
    Partial,
    /// It has an event name or a list of events, and also the ids of a chatbot and of a session or
    /// visitor. No other format has all of these keys, so other keys do not matter.
    Complete,
}

/// Returns how closely a value matches the native form.
fn nativeness(buffer: &mut TextBuffer<'_>, values: &Values, root: NodeId) -> Nativeness {
    let tree = &values.tree;
    if tree.value(root).kind() != Kind::Object {
        return Nativeness::None;
    }
    let (mut is_event, mut is_typed, mut has_chatbot, mut has_person) = (false, false, false, false);
    for node in tree.children(root) {
        let (key, value) = (tree.key(node), tree.value(node));
        let field = buffer.get(key.inner()).and_then(|key| Field::from_key(key.as_bytes()));
        let has_value = value.kind() != Kind::Null;
        match field.map(|(field, _)| field) {
            Some(Field::EventName) => is_event |= has_value,
            Some(Field::Events) => is_event |= value.kind() == Kind::Array,
            Some(Field::ChatbotId) => has_chatbot |= has_value,
            Some(Field::SessionId | Field::AnonymousId) => has_person |= has_value,
            Some(Field::Type) => {
                is_typed |= matches!(buffer.get(value.raw()), Some("\"session\"" | "\"identify\""));
            }
            _ => {}
        }
    }
    match (is_event, has_chatbot && has_person) {
        (true, true) => Nativeness::Complete,
        (true, false) => Nativeness::Partial,
        (false, _) if is_typed => Nativeness::Partial,
        (false, _) => Nativeness::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn map(name: &str, rest: &str) -> SharedMap {
        let event = if rest.contains("unwrap") { "" } else { "\n[event]\nevent_name = \"/e\"" };
        Arc::new(Map::parse(name, &format!("{rest}{event}")).unwrap())
    }

    /// Returns the name of the map that reads the lines, or `wa` for the native form.
    fn detected(maps: &[SharedMap], lines: &[&str]) -> String {
        let candidates = Candidates { maps: maps.to_vec(), chosen: None };
        let mut examination = Examination::new(&candidates);
        lines.iter().for_each(|line| examination.line(line));
        match examination.finish().choose() {
            Ok(fit) => fit.map_or("wa".to_owned(), |fit| fit.name().to_owned()),
            Err(Ambiguous(a, b)) => format!("{a} or {b}"),
        }
    }

    #[test]
    fn map_with_most_conditions_reads_the_file() {
        let maps = [map("one", "detect = '/a'"), map("two", "detect = ['/a', ['/b', '/c']]")];
        assert_eq!(detected(&maps, &[r#"{"a":1}"#]), "one");
        assert_eq!(detected(&maps, &[r#"{"a":1,"c":2}"#, r#"{"a":1,"b":2}"#]), "two");
        assert_eq!(detected(&maps, &[r#"{"event_name":"x","a":1,"b":2}"#]), "two");
        assert_eq!(detected(&maps, &[r#"{"x":1}"#]), "wa");
    }

    #[test]
    fn native_form_is_a_map_with_one_condition() {
        let maps = [map("one", "detect = '/a'"), map("two", "detect = ['/a', '/b']")];
        assert_eq!(detected(&maps, &[r#"{"event_name":"x"}"#]), "wa");
        assert_eq!(detected(&maps, &[r#"{"eventName":"x","a":1}"#]), "one or wa");
        assert_eq!(detected(&maps, &[r#"{"type":"identify"}"#, r#"{"events":[1]}"#]), "wa");
        assert_eq!(detected(&maps, &[r#"{"type":"identify","a":1,"b":1}"#]), "two");
    }

    #[test]
    fn complete_native_record_is_native_whatever_else_it_has() {
        let maps = [map("three", "detect = ['/a', '/b', '/c']")];
        let native = r#"{"event_name":"x","chatbot_id":"c","session_id":"s","a":1,"b":1,"c":1}"#;
        let envelope = r#"{"events":[],"chatbotId":"c","anonymousId":"v","a":1,"b":1,"c":1}"#;
        let foreign = r#"{"a":1,"b":1,"c":1}"#;
        assert_eq!(detected(&maps, &[native]), "wa");
        assert_eq!(detected(&maps, &[envelope, native, foreign, foreign]), "wa");
        // Less than half of the records are complete native records.
        assert_eq!(detected(&maps, &[native, foreign, foreign]), "three");
        for incomplete in [
            r#"{"event_name":"x","session_id":"s","a":1,"b":1,"c":1}"#,
            r#"{"event_name":"x","chatbot_id":"c","a":1,"b":1,"c":1}"#,
            r#"{"event_name":null,"chatbot_id":"c","session_id":"s","a":1,"b":1,"c":1}"#,
            r#"{"type":"identify","chatbot_id":"c","session_id":"s","a":1,"b":1,"c":1}"#,
        ] {
            assert_eq!(detected(&maps, &[incomplete]), "three", "{incomplete}");
        }
        let candidates = Candidates { maps: maps.to_vec(), chosen: None };
        assert_eq!(within(&candidates, native), "wa");
        let candidates = candidates.within(map("mine", "detect = '/e'"));
        assert_eq!(within(&candidates, native), "mine");
    }

    #[test]
    fn map_must_match_half_of_the_records() {
        let maps = [map("two", "detect = ['/a', '/b']")];
        let (fits, other) = (r#"{"a":1,"b":1}"#, "broken");
        assert_eq!(detected(&maps, &[fits, other]), "two");
        assert_eq!(detected(&maps, &[fits, other, other]), "wa");
        assert_eq!(detected(&maps, &[other]), "wa");
    }

    #[test]
    fn two_maps_that_match_equally_are_both_named() {
        let maps = [map("x", "detect = '/a'"), map("y", "detect = '/b'")];
        assert_eq!(detected(&maps, &[r#"{"a":1,"b":1}"#]), "x or y");
        // More records decide between maps with the same number of conditions.
        assert_eq!(detected(&maps, &[r#"{"a":1,"b":1}"#, r#"{"b":1}"#]), "y");
    }

    /// Returns the name of the map that reads a value inside a wrapping, or `wa` for the native
    /// form.
    fn within(candidates: &Candidates, value: &str) -> String {
        let (mut buffer, mut values) = (TextBuffer::new(value), Values::default());
        let (root, _) = values.tree.add(&mut Scanner::new(value.as_bytes()), 0, 0).unwrap();
        match candidates.best(&mut buffer, &mut values, root) {
            Ok(map) => map.map_or("wa", |map| &map.name).to_owned(),
            Err(Ambiguous(a, b)) => format!("{a} or {b}"),
        }
    }

    #[test]
    fn two_maps_that_match_a_wrapped_value_are_both_named() {
        let maps = vec![
            map("x", "detect = ['/a', '/x']"),
            map("y", "detect = ['/a', '/y']"),
            map("z", "detect = ['/a', '/x', '/z']"),
            map("one", "detect = '/one'"),
        ];
        let candidates = Candidates { maps, chosen: None };
        assert_eq!(within(&candidates, r#"{"a":1,"x":1}"#), "x");
        assert_eq!(within(&candidates, r#"{"a":1,"x":1,"y":1}"#), "x or y");
        assert_eq!(within(&candidates, r#"{"a":1,"x":1,"y":1,"z":1}"#), "z");
        assert_eq!(within(&candidates, r#"{"event_name":"e","one":1}"#), "wa or one");
        assert_eq!(within(&candidates, r#"{"event_name":"e"}"#), "wa");

        let text = |name: &str| map(name, "reader = 'text'\npattern = '^(?<e>\\w+)$'");
        let candidates = Candidates { maps: vec![text("s"), text("t")], chosen: None };
        assert_eq!(candidates.best_of_text("open").unwrap_err(), Ambiguous("s".into(), "t".into()));
        assert!(candidates.best_of_text("open it").unwrap().is_none());
    }

    #[test]
    fn chosen_map_reads_everything_but_other_wrappings() {
        let maps =
            vec![map("wrapping", "detect = ['/log', '/time']\nunwrap = '/log'"), map("x", "detect = '/x'")];
        let candidates = Candidates { maps, chosen: None }.within(map("mine", "detect = '/e'"));
        assert_eq!(within(&candidates, r#"{"x":1}"#), "mine");
        assert_eq!(within(&candidates, r#"{"event_name":"e"}"#), "mine");
        assert_eq!(within(&candidates, r#"{"log":"{}","time":1}"#), "wrapping");
    }

    #[test]
    fn pattern_is_one_condition() {
        let text = map("text", "reader = 'text'\npattern = '^(?<e>\\w+) (?<d>\\d+)$'");
        assert_eq!(text.conditions(), 1);
        assert_eq!(detected(std::slice::from_ref(&text), &["open 12", "close 7", "?"]), "text");
    }

    #[test]
    fn values_of_a_line_are_its_records() {
        let mut values = Values::default();
        let mut roots = Vec::new();
        let count = |line: &str, values: &mut Values, roots: &mut Vec<NodeId>| {
            values.clear();
            roots.clear();
            values_of(line, values, roots).map(|()| roots.len())
        };
        assert_eq!(count("{}{} [1,[2]]\u{1e}3", &mut values, &mut roots), Ok(5));
        assert_eq!(count("\u{1e}{}", &mut values, &mut roots), Ok(1));
        assert_eq!(count("[]", &mut values, &mut roots), Ok(0));
        assert!(count("{} x", &mut values, &mut roots).is_err());
    }
}
