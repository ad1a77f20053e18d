//! Classifies sessions by the values of one or two fields, for `--by`.
//!
//! A field of sessions assigns a session to one class. A field of events assigns it to a class for
//! each value that its events have, or to `unknown` if they have none. Two fields of events are
//! combined: a session is in a class for each pair of values that one of its events has.

use std::sync::{Mutex, PoisonError};

use hashbrown::{Equivalent, HashMap};

use super::classes::{ClassifiedSessions, Classifier, FrameClasses, SessionEvents};
use super::event_values::{EventClassifier, RowValues};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::filter::Field;
use crate::report::query::filter::reader::FieldReader;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache, mix};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};
use crate::time::Day;

/// The label of missing values.
pub(crate) const UNKNOWN: &str = "unknown";
/// The label of all values that are not listed.
pub(crate) const OTHER: &str = "(other)";

/// The fields of a breakdown.
pub(crate) struct Breakdown {
    /// The fields, and for each whether it belongs to events.
    fields: Vec<(Field, bool)>,
    session_fields: Vec<Field>,
    /// The fields of events; `None` if there are none.
    event_fields: Option<EventFields>,
    /// The values of all fields, by class.
    classes: Interner,
}

/// A group of a breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueGroup {
    /// The values, in the order of the fields.
    pub values: Vec<String>,
    /// The class of its sessions.
    pub class: u32,
}

/// The groups of a breakdown, and the group to which each class belongs.
pub(crate) struct RankedGroups {
    /// The groups, most sessions first.
    pub groups: Vec<ValueGroup>,
    /// The number of the group, by class, for classes that have their own group.
    by_class: HashMap<u32, u32>,
    /// The number of the group of all other classes.
    other: u32,
}

impl RankedGroups {
    /// Returns the number of the group of a class.
    pub fn number(&self, class: u32) -> u32 {
        self.by_class.get(&class).copied().unwrap_or(self.other)
    }
}

impl Breakdown {
    /// Returns the breakdown by fields whose names are resolved.
    pub fn new(fields: &[Field]) -> Breakdown {
        let of_table = |table: Table| -> Vec<Field> {
            fields.iter().filter(|field| field.table() == table).cloned().collect()
        };
        let event_fields = of_table(Table::Events);
        let has_events = !event_fields.is_empty();
        Breakdown {
            fields: fields.iter().map(|field| (field.clone(), field.table() == Table::Events)).collect(),
            session_fields: of_table(Table::Sessions),
            event_fields: has_events
                .then(|| EventFields { fields: event_fields, values: Interner::default() }),
            classes: Interner::default(),
        }
    }

    /// Returns whether a field belongs to events. A session can then be in several groups.
    pub fn needs_events(&self) -> bool {
        self.event_fields.is_some()
    }

    /// Finds the values with the most sessions, and merges the sessions of all others into a group.
    /// `counts` has the number of sessions of each class. Returns the groups, most sessions first,
    /// and the sessions by group.
    pub fn groups<'a>(
        &self,
        sessions: ClassifiedSessions<'a>,
        counts: HashMap<u32, u64>,
        limit: Option<usize>,
    ) -> (Vec<ValueGroup>, ClassifiedSessions<'a>) {
        let RankedGroups { groups, by_class, other } = self.rank(counts, limit);
        (groups, sessions.merge(by_class, other))
    }

    /// Finds the values with the most sessions, given the number of sessions of each class. Returns
    /// the groups, most sessions first. All other values are merged into a group.
    pub fn rank(&self, counts: HashMap<u32, u64>, limit: Option<usize>) -> RankedGroups {
        let mut ranked: Vec<(u64, Vec<String>, u32)> =
            counts.into_iter().map(|(class, count)| (count, self.classes.get(class), class)).collect();
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let shown = limit.unwrap_or(usize::MAX).min(ranked.len());
        let has_rest = shown < ranked.len();
        ranked.truncate(shown);
        let by_class = ranked.iter().zip(0..).map(|((.., class), group)| (*class, group)).collect();
        let other = ranked.len() as u32;
        let mut groups: Vec<ValueGroup> =
            ranked.into_iter().zip(0..).map(|((_, values, _), class)| ValueGroup { values, class }).collect();
        if has_rest {
            let values = self.fields.iter().map(|_| OTHER.to_owned()).collect();
            groups.push(ValueGroup { values, class: other });
        }
        RankedGroups { groups, by_class, other }
    }

    /// Returns the classifier of events if all fields belong to events.
    pub fn event_classifier(&self) -> Option<&dyn EventClassifier> {
        let fields = self.event_fields.as_ref().filter(|_| self.session_fields.is_empty());
        fields.map(|fields| fields as &dyn EventClassifier)
    }

    /// Returns the class of sessions whose events have no value, then those of the values of events
    /// that were found so far, in their order. All fields must belong to events.
    pub fn event_classes(&self) -> Vec<u32> {
        let class = |of_event: &[String]| self.classes.intern(self.join(&[], of_event));
        let values = self.event_fields.as_ref().map(|fields| fields.values.all()).unwrap_or_default();
        std::iter::once(class(&[])).chain(values.iter().map(|values| class(values))).collect()
    }

    /// Returns the values of a class, from the session and from one event, in the order of the
    /// fields.
    fn join(&self, of_session: &[String], of_event: &[String]) -> Vec<String> {
        let (mut of_session, mut of_event) = (of_session.iter(), of_event.iter());
        let value = |(_, is_event): &(Field, bool)| {
            let next = if *is_event { of_event.next() } else { of_session.next() };
            next.cloned().unwrap_or_else(|| UNKNOWN.to_owned())
        };
        self.fields.iter().map(value).collect()
    }
}

