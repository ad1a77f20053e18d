//! Explains why an ingest rejected everything: the form of the lines, and the next step.

use std::collections::BTreeMap;

use serde::Serialize;

use super::parse::rejected::RejectReason;
use super::parse::{ParseOptions, Parser};
use super::shape::keys::shorten;
use super::shape::nearest::Nearest;
use super::shape::{fault, shape};
use super::stored_reject::{RejectReader, StoredReject};
use super::summary::IngestCounts;
use crate::enrich::Enricher;
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;

/// The largest number of samples of a reason.
const MAX_SAMPLES: usize = 3;

/// The first rejected lines of each reason.
#[derive(Debug, Default)]
pub struct RejectSamples(BTreeMap<RejectReason, Vec<RejectRecord>>);

impl RejectSamples {
    /// Adds a line, unless there are enough lines with its reason.
    pub fn add(&mut self, reason: RejectReason, record: &RejectRecord) {
        let samples = self.0.entry(reason).or_default();
        if samples.len() < MAX_SAMPLES {
            samples.push(record.clone());
        }
    }
}

/// An explanation of an ingest that rejected everything.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The most frequent reason.
    pub reason: RejectReason,
    /// Number of events that were rejected for this reason.
    pub events: u64,
    /// Samples of the lines.
    pub samples: Vec<ExplainedLine>,
    /// The form of the lines.
    pub form: String,
    /// The keys of the lines.
    pub keys: Vec<String>,
    /// The likely columns, each with the path of its key.
    pub likely: BTreeMap<&'static str, String>,
    /// The built-in map that matches best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
}

/// A rejected line and the reason.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedLine {
    /// Name of the file.
    pub file: String,
    /// Line number.
    pub line: u64,
    /// The value at fault.
    pub fault: String,
    /// The beginning of the line.
    pub text: String,
}

/// Explains an ingest; `None` unless it rejected everything.
pub fn explain(
    total: &IngestCounts,
    samples: &RejectSamples,
    options: &ParseOptions,
    enricher: &Enricher,
) -> Option<Explanation> {
    let accepted = total.stored + total.duplicate + total.already_pruned + total.forgotten;
    if accepted > 0 {
        return None;
    }
    let (reason, events) =
        total.rejected.iter().max_by_key(|(reason, events)| (**events, std::cmp::Reverse(**reason)))?;
    let records = samples.0.get(reason).map_or(&[][..], Vec::as_slice);
    let mut parser = Parser::tracing();
    let mut reader = RejectReader::new(None, SecretKey::from_bytes(options.visitor_key));
    let lines = records.iter().map(|record| {
        let raw = record.raw_bytes();
        let fields = match reader.read(record) {
            Ok(StoredReject::Block(block)) => {
                let (mut parsed, _) = parser.parse(*block, options, enricher);
                parsed.rejected.pop().map(|rejected| rejected.fields).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        ExplainedLine {
            file: record.file.clone(),
            line: record.line,
            fault: fault::describe(*reason, &fields, &raw, record.columns.as_ref().map(Vec::len)),
            text: shorten(&String::from_utf8_lossy(&raw)),
        }
    });
    let lines: Vec<ExplainedLine> = lines.collect();
    let file = lines.first().map_or("-", |line| line.file.as_str());
    let mut texts: Vec<String> =
        records.iter().map(|record| String::from_utf8_lossy(&record.raw_bytes()).into_owned()).collect();
    if let Some(columns) = records.first().and_then(|record| record.columns.as_ref()) {
        // Stored rows do not include the header.
        texts.insert(0, header(columns));
    }
    let shape = shape(file, &texts, None);
    Some(Explanation {
        reason: *reason,
        events: *events,
        form: shape.form,
        // The names of the groups are those of the guessed pattern, not keys of the log.
        keys: match shape.reader {
            "text" => Vec::new(),
            _ => shape.keys.into_iter().map(|key| key.place).collect(),
        },
        likely: shape.guesses,
        nearest: shape.nearest,
        samples: lines,
    })
}

/// Returns the names of columns as a row of CSV.
fn header(columns: &[String]) -> String {
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    columns.iter().map(quoted).collect::<Vec<_>>().join(",")
}
