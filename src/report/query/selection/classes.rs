//! Sessions by class, and the tables of one class.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use super::event_values::{EventClassifier, EventValues};
use super::filter::{SessionFilter, Unclassified};
use super::group_sets::{GroupSets, RowSets};
use crate::error::Result;
use crate::report::query::session_keys::SessionKeys;
use crate::report::query::tables::{
    RowSelection, SharedShards, TableFacts, Tables, map_frames, with_columns,
};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints};
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros, Zone};

/// Assigns sessions to classes.
pub(crate) trait Classifier: Sync {
    /// Returns the columns of sessions that it reads.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns the classifiers of events whose values it needs.
    fn events(&self) -> Vec<&dyn EventClassifier>;

    /// Returns the filter, if the classifier is one.
    fn as_filter(&self) -> Option<&SessionFilter> {
        None
    }

    /// Returns the classes of the sessions of a frame. `events` has the values of the sessions'
    /// events, in the order of [`events`](Classifier::events).
    fn classify(&self, frame: &Frame, events: &mut SessionEvents<'_>) -> Result<FrameClasses>;
}

/// The values of the events of a frame's sessions.
pub(crate) struct SessionEvents<'a> {
    /// The values for each classifier of events.
    values: &'a [EventValues],
    /// The keys, start times and end times; `None` without classifiers of events.
    sessions: Option<(SessionKeys<'a>, &'a Ints, &'a Ints)>,
}

impl<'a> SessionEvents<'a> {
    fn new(frame: &'a Frame, values: &'a [EventValues]) -> Result<SessionEvents<'a>> {
        let sessions = match values.is_empty() {
            true => None,
            false => {
                let has_column = |name| frame.null_count(name).is_some();
                let visitor_ids = has_column("anonymous_id") && has_column("user_id");
                Some((
                    SessionKeys::new(frame, visitor_ids)?,
                    frame.ints("started_at")?,
                    frame.ints("ended_at")?,
                ))
            }
        };
        Ok(SessionEvents { values, sessions })
    }

    /// Calls `visit` with the values of the events of a row's session, until it returns `false`.
    /// `classifier` is the index of a classifier of events.
    pub fn visit(&mut self, classifier: usize, row: usize, visit: impl FnMut(u32) -> bool) {
        let (Some(values), Some((keys, started, ended))) = (self.values.get(classifier), &mut self.sessions)
        else {
            return;
        };
        if let (Some(key), Some(start), Some(end)) = (keys.hash(row), started.get(row), ended.get(row)) {
            values.visit(key, start, end, visit);
        }
    }
}

/// The rows of a frame by class, in ascending order of the class. A row can be in several classes.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameClasses(pub Vec<(u32, Vec<u32>)>);

/// Merges classes into groups.
struct Merge {
    /// The groups of classes that are not merged into `other`.
    groups: HashMap<u32, u32>,
    /// The group of all other classes.
    other: u32,
}

impl Merge {
    fn apply(&self, classes: &FrameClasses) -> FrameClasses {
        let mut groups: BTreeMap<u32, (usize, Vec<u32>)> = BTreeMap::new();
        for (class, rows) in &classes.0 {
            let group = self.groups.get(class).copied().unwrap_or(self.other);
            let (merged, of_group) = groups.entry(group).or_default();
            *merged += 1;
            of_group.extend_from_slice(rows);
        }
        // The rows of each class are sorted.
        for (_, rows) in groups.values_mut().filter(|(merged, _)| *merged > 1) {
            rows.sort_unstable();
            rows.dedup();
        }
        FrameClasses(groups.into_iter().map(|(group, (_, rows))| (group, rows)).collect())
    }
}

impl FrameClasses {
    /// Returns the rows of a class, in ascending order.
    pub fn rows(&self, class: u32) -> &[u32] {
        let found = self.0.binary_search_by_key(&class, |(class, _)| *class);
        found.ok().and_then(|index| self.0.get(index)).map_or(&[][..], |(_, rows)| rows.as_slice())
    }
}

/// The classes of the frames of a read, in order, each with the day of its sessions, which is
/// unknown if `started_at` was not read.
type ReadClasses = Vec<ClassesOfDay>;

/// The classes of a frame, and the day of its sessions.
type ClassesOfDay = (Option<Day>, FrameClasses);

/// The approximate maximum number of events whose values are in memory together.
const MAX_EVENTS: usize = 4 << 20;
/// The maximum number of days that are classified together.
const MAX_DAYS: i32 = 400;