impl Classifier for Breakdown {
    fn columns(&self) -> Vec<&'static str> {
        columns(&self.session_fields)
    }

    fn events(&self) -> Vec<&dyn EventClassifier> {
        self.event_fields.iter().map(|fields| fields as &dyn EventClassifier).collect()
    }

    fn classify(&self, frame: &Frame, events: &mut SessionEvents<'_>) -> Result<FrameClasses> {
        let mut reader = ValueReader::new(&self.session_fields, frame)?;
        let mut classes = RowsByClass::new(self);
        if let (None, Some(texts)) = (&self.event_fields, reader.single_text()) {
            let mut cache = ViewCache::new(None);
            let mut of_null = None;
            texts.each_token(NULL_TOKEN, |row, token| {
                let mut find = || Some(classes.index(reader.values(row), None, &reader));
                let index = match token {
                    NULL_TOKEN => of_null.or_else(&mut find),
                    _ => cache.get(token, &mut find),
                };
                if token == NULL_TOKEN {
                    of_null = index;
                }
                classes.push(index.unwrap_or_default(), row);
            });
            return Ok(classes.finish());
        }
        let mut of_events: Vec<u32> = Vec::new();
        for row in 0..frame.height() {
            let of_session = reader.values(row);
            of_events.clear();
            events.visit(0, row, |value| {
                if !of_events.contains(&value) {
                    of_events.push(value);
                }
                true
            });
            if of_events.is_empty() {
                classes.add(row, of_session, None, &reader);
            }
            of_events.iter().for_each(|value| classes.add(row, of_session, Some(*value), &reader));
        }
        Ok(classes.finish())
    }
}

/// The rows of a frame by class.
struct RowsByClass<'b> {
    breakdown: &'b Breakdown,
    /// Each class with its rows.
    rows: Vec<(u32, Vec<u32>)>,
    /// The index in `rows` by class.
    by_class: HashMap<u32, usize>,
    /// The index in `rows` of sessions whose events have no value, by the number that stands for
    /// the values of the session. Without a field of events, these are all sessions.
    without_event: Vec<Option<usize>>,
    /// The index in `rows` by the numbers that stand for the values of a session and of an event.
    with_event: HashMap<(u32, u32), usize>,
}

