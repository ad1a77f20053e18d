//! Prints the ingest summary as a table or as JSON.

use serde::Serialize;

use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::ingest::{FileOutcome, IngestCounts, IngestSummary, RejectReason};
use crate::ingest::{IngestReport, RejectedLineRef};
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::escape_control;

/// The largest number of files with a row of their own.
const MAX_FILES: usize = 20;

/// The JSON form of a report.
#[derive(Serialize)]
struct JsonSummary<'a> {
    committed: bool,
    #[serde(flatten)]
    summary: &'a IngestSummary,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first_rejected: &'a [RejectedLineRef],
}

/// Returns the summary as JSON.
pub fn json(report: &IngestReport) -> Result<String> {
    let first_rejected = if report.too_many_rejected { &report.first_rejected[..] } else { &[] };
    let summary = JsonSummary { committed: report.committed, summary: &report.summary, first_rejected };
    let text = serde_json::to_string_pretty(&summary);
    text.map_err(|e| Error::failed("cannot write the ingest summary as JSON").caused_by(e))
}

/// Returns the summary as a table.
pub fn table(report: &IngestReport, style: &Style) -> String {
    let total = &report.summary.total;
    let pruned = total.already_pruned > 0;
    let forgotten = total.forgotten > 0;
    let too_many_rejected = report.too_many_rejected;
    let stored = if too_many_rejected { "would store" } else { "stored" };
    let mut numbers = vec!["read", stored, "duplicate", "rejected"];
    if pruned {
        numbers.push("already pruned");
    }
    if forgotten {
        numbers.push("forgotten");
    }
    numbers.push("unfinished");
    let numbers = numbers.into_iter().map(Column::number);
    let mut section = Section::new(std::iter::once(Column::wrapped("file")).chain(numbers));
    let row = |name: String, counts: &IngestCounts| {
        let mut cells = vec![name];
        let figures = [counts.read, counts.stored, counts.duplicate, counts.rejected_total()];
        cells.extend(figures.map(group_digits));
        if pruned {
            cells.push(group_digits(counts.already_pruned));
        }
        if forgotten {
            cells.push(group_digits(counts.forgotten));
        }
        cells.push(group_digits(counts.unfinished));
        cells
    };
    let files = &report.summary.files;
    let (unchanged, read): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.outcome == FileOutcome::Unchanged);
    for file in read.iter().take(MAX_FILES) {
        section.push(row(escape_control(&file.file).into_owned(), &file.counts));
    }
    if read.len() > MAX_FILES {
        let mut others = IngestCounts::default();
        read.iter().skip(MAX_FILES).for_each(|file| others.merge(&file.counts));
        section.push(row(format!("{} more files", group_digits((read.len() - MAX_FILES) as u64)), &others));
    }
    section.push(row("total".to_owned(), total));
    let mut text = draw_section(&section, style);
    if too_many_rejected {
        text.insert_str(0, "Nothing was committed. Without --max-rejects:\n\n");
    }
    if !unchanged.is_empty() {
        let files = pluralize(unchanged.len() as u64, "file is", "files are");
        text.push_str(&format!("\n{files} unchanged since the last ingest and skipped.\n"));
    }
    if total.blank > 0 {
        text.push_str(&format!("{} (not counted)\n", pluralize(total.blank, "blank line", "blank lines")));
    }
    for (reason, times) in &total.rejected {
        text.push_str(&format!("rejected: {} {}\n", group_digits(*times), reason.name()));
    }
    if too_many_rejected {
        for rejected in &report.first_rejected {
            text.push_str(&format!(
                "  {}:{} {}\n",
                escape_control(&rejected.file),
                rejected.line,
                rejected.reason
            ));
        }
        let others = total.rejected_total().saturating_sub(report.first_rejected.len() as u64);
        if others > 0 {
            text.push_str(&format!("  and {} more\n", group_digits(others)));
        }
    }
    for (warning, times) in total.warnings.iter() {
        text.push_str(&format!("warning: {} {}\n", group_digits(times), warning.name()));
    }
    text
}

/// Prints notes and warnings about what the summary does not show.
pub fn notes(report: &IngestReport, printer: &Printer) {
    if report.summary.total.rejected.contains_key(&RejectReason::NoChatbotId) {
        printer.note("lines without chatbot_id were rejected; name their chatbot with --chatbot ID");
    }
    match report.summary.total.unfinished {
        0 => {}
        1 => printer.note("1 unfinished last line is left for the next ingest"),
        n => printer.note(&format!("{} unfinished last lines are left for the next ingest", group_digits(n))),
    }
    for folder in &report.folders_without_logs {
        let other = folder.other_file.as_ref().map(|other| {
            // Possibly a log that logrotate has renamed. Such names are not guessed.
            printer.needs_attention();
            format!("; name other files, such as {}, or match them by a glob", other.display())
        });
        printer.warn(&format!(
            "there are no logs in {}: only files named *.ndjson, *.jsonl, *.json or *.log, also with .gz or \
             .zst, are read from a folder{}",
            folder.folder.display(),
            other.unwrap_or_default()
        ));
    }
    let days = &report.pruned_days;
    if let Some((chatbot, day)) = days.first() {
        let more = match days.len() as u64 - 1 {
            0 => String::new(),
            more => format!(" and {}", pluralize(more, "more day", "more days")),
        };
        printer.warn(&format!(
            "ignored {} of pruned days: {day} of {chatbot}{more}",
            pluralize(report.summary.total.already_pruned, "event", "events")
        ));
    }
}