/// Sessions by class. They are classified when they are first read.
pub(crate) struct ClassifiedSessions<'a> {
    tables: &'a dyn Tables,
    /// The tables that classification reads, if they are not `tables`.
    source: Option<&'a dyn Tables>,
    classifier: &'a dyn Classifier,
    /// The classes of the days that were read.
    known: Mutex<HashMap<(Day, Day), Arc<ReadClasses>>>,
    /// The merge of classes into groups; `None` if classes are not merged.
    merge: Option<Merge>,
}

impl<'a> ClassifiedSessions<'a> {
    /// Returns the sessions of the given tables. Nothing is read yet.
    pub fn new(tables: &'a dyn Tables, classifier: &'a dyn Classifier) -> ClassifiedSessions<'a> {
        ClassifiedSessions { tables, source: None, classifier, known: Mutex::default(), merge: None }
    }

    /// Sets the tables that classification and [`visit_classes`](Self::visit_classes) read, which
    /// must have the same rows. They should not cache their reads, since each list of columns is
    /// read once.
    pub fn classified_by(self, source: &'a dyn Tables) -> ClassifiedSessions<'a> {
        ClassifiedSessions { source: Some(source), ..self }
    }

    /// Returns the tables that classification reads.
    pub fn source(&self) -> &'a dyn Tables {
        self.source.unwrap_or(self.tables)
    }

    /// Merges classes into groups: each class into its group in `groups`, or else into `other`.
    /// Must be called at most once.
    pub fn merge(mut self, groups: HashMap<u32, u32>, other: u32) -> ClassifiedSessions<'a> {
        let merge = Merge { groups, other };
        for classes in self.known.get_mut().unwrap_or_else(PoisonError::into_inner).values_mut() {
            let merged = classes.par_iter().map(|(day, classes)| (*day, merge.apply(classes))).collect();
            *classes = Arc::new(merged);
        }
        ClassifiedSessions { merge: Some(merge), ..self }
    }

    /// Returns the tables of one class.
    pub fn class(&self, class: u32) -> ClassTables<'_> {
        ClassTables { sessions: self, class }
    }

    /// Classifies the sessions of the given days, or of all days, in advance, so that concurrent
    /// reads of a report do not classify them several times.
    pub fn prepare(&self, days: Option<(Day, Day)>) -> Result<()> {
        self.chunks(days).into_iter().try_for_each(|days| self.classes(days).map(|_| ()))
    }

    /// Calls `visit` with the number of each frame of the given columns of sessions, the frame and
    /// its classes. The frame can have more columns. If classification needs no events, sessions
    /// that are not classified yet are classified in the same read.
    pub fn visit_classes(
        &self,
        days: (Day, Day),
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame, &FrameClasses) -> Result<()> + Sync),
    ) -> Result<()> {
        let tables = self.source();
        let mut offset = 0;
        for days in self.chunks(Some(days)) {
            if self.classifier.events().is_empty() && self.known(days).is_none() {
                let classified =
                    self.classify(tables, days, (&[], false), columns, &|number, frame, classes| {
                        visit(offset + number, frame, classes)
                    })?;
                offset += classified.map_or(0, |classes| classes.len());
                continue;
            }
            let classes = self.classes(days)?;
            tables.read_each(Table::Sessions, Some(days), columns, &|number, frame| {
                let of_frame = classes.get(number);
                of_frame.map_or(Ok(()), |(_, classes)| visit(offset + number, frame, classes))
            })?;
            offset += classes.len();
        }
        Ok(())
    }

    /// Returns the number of the set of classes of each session, for each frame of the given days.
    pub fn row_sets(&self, days: (Day, Day), sets: &GroupSets) -> Result<Vec<RowSets>> {
        let mut found = Vec::new();
        for days in self.chunks(Some(days)) {
            let classes = self.classes(days)?;
            found.par_extend(classes.par_iter().map(|(_, classes)| Arc::new(classes.row_sets(sets))));
        }
        Ok(found)
    }

    /// Returns the tables that are classified, with the sessions of all classes.
    pub fn tables(&self) -> &dyn Tables {
        self.tables
    }

    /// Returns the filter of the sessions, if no session is classified yet.
    fn unclassified(&self) -> Option<Unclassified<'_>> {
        let filter = self.classifier.as_filter().filter(|filter| filter.has_few_conditions())?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_empty().then_some(Unclassified { tables: self.tables, filter })
    }

    /// Splits days into ranges that are classified one after another, so that memory is bounded.
    fn chunks(&self, days: Option<(Day, Day)>) -> Vec<(Day, Day)> {
        let Some((first, last)) = self.tables.days() else { return days.into_iter().collect() };
        let (from, to) = days.map_or((first, last), |(from, to)| (from.max(first), to.min(last)));
        let mut chunks = Vec::new();
        let mut start = from;
        while start <= to {
            let mut end = start.plus(MAX_DAYS - 1).min(to);
            while end > start
                && !self.classifier.events().is_empty()
                && self.tables.estimated_rows(Table::Events, Some((start, end))) > MAX_EVENTS
            {
                end = Day(start.0 + (end.0 - start.0) / 2);
            }
            chunks.push((start, end));
            start = end.plus(1);
        }
        chunks
    }

    /// Returns the classes of the frames of the given days.
    fn classes(&self, days: (Day, Day)) -> Result<Arc<ReadClasses>> {
        if let Some(classes) = self.known(days) {
            return Ok(classes);
        }
        let events = self.read_events(days)?;
        let read =
            |visitor_ids| self.classify(self.source(), days, (&events, visitor_ids), &[], &|_, _, _| Ok(()));
        // Sessions without a session id are rare, and the other ids are large columns.
        match read(false)? {
            Some(classes) => Ok(classes),
            None => Ok(read(true)?.unwrap_or_default()),
        }
    }

    /// Returns the classes of the frames of the given days, if they are classified.
    fn known(&self, days: (Day, Day)) -> Option<Arc<ReadClasses>> {
        // A panic of another thread leaves the map intact.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(classes) = known.get(&days) {
            return Some(Arc::clone(classes));
        }
        let within = |known: &&(Day, Day)| known.0 <= days.0 && days.1 <= known.1;
        let wider = known.iter().find(|(known, _)| within(known)).map(|(_, classes)| Arc::clone(classes));
        drop(known);
        // The frames of fewer days are in the same order.
        let wider = wider.filter(|wider| wider.iter().all(|(day, _)| day.is_some()))?;
        let is_in = |day: &Option<Day>| day.is_some_and(|day| days.0 <= day && day <= days.1);
        Some(Arc::new(wider.iter().filter(|(day, _)| is_in(day)).cloned().collect()))
    }

    /// Classifies the sessions of the given days by the values of their events. Calls `visit` with
    /// the number of each frame of the given columns and of those that classification needs, the
    /// frame and its classes. Returns `None` if a session has no session id and `visitor_ids` is
    /// not set.
    ///
    /// No lock is held while reading: a thread that waits for a part of its read may start another
    /// read in the meantime. Concurrent reads can therefore classify the same sessions.
    fn classify(
        &self,
        tables: &dyn Tables,
        days: (Day, Day),
        (events, visitor_ids): (&[EventValues], bool),
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame, &FrameClasses) -> Result<()> + Sync),
    ) -> Result<Option<Arc<ReadClasses>>> {
        let zone = self.tables.zone();
        let all = with_columns(columns, self.columns(visitor_ids));
        let classes = map_frames(tables, Table::Sessions, Some(days), &all, |number, frame| {
            if !events.is_empty() && !visitor_ids && frame.null_count("session_id") != Some(0) {
                return Ok(None);
            }
            let day = first_day(frame, zone)?;
            let classes = self.classify_frame(frame, events)?;
            visit(number, frame, &classes)?;
            Ok(Some((day, classes)))
        })?;
        let Some(classes) = classes.into_iter().collect::<Option<ReadClasses>>() else { return Ok(None) };
        Ok(Some(self.insert(days, classes)))
    }

    /// Stores the classes of the frames of the given days.
    fn insert(&self, days: (Day, Day), classes: ReadClasses) -> Arc<ReadClasses> {
        let classes = Arc::new(classes);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(days, Arc::clone(&classes));
        classes
    }

    /// Calls `visit` with the number of each frame of sessions, and a frame of the sessions of a
    /// class, with the given columns. If `selection` is given, these are only the sessions that it
    /// selects.
    fn visit_class(
        &self,
        days: Option<(Day, Day)>,
        (columns, selection): (&[&str], Option<&dyn RowSelection>),
        class: u32,
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        if self.source.is_some() {
            // The columns for classification do not belong in the cache.
            self.prepare(days)?;
        }
        let mut offset = 0;
        for days in self.chunks(days) {
            let read = (Table::Sessions, Some(days));
            let visit = |number: usize, frame: &Frame| visit(offset + number, frame);
            if self.classifier.events().is_empty() && self.known(days).is_none() {
                let of_class = NewlyClassified { sessions: self, class, found: Mutex::default() };
                let selected = InClass { of_class: &of_class, selection, offset };
                self.tables.read_selected(read, columns, &selected, &visit)?;
                let mut found = of_class.found.into_inner().unwrap_or_else(PoisonError::into_inner);
                found.sort_unstable_by_key(|(number, _)| *number);
                offset += found.len();
                self.insert(days, found.into_iter().map(|(_, classes)| classes).collect());
                continue;
            }
            let classes = self.classes(days)?;
            let of_class = Classified { classes: &classes, class };
            let selected = InClass { of_class: &of_class, selection, offset };
            self.tables.read_selected(read, columns, &selected, &visit)?;
            offset += classes.len();
        }
        Ok(())
    }

    fn classify_frame(&self, frame: &Frame, events: &[EventValues]) -> Result<FrameClasses> {
        let classes = self.classifier.classify(frame, &mut SessionEvents::new(frame, events)?)?;
        Ok(match &self.merge {
            Some(merge) => merge.apply(&classes),
            None => classes,
        })
    }

    /// Returns the columns of sessions that classification needs, with or without the ids of
    /// visitors.
    fn columns(&self, visitor_ids: bool) -> Vec<&'static str> {
        let keys: &[&str] = match (self.classifier.events().is_empty(), visitor_ids) {
            (true, _) => &[],
            (false, false) => &["started_at", "ended_at", "chatbot_id", "session_id"],
            (false, true) => {
                &["started_at", "ended_at", "chatbot_id", "session_id", "anonymous_id", "user_id"]
            }
        };
        with_columns(keys, self.classifier.columns())
    }

    /// Reads the event values of the sessions that started on the given days.
    fn read_events(&self, days: (Day, Day)) -> Result<Vec<EventValues>> {
        if self.classifier.events().is_empty() {
            return Ok(Vec::new());
        }
        let ends = map_frames(self.source(), Table::Sessions, Some(days), &["ended_at"], |_, frame| {
            Ok(frame.ints("ended_at")?.iter().flatten().max())
        })?;
        let Some(last) = ends.into_iter().flatten().max() else {
            return Ok(self.classifier.events().iter().map(|_| EventValues::default()).collect());
        };
        self.events_between(self.tables.zone().start_of(days.0), last)
    }

    fn events_between(&self, first: Micros, last: Micros) -> Result<Vec<EventValues>> {
        let dates = (Day::utc(first), Day::utc(last));
        let read = |classifier: &&dyn EventClassifier| EventValues::read(self.source(), *classifier, dates);
        self.classifier.events().iter().map(read).collect()
    }

    /// Calls `visit` with each frame of the sessions that ended at `time` or later, and with its
    /// classes.
    pub fn visit_ended_since(
        &self,
        time: Micros,
        columns: &[&str],
        visit: &(dyn Fn(&Frame, &FrameClasses) -> Result<()> + Sync),
    ) -> Result<()> {
        let (frames, events) = self.ended_since(time, columns)?;
        frames.par_iter().try_for_each(|frame| visit(frame, &self.classify_frame(frame, &events)?))
    }

    /// Reads sessions of a class that ended at `time` or later.
    fn read_ended_since(&self, time: Micros, columns: &[&str], class: u32) -> Result<Vec<Frame>> {
        let (frames, events) = self.ended_since(time, columns)?;
        let select = |frame: &Frame| frame.gather(self.classify_frame(frame, &events)?.rows(class));
        frames.par_iter().map(select).collect()
    }

    /// Reads the sessions that ended at `time` or later, with the columns for their classification,
    /// and the values of their events.
    fn ended_since(&self, time: Micros, columns: &[&str]) -> Result<(Vec<Frame>, Vec<EventValues>)> {
        let all = with_columns(columns, self.columns(true).into_iter().chain(["started_at", "ended_at"]));
        let ended = |frame: Frame| {
            let ends = frame.ints("ended_at")?;
            frame.filter(ends.iter().map(|end| end.is_some_and(|end| end >= time)))
        };
        let frames = self.tables.read_sessions_ended_since(time, &all)?;
        let frames = frames.into_iter().map(ended).collect::<Result<Vec<Frame>>>()?;
        let mut range: Option<(Micros, Micros)> = None;
        for frame in &frames {
            let (starts, ends) = (frame.ints("started_at")?, frame.ints("ended_at")?);
            for (start, end) in starts.iter().flatten().zip(ends.iter().flatten()) {
                range = Some(range.map_or((start, end), |(a, b)| (a.min(start), b.max(end))));
            }
        }
        // Without sessions, there is nothing to classify.
        let events = range.map_or(Ok(Vec::new()), |(first, last)| self.events_between(first, last))?;
        Ok((frames, events))
    }
}