impl<'b> RowsByClass<'b> {
    fn new(breakdown: &'b Breakdown) -> RowsByClass<'b> {
        RowsByClass {
            breakdown,
            rows: Vec::new(),
            by_class: HashMap::new(),
            without_event: Vec::new(),
            with_event: HashMap::new(),
        }
    }

    /// Adds a row, given the numbers that stand for the values of its session and of one of its
    /// events.
    #[inline]
    fn add(&mut self, row: usize, of_session: u32, of_event: Option<u32>, reader: &ValueReader<'_>) {
        let index = self.index(of_session, of_event, reader);
        self.push(index, row);
    }

    #[inline]
    fn push(&mut self, index: usize, row: usize) {
        self.rows.get_mut(index).into_iter().for_each(|(_, rows)| rows.push(row as u32));
    }

    /// Returns the index in `rows` of the class of the given values.
    #[inline]
    fn index(&mut self, of_session: u32, of_event: Option<u32>, reader: &ValueReader<'_>) -> usize {
        let RowsByClass { breakdown, rows, by_class, without_event, with_event } = self;
        let mut new_class = || {
            let fields = breakdown.event_fields.as_ref().zip(of_event);
            let of_event = fields.map(|(fields, value)| fields.values.get(value)).unwrap_or_default();
            let values = breakdown.join(reader.texts(of_session), &of_event);
            let class = breakdown.classes.intern(values);
            // The logged value `unknown` is in the class of missing values.
            *by_class.entry(class).or_insert_with(|| {
                rows.push((class, Vec::new()));
                rows.len() - 1
            })
        };
        match of_event {
            Some(value) => *with_event.entry((of_session, value)).or_insert_with(new_class),
            None => {
                let at = of_session as usize;
                if without_event.len() <= at {
                    without_event.resize(at + 1, None);
                }
                let slot = without_event.get_mut(at);
                slot.map_or(0, |slot| *slot.get_or_insert_with(&mut new_class))
            }
        }
    }

    fn finish(mut self) -> FrameClasses {
        self.rows.sort_unstable_by_key(|(class, _)| *class);
        FrameClasses(self.rows)
    }
}

/// Counts the sessions of each class that a query selects.
pub(crate) fn count_sessions(sessions: &ClassifiedSessions<'_>, query: &Query) -> Result<HashMap<u32, u64>> {
    let counts: Mutex<HashMap<u32, u64>> = Mutex::default();
    let days: (Day, Day) = query.window.range();
    sessions.visit_classes(days, &query.columns(&[]), &|_, frame, classes| {
        let mut is_selected = vec![false; frame.height()];
        for row in query.select(frame)?.rows {
            if let Some(slot) = is_selected.get_mut(row as usize) {
                *slot = true;
            }
        }
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (class, rows) in &classes.0 {
            let selected = rows.iter().filter(|row| is_selected.get(**row as usize) == Some(&true)).count();
            if selected > 0 {
                *counts.entry(*class).or_default() += selected as u64;
            }
        }
        Ok(())
    })?;
    Ok(counts.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Fields of events.
struct EventFields {
    fields: Vec<Field>,
    values: Interner,
}

impl EventClassifier for EventFields {
    fn columns(&self) -> Vec<&'static str> {
        columns(&self.fields)
    }

    fn classify(&self, frame: &Frame) -> Result<RowValues> {
        let mut reader = ValueReader::new(&self.fields, frame)?;
        // The numbers of the values of rows.
        let mut numbers: Vec<Option<Option<u32>>> = Vec::new();
        let mut number = |values: u32, reader: &ValueReader<'_>| {
            if numbers.len() <= values as usize {
                numbers.resize(values as usize + 1, None);
            }
            *numbers.get_mut(values as usize)?.get_or_insert_with(|| {
                reader.has_any(values).then(|| self.values.intern(reader.texts(values).to_vec()))
            })
        };
        let mut rows = RowValues::new();
        if let Some(texts) = reader.single_text() {
            let mut cache = ViewCache::new(None);
            let mut of_null = None;
            texts.each_token(NULL_TOKEN, |row, token| {
                let mut find = || number(reader.number(row), &reader);
                let number = match token {
                    NULL_TOKEN => *of_null.get_or_insert_with(find),
                    _ => cache.get(token, &mut find),
                };
                rows.extend(number.map(|number| (row as u32, number)));
            });
            return Ok(rows);
        }
        for row in 0..frame.height() {
            rows.extend(number(reader.values(row), &reader).map(|number| (row as u32, number)));
        }
        Ok(rows)
    }
}

fn columns(fields: &[Field]) -> Vec<&'static str> {
    let mut columns: Vec<&str> = fields.iter().map(|field| field.column().name).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Gives each combination of values of the given fields of a frame a number.
struct ValueReader<'a> {
    readers: Vec<FieldReader<'a>>,
    /// A cache of the numbers of values by their tokens; `None` if not all fields have tokens.
    by_tokens: Option<TokensCache>,
    by_texts: HashMap<Vec<String>, u32>,
    /// The number of rows without the value of the only field.
    without_value: Option<u32>,
    /// The values by number, and whether at least one of them exists.
    texts: Vec<(Vec<String>, bool)>,
}

