//! Adds the rejected lines of a source, except those of forgotten people.

use super::report::MergedRejects;
use super::run::MergeRun;
use crate::enrich::Enricher;
use crate::error::Result;
use crate::event::Event;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::parse::{ParseOptions, Parser};
use crate::ingest::stored_reject::{RejectReader, StoredReject};
use crate::store::Snapshot;
use crate::store::rejects::rewrite::records;
use crate::store::rejects::{self, RejectIndex, RejectRecord};
use crate::store::transaction::Transaction;

/// Recognizes the rejected lines of forgotten people.
pub(super) struct RejectFilter(Option<LineReader>);

/// Reads stored lines to find the ids in them.
struct LineReader {
    suppression: Suppression,
    reader: RejectReader,
    parser: Parser,
    options: ParseOptions,
    enricher: Enricher,
}

impl RejectFilter {
    /// Returns the filter of a merge.
    ///
    /// # Errors
    /// Fails if the rules that parse lines cannot be loaded.
    pub(super) fn new(run: &MergeRun<'_>) -> Result<RejectFilter> {
        let (Some(suppression), Some(key)) = (&run.suppression, &run.key) else {
            return Ok(RejectFilter(None));
        };
        Ok(RejectFilter(Some(LineReader {
            suppression: suppression.clone(),
            reader: RejectReader::new(None, key.clone()),
            parser: Parser::default(),
            options: ParseOptions {
                chatbot: None,
                now: run.clock.now,
                ip: run.settings.ip,
                visitor_key: *key.bytes(),
                timezone: None,
            },
            enricher: Enricher::new(None)?,
        })))
    }

    /// Returns whether a line belongs to a forgotten person. Lines of a file must be passed in
    /// their order in the file.
    pub(super) fn is_forgotten(&mut self, reject: &RejectRecord) -> bool {
        let Some(lines) = &mut self.0 else { return false };
        if lines.suppression.suppresses_record(reject) {
            return true;
        }
        // A line that cannot be read has no known ids, as in an ingest.
        let Ok(StoredReject::Block(block)) = lines.reader.read(reject) else { return false };
        let (parsed, _) = lines.parser.parse(*block, &lines.options, &lines.enricher);
        let events: Vec<Event<'_>> = parsed.block.rows.iter().map(|row| parsed.block.event(row)).collect();
        parsed.rejected.iter().any(|line| lines.suppression.suppresses_rejected(line, &parsed.block))
            || lines.suppression.suppressed(&events).contains(&true)
    }
}

/// Adds the rejected lines of a source. They keep the time at which they were rejected.
pub(super) fn merge(
    transaction: &mut Transaction,
    source: &Snapshot,
    filter: &mut RejectFilter,
    index: &mut RejectIndex,
) -> Result<MergedRejects> {
    let mut merged = MergedRejects::default();
    let mut files: Vec<_> = source.manifest().rejects.iter().collect();
    files.sort_by_key(|file| file.written_at);
    for file in files {
        let content = source.read_checked(&file.path, &file.checksum)?;
        let mut lines = Vec::new();
        for reject in records(file, &content) {
            let reject = reject?;
            merged.read += 1;
            match filter.is_forgotten(&reject) {
                true => merged.forgotten += 1,
                false => lines.push(reject),
            }
        }
        let added = lines.len() as u64;
        let snapshot = transaction.snapshot()?;
        let new = rejects::append(&snapshot, transaction, lines, index, file.written_at)?;
        merged.new += new;
        merged.duplicate += added - new;
    }
    Ok(merged)
}