/// Returns the day of the first session of a frame; `None` if the frame does not have its start.
fn first_day(frame: &Frame, zone: Zone) -> Result<Option<Day>> {
    if frame.column_names().all(|name| name != "started_at") {
        return Ok(None);
    }
    Ok(frame.ints("started_at")?.get(0).map(|start| zone.day(start)))
}

/// Selects the sessions of a class, and collects the classes of all sessions. Classification needs
/// no events.
struct NewlyClassified<'a> {
    sessions: &'a ClassifiedSessions<'a>,
    class: u32,
    /// The classes of each frame, with its number.
    found: Mutex<Vec<(usize, ClassesOfDay)>>,
}

impl RowSelection for NewlyClassified<'_> {
    fn columns(&self) -> Vec<&'static str> {
        self.sessions.columns(false)
    }

    fn rows(&self, number: usize, frame: &Frame) -> Result<Vec<u32>> {
        let day = first_day(frame, self.sessions.tables.zone())?;
        let classes = self.sessions.classify_frame(frame, &[])?;
        let rows = classes.rows(self.class).to_vec();
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push((number, (day, classes)));
        Ok(rows)
    }
}

/// Selects the sessions of a class whose classes are known.
struct Classified<'a> {
    classes: &'a ReadClasses,
    class: u32,
}

