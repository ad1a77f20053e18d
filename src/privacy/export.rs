//! Writes events so that an ingest takes them back: the same rows come of them.
//!
//! A line has the fields of the log: what is derived from them is derived again. The id stands in
//! `event_id`, and what no column holds stands beside the known fields, as it did in the log.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::identity_resolution::{EVENT_COLUMNS, IdentityColumns, ResolvedIdentity, resolve};
use super::shared_ids::SharedIds;
use crate::enrich::{Enricher, SourceFields};
use crate::error::{Error, Result};
use crate::identity::identifier::Identifier;
use crate::ingest::Field;
use crate::ingest::parse::fields::Spelling;
use crate::render;
use crate::store::columns::{EVENTS, Table};
use crate::store::frame::{Cell, Cells, Frame, RecordReader};
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros, format_utc};

/// The columns that an ingest works out by itself.
const DERIVED: [&str; 10] = [
    "referrer_domain",
    "channel",
    "browser_name",
    "browser_version",
    "os_name",
    "os_version",
    "device_type",
    "is_bot",
    "created_at",
    "extra",
];

/// How many lines are made harmless at a time, for a terminal.
const ROWS_SHOWN: usize = 256;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// NDJSON, which an ingest takes back.
    #[default]
    Ndjson,
    /// CSV: all columns of `events`, with a header.
    Csv,
}

/// What is to be exported.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// Whose events; everybody's where empty.
    pub identifiers: Vec<Identifier>,
    /// The days of the events in the store's time zone, both included; all where `None`.
    pub days: Option<(Day, Day)>,
    /// The chatbots; all where empty.
    pub chatbots: Vec<String>,
    /// How they are written.
    pub form: Form,
    /// Where the secret key lies, if not in the store.
    pub key_file: Option<PathBuf>,
    /// Whether they go to a terminal: then what one acts upon is escaped.
    pub terminal: bool,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportStats {
    /// Events.
    pub events: u64,
    /// Sessions of the persons, on whatever day and of whatever chatbot.
    pub sessions: u64,
    /// Those of them whose events are gone by retention, so that nothing of them is in the export; counted
    /// where neither days nor chatbots were asked for.
    pub sessions_without_events: u64,
}

/// Why an export ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The store could not be read.
    Store(Error),
    /// The output could not be written.
    Output(io::Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Store(error)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Output(error)
    }
}

/// Writes the events, file by file.
///
/// # Errors
/// Where the store cannot be read, or the output not be written.
pub fn export(
    snapshot: &Snapshot,
    options: &ExportOptions,
    out: &mut dyn Write,
) -> Result<ExportStats, Stopped> {
    Prepared::of(snapshot, options.clone())?.write(out)
}

/// An export of which nothing is written yet: so far it can start again on a newer state of the
/// store.
#[derive(Debug)]
pub struct Prepared {
    options: ExportOptions,
    /// With the files of events open: no writer can take them away from here on.
    snapshot: Snapshot,
    /// Whose events; everybody's where `None`.
    identity: Option<ResolvedIdentity>,
}

impl Prepared {
    /// Opens the files, and finds whose events are wanted.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn of(snapshot: &Snapshot, options: ExportOptions) -> Result<Prepared> {
        let snapshot = snapshot.hold(Table::Events, dates(&options))?;
        let identity = match options.identifiers.is_empty() {
            true => None,
            false => {
                let ledger = Ledger::of(&snapshot)?;
                let shared = SharedIds::of(&snapshot, &ledger, options.key_file.as_deref())?;
                Some(resolve(&snapshot, &options.identifiers, &shared)?)
            }
        };
        Ok(Prepared { options, snapshot, identity })
    }

    /// Returns what is exported.
    pub fn options(&self) -> &ExportOptions {
        &self.options
    }

    /// Returns the first and the last day that hold data.
    pub fn days(&self) -> Option<(Day, Day)> {
        self.snapshot.days()
    }

    /// Returns the last UTC date of which events are pruned.
    pub fn events_pruned_through(&self) -> Option<Day> {
        self.snapshot.manifest().events_pruned_through
    }

    /// Writes the events, file by file.
    ///
    /// # Errors
    /// Where the store cannot be read, or the output not be written.
    pub fn write(&self, out: &mut dyn Write) -> Result<ExportStats, Stopped> {
        let Prepared { options, snapshot, identity } = self;
        let zone = snapshot.zone();
        let mut files = snapshot.files_in(Table::Events, dates(options));
        files.sort_by(|a, b| (a.day, a.min_time, &a.path).cmp(&(b.day, b.min_time, &b.path)));
        let mut exported = ExportStats::default();
        let mut seen: HashSet<(u128, Micros)> = HashSet::new();
        let names: Vec<&str> = EVENTS.iter().map(|column| column.name).collect();
        if options.form == Form::Csv {
            out.write_all(render::events::csv_header()?.as_bytes())?;
        }
        for file in files {
            let looked = snapshot.read_file(file, Some(&EVENT_COLUMNS))?;
            let ids = IdentityColumns::of(&looked, Table::Events)?;
            let wanted: Vec<usize> = (0..looked.height())
                .filter(|&row| {
                    let (chatbot, ..) = ids.key_parts(row);
                    let day = zone.day(ids.from.or_zero(row));
                    (options.chatbots.is_empty() || options.chatbots.iter().any(|wanted| wanted == chatbot))
                        && options.days.is_none_or(|(from, to)| from <= day && day <= to)
                        && identity.as_ref().is_none_or(|identity| is_theirs(identity, &ids, row, &mut seen))
                })
                .collect();
            if wanted.is_empty() {
                continue;
            }
            exported.events += wanted.len() as u64;
            let frame = snapshot.read_file(file, Some(&names))?;
            match options.form {
                Form::Ndjson if options.terminal => {
                    for rows in wanted.chunks(ROWS_SHOWN) {
                        let mut lines = Vec::new();
                        ndjson(&frame, rows, &mut lines)?;
                        let lines = String::from_utf8(lines).map_err(io::Error::other)?;
                        out.write_all(render::text::escape_json_control(lines).as_bytes())?;
                    }
                }
                Form::Ndjson => ndjson(&frame, &wanted, out)?,
                Form::Csv => csv(&frame, &wanted, options.terminal, out)?,
            }
        }
        if let Some(identity) = identity {
            exported.sessions = identity.sessions.len();
            if options.days.is_none() && options.chatbots.is_empty() {
                exported.sessions_without_events = exported.sessions.saturating_sub(seen.len() as u64);
            }
        }
        Ok(exported)
    }
}