impl<'a> ValueReader<'a> {
    fn new(fields: &'a [Field], frame: &Frame) -> Result<ValueReader<'a>> {
        let readers: Vec<FieldReader<'a>> =
            fields.iter().map(|field| FieldReader::new(field, frame)).collect::<Result<_>>()?;
        let has_tokens = readers.len() <= 2 && readers.iter().all(FieldReader::has_tokens);
        let by_tokens = has_tokens.then(TokensCache::new);
        Ok(ValueReader {
            readers,
            by_tokens,
            by_texts: HashMap::new(),
            without_value: None,
            texts: Vec::new(),
        })
    }

    /// Returns the strings of the only field; `None` if there are several fields, or values are not
    /// strings.
    fn single_text(&self) -> Option<Texts> {
        match self.readers.as_slice() {
            [reader] => reader.texts(),
            _ => None,
        }
    }

    /// Returns the number that stands for a row's values.
    fn values(&mut self, row: usize) -> u32 {
        let mut tokens = [0; 2];
        for (slot, reader) in tokens.iter_mut().zip(&self.readers) {
            *slot = reader.token(row).unwrap_or(NULL_TOKEN);
        }
        if let Some(number) = self.by_tokens.as_ref().and_then(|cache| cache.get(tokens)) {
            return number;
        }
        let number = self.number(row);
        if let Some(cache) = &mut self.by_tokens {
            cache.set(tokens, number);
        }
        number
    }

    /// Returns the number of a row's values, without a cache.
    fn number(&mut self, row: usize) -> u32 {
        let ValueReader { readers, by_texts, without_value, texts, .. } = self;
        if let [reader] = readers.as_slice() {
            // Most events do not have a property.
            let Some(value) = reader.text(row) else {
                return *without_value.get_or_insert_with(|| number_of(&[UNKNOWN], false, by_texts, texts));
            };
            return number_of(&[&value.text], true, by_texts, texts);
        }
        let values: Vec<Option<_>> = readers.iter().map(|reader| reader.text(row)).collect();
        let labels: Vec<&str> =
            values.iter().map(|value| value.as_ref().map_or(UNKNOWN, |value| &value.text)).collect();
        number_of(&labels, values.iter().any(Option::is_some), by_texts, texts)
    }

    fn texts(&self, number: u32) -> &[String] {
        self.texts.get(number as usize).map_or(&[][..], |(texts, _)| texts)
    }

    fn has_any(&self, number: u32) -> bool {
        self.texts.get(number as usize).is_some_and(|(_, has_any)| *has_any)
    }
}

/// Texts as a key of a map of lists of strings.
#[derive(Hash)]
struct Labels<'a>(&'a [&'a str]);

impl Equivalent<Vec<String>> for Labels<'_> {
    fn equivalent(&self, key: &Vec<String>) -> bool {
        self.0 == key.as_slice()
    }
}

/// Returns the number of values, and numbers them if they are new. `has_any` is set if at least one
/// of them exists.
fn number_of(
    labels: &[&str],
    has_any: bool,
    by_texts: &mut HashMap<Vec<String>, u32>,
    texts: &mut Vec<(Vec<String>, bool)>,
) -> u32 {
    let number = by_texts.get(&Labels(labels)).copied().unwrap_or_else(|| {
        let (number, labels) = (texts.len() as u32, labels.iter().map(|label| (*label).to_owned()));
        let labels: Vec<String> = labels.collect();
        texts.push((labels.clone(), false));
        by_texts.insert(labels, number);
        number
    });
    if let Some((_, any)) = texts.get_mut(number as usize) {
        // The logged value `unknown` counts as a value too.
        *any |= has_any;
    }
    number
}

/// The number of slots of a [`TokensCache`].
const SLOTS: usize = 512;

/// A direct-mapped cache of numbers by two tokens. Most `properties` strings differ, so a map of
/// all tokens would be large, and slower than reading the values again.
struct TokensCache(Vec<Option<([u128; 2], u32)>>);

impl TokensCache {
    fn new() -> TokensCache {
        TokensCache(vec![None; SLOTS])
    }

    fn slot(tokens: [u128; 2]) -> usize {
        (mix(tokens[0]).rotate_left(17) ^ mix(tokens[1])) as usize % SLOTS
    }

    fn get(&self, tokens: [u128; 2]) -> Option<u32> {
        let cached = self.0.get(TokensCache::slot(tokens)).copied().flatten()?;
        (cached.0 == tokens).then_some(cached.1)
    }

    fn set(&mut self, tokens: [u128; 2], number: u32) {
        if let Some(slot) = self.0.get_mut(TokensCache::slot(tokens)) {
            *slot = Some((tokens, number));
        }
    }
}

/// Numbers lists of values, in the order of their first occurrence.
#[derive(Default)]
struct Interner(Mutex<Interned>);

/// The numbers of lists, and the lists by number.
type Interned = (HashMap<Vec<String>, u32>, Vec<Vec<String>>);

impl Interner {
    fn intern(&self, values: Vec<String>) -> u32 {
        let mut interned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (numbers, lists) = &mut *interned;
        if let Some(number) = numbers.get(&values) {
            return *number;
        }
        let number = lists.len() as u32;
        lists.push(values.clone());
        numbers.insert(values, number);
        number
    }

    /// Returns all lists, by number.
    fn all(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn get(&self, number: u32) -> Vec<String> {
        let interned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        interned.1.get(number as usize).cloned().unwrap_or_default()
    }
}