impl RowSelection for Classified<'_> {
    fn columns(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn rows(&self, number: usize, _: &Frame) -> Result<Vec<u32>> {
        Ok(self.classes.get(number).map_or(Vec::new(), |(_, classes)| classes.rows(self.class).to_vec()))
    }
}

/// Selects the sessions of a class that another selection, if given, also selects.
struct InClass<'a> {
    of_class: &'a dyn RowSelection,
    selection: Option<&'a dyn RowSelection>,
    /// The number of frames of earlier chunks.
    offset: usize,
}

impl RowSelection for InClass<'_> {
    fn columns(&self) -> Vec<&'static str> {
        let selection = self.selection.map(|selection| selection.columns()).unwrap_or_default();
        with_columns(&self.of_class.columns(), selection)
    }

    fn rows(&self, number: usize, frame: &Frame) -> Result<Vec<u32>> {
        let rows = self.of_class.rows(number, frame)?;
        let Some(selection) = self.selection else { return Ok(rows) };
        let of_class = frame.gather_columns(&selection.columns(), &rows)?;
        let selected = selection.rows(self.offset + number, &of_class)?;
        Ok(selected.into_iter().filter_map(|row| rows.get(row as usize).copied()).collect())
    }
}

/// The tables of one class, which contain only its sessions.
pub(crate) struct ClassTables<'a> {
    sessions: &'a ClassifiedSessions<'a>,
    class: u32,
}

