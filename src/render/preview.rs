//! Lays out the previews of `wa preview`.

use super::Style;
use super::layout::{Column, Section};
use super::numbers::{group_digits, pluralize};
use super::table::draw_section;
use super::text::{escape_control, wrap};
use crate::ingest::preview::{ColumnPreview, FilePreview, NamePreview, Preview, PreviewCounts};
use crate::ingest::shape::Shape;
use crate::ingest::shape::keys::Key;

/// The maximum number of keys or names in a table.
const MAX_ROWS: usize = 40;
/// The maximum length of a sample in a table, in characters.
const SAMPLE_LENGTH: usize = 48;
/// The maximum width of tables, even in a pipe, because samples can be long.
const MAX_WIDTH: usize = 140;

/// Returns the previews of all files.
pub(crate) fn preview_table(preview: &Preview, style: &Style) -> String {
    let style = &Style { width: style.width.min(MAX_WIDTH), ..*style };
    preview.files.iter().map(|file| file_text(file, style)).collect::<Vec<_>>().join("\n")
}

fn file_text(file: &FilePreview, style: &Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.line(&file.file);
    if let Some(error) = &file.error {
        page.line(&format!("error: {error}"));
    }
    if file.error.is_some() && file.counts.read == 0 && file.shape.is_none() {
        return page.text;
    }
    if file.counts.read == 0 && file.shape.is_none() {
        page.line("the file has no records");
        return page.text;
    }
    let format = &file.format;
    let mut name = format.map.clone().unwrap_or_else(|| "none".to_owned());
    if format.map.is_none() && format.fits {
        name = "wa".to_owned();
    }
    for within in &format.within {
        name.push_str(&format!(", within it {within}"));
    }
    let about = if format.fits { format!(" ({})", format.about) } else { String::new() };
    page.line(&format!("format: {name}{about}"));
    page.line(&format!("why: {}", format.why));
    counts(&mut page, &file.counts);
    if file.counts.events > 0 {
        sessions(&mut page, file);
    }
    columns(&mut page, &file.columns);
    keys(&mut page, "property", &file.properties);
    keys(&mut page, "unknown field, stored in extra", &file.unknown);
    names(&mut page, &file.names);
    rejected(&mut page, file);
    if let Some(shape) = &file.shape {
        self::shape(&mut page, shape);
    }
    page.text
}

/// The text written so far.
struct Page<'a> {
    text: String,
    style: &'a Style,
}

impl Page<'_> {
    /// Adds a line; a long one is wrapped.
    fn line(&mut self, line: &str) {
        let line = escape_control(line);
        let lines = wrap(&line, self.style.width.saturating_sub(2).max(20));
        self.text.push_str(&format!("{}\n", lines.join("\n  ")));
    }

    fn section(&mut self, section: &Section) {
        if !section.rows.is_empty() {
            self.text.push_str(&format!("\n{}", draw_section(section, self.style)));
        }
    }

    fn more(&mut self, all: usize) {
        if all > MAX_ROWS {
            self.line(&format!("and {} more", group_digits((all - MAX_ROWS) as u64)));
        }
    }
}

fn counts(page: &mut Page<'_>, counts: &PreviewCounts) {
    let PreviewCounts { read, events, duplicate, ignored, rejected, without_chatbot, utc_times, has_more } =
        counts;
    let more = if *has_more { " (the file has more: --lines N)" } else { "" };
    let rejected: u64 = rejected.values().sum();
    let figures =
        [(events, "stored"), (duplicate, "duplicate"), (ignored, "ignored"), (&rejected, "rejected")];
    let parts: Vec<String> = figures
        .into_iter()
        .filter(|(count, name)| **count > 0 || *name == "stored")
        .map(|(count, name)| format!("{} {name}", group_digits(*count)))
        .collect();
    page.line(&format!("first records: {} read{more}; {}", group_digits(*read), parts.join(", ")));
    if *without_chatbot > 0 {
        page.line(&format!(
            "{} no chatbot_id: ingest with --chatbot ID",
            pluralize(*without_chatbot, "event has", "events have")
        ));
    }
    if *utc_times > 0 {
        page.line(&format!(
            "{} read as UTC: --timezone ZONE changes that",
            pluralize(*utc_times, "time has no offset and is", "times have no offset and are")
        ));
    }
}