/// Returns the dates of the files in which the wanted days lie: a day of a zone can reach into the UTC
/// dates beside it.
fn dates(options: &ExportOptions) -> Option<(Day, Day)> {
    options.days.map(|(from, to)| (from.plus(-1), to.plus(1)))
}

fn is_theirs(
    identity: &ResolvedIdentity,
    ids: &IdentityColumns,
    row: usize,
    seen: &mut HashSet<(u128, Micros)>,
) -> bool {
    let key = ids.key(row);
    match identity.sessions.span(key, ids.from.or_zero(row)) {
        Some((from, _)) => {
            seen.insert((key, from));
            true
        }
        None => !ids.carried(row, &identity.identifiers).is_empty(),
    }
}

fn csv(frame: &Frame, rows: &[usize], terminal: bool, out: &mut dyn Write) -> Result<(), Stopped> {
    let reader = RecordReader::all_columns(frame, Table::Events)?;
    for &row in rows {
        let row = render::csv::record(&reader.record(row), terminal);
        out.write_all(render::csv::encode(&[row])?.as_bytes())?;
    }
    Ok(())
}

/// Writes rows of a frame of whole events as lines.
///
/// # Errors
/// Where the frame has not the columns of `events`, or the output cannot be written.
pub fn ndjson(frame: &Frame, rows: &[usize], out: &mut dyn Write) -> Result<(), Stopped> {
    let cells = EVENTS
        .iter()
        .map(|column| Ok((column.name, frame.cells(column)?)))
        .collect::<Result<Vec<(&'static str, Cells)>>>()?;
    // Without places, and its rules are read when they are asked for.
    let enricher = Enricher::new(None)?;
    for &row in rows {
        let line = Line::of(&cells, row)?;
        line.write(&enricher, out)?;
    }
    Ok(())
}

/// The fields of an event, as they are to be written: JSON text by key.
struct Line<'a> {
    chatbot_id: &'a str,
    fields: Vec<(&'static str, String)>,
    extra: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(cells: &'a [(&'static str, Cells)], row: usize) -> Result<Line<'a>> {
        let mut line = Line { chatbot_id: "", fields: Vec::with_capacity(16), extra: None };
        let mut id = None;
        for (name, column) in cells {
            let cell = column.get(row);
            match (*name, cell) {
                ("chatbot_id", Cell::Text(text)) => line.chatbot_id = text,
                ("extra", Cell::Json(text)) => line.extra = Some(text),
                ("id", Cell::Text(text)) => id = Some(text),
                _ => {}
            }
            if *name == "id" || DERIVED.contains(name) {
                continue;
            }
            let text = match cell {
                Cell::Text(text) => quoted(text)?,
                Cell::Json(text) => text.to_owned(),
                Cell::Int(number) => number.to_string(),
                Cell::Time(time) => time_text(time),
                _ => continue,
            };
            line.fields.push((*name, text));
        }
        // The log's own id leads to the same id of the event.
        if let Some(id) = id.filter(|_| !line.has("event_id")) {
            line.fields.insert(0, ("event_id", quoted(id)?));
        }
        Ok(line)
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| *field == name)
    }

    fn is(&self, name: &str, text: &str) -> bool {
        self.fields.iter().any(|(field, value)| *field == name && value.trim_matches('"') == text)
    }

    /// Leaves out what the page's address says of the campaign, where the line itself says something of the
    /// wrong type: beside that there is no place for it, and an ingest finds it again.
    fn leave_campaign_to_page(&mut self, enricher: &Enricher, stands_beside: impl Fn(Field) -> bool) {
        let campaign = [Field::UtmSource, Field::UtmMedium, Field::UtmCampaign];
        if !campaign.iter().any(|field| stands_beside(*field)) {
            return;
        }
        let text = |value: &str| serde_json::from_str::<String>(value).ok();
        let page = self.fields.iter().find(|(name, _)| *name == "page_url").and_then(|(_, url)| text(url));
        let found = enricher.source(SourceFields { page_url: page.as_deref(), ..SourceFields::default() });
        for (field, found) in
            campaign.into_iter().zip([found.utm_source, found.utm_medium, found.utm_campaign])
        {
            if stands_beside(field) && found.is_some() {
                self.fields.retain(|(name, value)| *name != field.name() || text(value) != found);
            }
        }
    }

    fn write(mut self, enricher: &Enricher, out: &mut dyn Write) -> Result<(), Stopped> {
        let mut members = match self.extra {
            Some(extra) => members(extra)?,
            None => Vec::new(),
        };
        let is = |key: &str, wanted: Field| {
            Field::from_key(key.as_bytes())
                .is_some_and(|(field, spelling)| field == wanted && spelling != Spelling::Short)
        };
        // What the log gave as an id and is none has no place beside the id that the event got.
        let all = members.len();
        members.retain(|(key, _)| !is(key, Field::EventId));
        let whole = members.len() == all;
        let clash = |line: &Line<'_>, key: &str| {
            Field::from_key(key.as_bytes()).is_some_and(|(field, spelling)| {
                let beside = spelling == Spelling::Short;
                line.has(field.name()) && !(beside && matches!(field, Field::EventId | Field::IpAddress))
            })
        };
        if members.iter().any(|(key, _)| is(key, Field::EventCategory)) {
            // The category is not what the line says, but that of the event's name or the line's type.
            let typed = [("session_updated", "session"), ("user_identified", "identify")];
            let typed = typed.into_iter().find(|(name, _)| self.is("event_name", name));
            if let Some((_, kind)) = typed.filter(|_| self.is("event_category", "system")) {
                self.fields.retain(|(name, _)| *name != "event_name");
                self.fields.push(("type", quoted(kind)?));
            }
            self.fields.retain(|(name, _)| *name != "event_category");
        }
        self.leave_campaign_to_page(enricher, |field| members.iter().any(|(key, _)| is(key, field)));
        let Some(last) = members.iter().rposition(|(key, _)| clash(&self, key)) else {
            let mut line = self.object();
            line.pop();
            match self.extra.and_then(|extra| extra.trim().strip_prefix('{')).filter(|_| whole) {
                // As it is, down to the escapes in its keys.
                Some(extra) if !members.is_empty() => line.extend([",", extra]),
                _ => {
                    add(&mut line, &members)?;
                    line.push('}');
                }
            }
            line.push('\n');
            return Ok(out.write_all(line.as_bytes())?);
        };
        // A field that an envelope gave with the wrong type, and the event with the right one.
        let (outer, inner) = members.split_at(last + 1);
        let mut line = format!("{{\"chatbot_id\":{}", quoted(self.chatbot_id)?);
        add(&mut line, outer)?;
        let mut event = self.object();
        event.pop();
        add(&mut event, inner)?;
        line.push_str(&format!(",\"events\":[{event}}}]}}\n"));
        Ok(out.write_all(line.as_bytes())?)
    }

    fn object(&self) -> String {
        let mut text = String::with_capacity(512);
        for (name, value) in &self.fields {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&format!("\"{name}\":"));
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

/// Writes an object of members.
pub(crate) fn object(members: &[(String, &RawValue)]) -> Result<String> {
    let mut text = String::from("{");
    add(&mut text, members)?;
    // Each member begins with a comma.
    if text.len() > 1 {
        text.remove(1);
    }
    text.push('}');
    Ok(text)
}

/// Adds members to an object that has some already, and is not closed yet.
fn add(object: &mut String, members: &[(String, &RawValue)]) -> Result<()> {
    for (key, value) in members {
        object.push_str(&format!(",{}:{}", quoted(key)?, value.get()));
    }
    Ok(())
}

fn quoted(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|e| Error::failed("cannot write an event as JSON").caused_by(e))
}

/// Writes a time as an ingest reads it: RFC 3339, or microseconds where the year has not four digits.
fn time_text(time: Micros) -> String {
    // 0001-01-01 to 9999-12-31.
    const YEARS: std::ops::RangeInclusive<Micros> = -62_135_596_800_000_000..=253_402_300_799_999_999;
    if YEARS.contains(&time) { format!("\"{}\"", format_utc(time)) } else { time.to_string() }
}

/// Returns the members of an object of JSON, in order.
pub(crate) fn members(object: &str) -> Result<Vec<(String, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(object)
        .deserialize_map(Members)
        .map_err(|e| Error::failed("an event's extra cannot be read").caused_by(e))
}
