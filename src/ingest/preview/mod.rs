//! Previews: how the first records of files would be read, without a store.
//!
//! - `head` reads the first records of a file and parses them.
//! - `collect` gathers columns, unknown fields, names of events and sessions from the events.
//!
//! If no event could be read, `shape` describes the records instead.

mod collect;
mod head;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::input::discovery::{Input, UnreadFiles, find_inputs};
use super::map::detect::Candidates;
use super::map::{SharedMap, presets};
use super::parse::rejected::RejectReason;
use super::shape::Shape;
use super::shape::keys::Key;
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::time::{Clock, Micros, Zone};

/// The placeholder for the chatbot of events without one, if the user does not name a chatbot.
const PLACEHOLDER_CHATBOT: &str = "--chatbot";

/// The options of a preview.
#[derive(Clone, Debug)]
pub struct PreviewOptions {
    /// Files, folders, globs, or `-` for standard input.
    pub inputs: Vec<PathBuf>,
    /// The number of records to read from each file.
    pub lines: usize,
    /// The chatbot of lines without `chatbot_id`.
    pub chatbot: Option<String>,
    /// The map that reads all files; `None` to find the format of each.
    pub map: Option<SharedMap>,
    /// The zone of times without an offset. Overrides the zone of the map.
    pub timezone: Option<Zone>,
    /// The gap after which a new session begins.
    pub session_timeout: Micros,
    /// The current time.
    pub clock: Clock,
}

/// Previews of the input files.
#[derive(Debug, Default, Serialize)]
pub struct Preview {
    /// The files.
    pub files: Vec<FilePreview>,
    /// Errors of inputs that do not exist, cannot be read or belong to a store.
    #[serde(skip)]
    pub problems: Vec<Error>,
    /// The files of input folders that are not read.
    #[serde(skip)]
    pub unread: UnreadFiles,
}

/// How the first records of a file would be read.
#[derive(Debug, Default, Serialize)]
pub struct FilePreview {
    /// Name of the file.
    pub file: String,
    /// The error if the file cannot be read, and a hint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The detected format.
    pub format: FormatPreview,
    /// Records and events that were read, by outcome.
    pub counts: PreviewCounts,
    /// The columns of the events.
    pub columns: Vec<ColumnPreview>,
    /// The keys of `properties`.
    pub properties: Vec<Key>,
    /// The fields without a column, which are stored in `extra`.
    pub unknown: Vec<Key>,
    /// The names of events.
    pub names: Vec<NamePreview>,
    /// The sessions of the events.
    pub sessions: SessionsPreview,
    /// Some rejected lines.
    pub rejected: Vec<RejectedPreview>,
    /// The records, if no event could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// The format of a file.
#[derive(Debug, Default, Serialize)]
pub struct FormatPreview {
    /// The map that reads the file; `None` for native lines.
    pub map: Option<String>,
    /// The maps that read the values inside its wrapping.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// The map's description of the format.
    pub about: String,
    /// Whether any format matches.
    pub fits: bool,
    /// The reason why the format was chosen.
    pub why: String,
}

/// Counts of the records that were read.
#[derive(Debug, Default, Serialize)]
pub struct PreviewCounts {
    /// Events read.
    pub read: u64,
    /// Events that would be stored.
    pub events: u64,
    /// Events with the id of an earlier one.
    pub duplicate: u64,
    /// Records that the map ignores.
    pub ignored: u64,
    /// Rejected lines, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Events without a chatbot.
    pub without_chatbot: u64,
    /// Times without an offset that were read as UTC.
    pub utc_times: u64,
    /// Whether the file has more records.
    pub has_more: bool,
}

/// A column of the events.
#[derive(Debug, Default, Serialize)]
pub struct ColumnPreview {
    /// Name of the column.
    pub column: String,
    /// The expression in the map; `None` without a map, or for a derived column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Number of events that have it.
    pub events: u64,
    /// Some distinct values.
    pub samples: Vec<String>,
}

/// An event name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct NamePreview {
    /// The name in the file.
    pub name: String,
    /// The name that is stored; empty for ignored events.
    pub stored_as: String,
    /// Number of events.
    pub events: u64,
    /// Whether it is a standard event.
    pub standard: bool,
    /// The standard event that it may mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<&'static str>,
}

/// The sessions that the events form.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionsPreview {
    /// Sessions.
    pub sessions: u64,
    /// Sessions with a message sent.
    pub conversations: u64,
    /// Distinct visitors.
    pub visitors: u64,
    /// The time of the first event, in UTC.
    pub first: Option<String>,
    /// The time of the last event, in UTC.
    pub last: Option<String>,
}

/// A rejected line.
#[derive(Debug, Serialize)]
pub struct RejectedPreview {
    /// Line number.
    pub line: u64,
    /// The reason.
    pub reason: RejectReason,
    /// The value for which it was rejected.
    pub fault: String,
    /// The beginning of its text.
    pub text: String,
}

/// Previews files.
///
/// # Errors
/// Fails if the enricher cannot be created. Errors of files are in the result.
pub fn preview(options: &PreviewOptions, progress: &dyn Progress) -> Result<Preview> {
    let enricher = Enricher::new(None)?;
    let candidates = Arc::new(presets::candidates());
    let found = find_inputs(&options.inputs, std::path::Path::new(""));
    let mut preview = Preview { files: Vec::new(), problems: found.problems, unread: found.unread };
    progress.set_total(found.files.len() as u64);
    for input in &found.files {
        progress.set_step(&input.name());
        preview.files.push(preview_file(input, options, &candidates, &enricher));
        progress.advance(1);
    }
    Ok(preview)
}

fn preview_file(
    input: &Input,
    options: &PreviewOptions,
    candidates: &Arc<Candidates>,
    enricher: &Enricher,
) -> FilePreview {
    let file = input.name();
    match head::read(input, options, candidates, enricher) {
        Ok(head) => FilePreview { file: file.clone(), ..collect::collect(head, &file, options) },
        Err(error) => {
            let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            FilePreview { file, error: Some(format!("{error}{hint}")), ..FilePreview::default() }
        }
    }
}

#[cfg(test)]
mod tests;