fn sessions(page: &mut Page<'_>, file: &FilePreview) {
    let sessions = &file.sessions;
    let (first, last) = (sessions.first.as_deref().unwrap_or(""), sessions.last.as_deref().unwrap_or(""));
    page.line(&format!(
        "sessions: {} by {}, {} with a message sent, from {first} to {last}",
        group_digits(sessions.sessions),
        pluralize(sessions.visitors, "visitor", "visitors"),
        group_digits(sessions.conversations),
    ));
}

fn columns(page: &mut Page<'_>, columns: &[ColumnPreview]) {
    let has_sources = columns.iter().any(|column| column.from.is_some());
    let mut titles = vec![Column::name("column")];
    if has_sources {
        titles.push(Column::wrapped("from"));
    }
    titles.extend([Column::number("events"), Column::wrapped("samples")]);
    let mut section = Section::new(titles);
    for column in columns {
        let mut cells = vec![column.column.clone()];
        if has_sources {
            cells.push(escape_control(column.from.as_deref().unwrap_or("")).into_owned());
        }
        cells.extend([group_digits(column.events), samples(&column.samples)]);
        section.push(cells);
    }
    page.section(&section);
}

/// Adds keys with types, counts and samples.
fn keys(page: &mut Page<'_>, title: &str, keys: &[Key]) {
    let columns = [
        Column::wrapped(title),
        Column::number("records"),
        Column::wrapped("type"),
        Column::wrapped("samples"),
    ];
    let mut section = Section::new(columns);
    for key in keys.iter().take(MAX_ROWS) {
        let types: Vec<&str> = key.types.keys().copied().collect();
        section.push([
            escape_control(&key.place).into_owned(),
            group_digits(key.count),
            types.join(", "),
            samples(&key.samples),
        ]);
    }
    page.section(&section);
    page.more(keys.len());
}

fn names(page: &mut Page<'_>, names: &[NamePreview]) {
    let columns =
        [Column::wrapped("event in the file"), Column::number("events"), Column::wrapped("stored as")];
    let mut section = Section::new(columns);
    for name in names.iter().take(MAX_ROWS) {
        let mut stored = match name.stored_as.is_empty() {
            true => "(ignored)".to_owned(),
            false => escape_control(&name.stored_as).into_owned(),
        };
        match name.suggestion {
            _ if name.standard => stored.push_str(" (standard)"),
            Some(standard) => stored.push_str(&format!(" (like {standard}? [names] of a map renames it)")),
            None => {}
        }
        section.push([escape_control(&name.name).into_owned(), group_digits(name.events), stored]);
    }
    page.section(&section);
    page.more(names.len());
}

fn rejected(page: &mut Page<'_>, file: &FilePreview) {
    let columns = [
        Column::number("line"),
        Column::wrapped("rejected as"),
        Column::wrapped("value at fault"),
        Column::text("text"),
    ];
    let mut section = Section::new(columns);
    for line in &file.rejected {
        section.push([
            line.line.to_string(),
            line.reason.name().to_owned(),
            escape_control(&line.fault).into_owned(),
            escape_control(&line.text).into_owned(),
        ]);
    }
    page.section(&section);
}

fn shape(page: &mut Page<'_>, shape: &Shape) {
    page.text.push('\n');
    page.line(&format!(
        "No event could be read. The file has {}. A map with the reader '{}' can read {}.",
        shape.form,
        shape.reader,
        pluralize(shape.records, "record", "records")
    ));
    if let Some(nearest) = &shape.nearest {
        page.line(&format!(
            "The nearest built-in map is {} ({}). It also needs {}.",
            nearest.map,
            nearest.about,
            nearest.missing.join(", ")
        ));
    }
    keys(page, "pointer", &shape.keys);
    page.text.push('\n');
    page.line("A draft of a map (wa formats show NAME prints a built-in one):");
    page.text.push('\n');
    for line in shape.skeleton.lines() {
        page.text.push_str(&format!("{}\n", escape_control(line)));
    }
}

fn samples(samples: &[String]) -> String {
    let short = |sample: &String| match sample.char_indices().nth(SAMPLE_LENGTH) {
        Some((end, _)) => format!("{}…", sample.get(..end).unwrap_or("")),
        None => sample.clone(),
    };
    samples.iter().map(|sample| escape_control(&short(sample)).into_owned()).collect::<Vec<_>>().join(" | ")
}