impl Tables for ClassTables<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        match table {
            Table::Sessions => map_frames(self, table, days, columns, |_, frame| Ok(frame.clone())),
            _ => self.sessions.tables.read(table, days, columns),
        }
    }

    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        self.sessions.tables.estimated_rows(table, days)
    }

    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let ClassifiedSessions { tables, .. } = self.sessions;
        if table != Table::Sessions {
            return tables.read_each(table, days, columns, visit);
        }
        self.sessions.visit_class(days, (columns, None), self.class, visit)
    }

    fn read_selected(
        &self,
        (table, days): (Table, Option<(Day, Day)>),
        columns: &[&str],
        selection: &dyn RowSelection,
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        if table != Table::Sessions {
            return self.sessions.tables.read_selected((table, days), columns, selection, visit);
        }
        self.sessions.visit_class(days, (columns, Some(selection)), self.class, visit)
    }

    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        visit: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        self.sessions.tables.read_first_seen(days, between, visit)
    }

    fn shared_shards(
        &self,
        name: &'static str,
        days: (Day, Day),
        compute: &dyn Fn() -> Result<Vec<Vec<u64>>>,
    ) -> Result<SharedShards> {
        self.sessions.tables.shared_shards(name, days, compute)
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        self.sessions.read_ended_since(time, columns, self.class)
    }

    fn is_filtered(&self) -> bool {
        true
    }

    fn unclassified(&self) -> Option<Unclassified<'_>> {
        self.sessions.unclassified()
    }

    fn facts(&self) -> &dyn TableFacts {
        self.sessions.tables.facts()
    }

    // The inner tables may cache the ledger.
    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.sessions.tables.ledger()
    }
}
