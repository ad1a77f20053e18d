//! Writes the account of an ingest: a table for people, JSON for programs.

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::ingest::pipeline::{IngestReport, RejectedLineRef};
use crate::ingest::{FileOutcome, IngestCounts, IngestSummary, RejectReason};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::text::escape_control;

/// The most files that a table names one by one.
const MOST_FILES: usize = 20;

#[derive(Serialize)]
struct Answer<'a> {
    committed: bool,
    #[serde(flatten)]
    summary: &'a IngestSummary,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first_rejected: &'a [RejectedLineRef],
}

/// Writes the account as JSON.
pub fn json(report: &IngestReport) -> Result<String> {
    let first_rejected = if report.too_many_rejected { &report.first_rejected[..] } else { &[] };
    let answer = Answer { committed: report.committed, summary: &report.summary, first_rejected };
    let text = serde_json::to_string_pretty(&answer);
    text.map_err(|e| Error::failed("cannot write the account as JSON").caused_by(e))
}

/// Writes the account as a table, at most `width` columns wide.
pub fn table(report: &IngestReport, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    let total = &report.summary.total;
    let pruned = total.already_pruned > 0;
    let forgotten = total.forgotten > 0;
    let too_many_rejected = report.too_many_rejected;
    let stored = if too_many_rejected { "would store" } else { "stored" };
    let mut header = vec!["file", "read", stored, "duplicate", "refused"];
    if pruned {
        header.push("already pruned");
    }
    if forgotten {
        header.push("forgotten");
    }
    header.push("unfinished");
    let columns = header.len();
    table.set_header(header);
    for column in 1..columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
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
    let (known, read): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.outcome == FileOutcome::Known);
    for file in read.iter().take(MOST_FILES) {
        table.add_row(row(escape_control(&file.file).into_owned(), &file.counts));
    }
    if read.len() > MOST_FILES {
        let mut others = IngestCounts::default();
        read.iter().skip(MOST_FILES).for_each(|file| others.merge(&file.counts));
        table.add_row(row(format!("{} more files", group_digits((read.len() - MOST_FILES) as u64)), &others));
    }
    table.add_row(row("total".to_owned(), total));
    let mut text = table.trim_fmt();
    text.push('\n');
    if too_many_rejected {
        text.insert_str(0, "nothing was committed; without --max-rejects it would have been:\n\n");
    }
    if !known.is_empty() {
        let (are, were) = if known.len() == 1 { ("file is", "it was") } else { ("files are", "they were") };
        text.push_str(&format!(
            "\n{} {are} unchanged since {were} taken in, and skipped.\n",
            group_digits(known.len() as u64)
        ));
    }
    if total.blank > 0 {
        text.push_str(&format!("blank: {}, beside the sum\n", pluralize(total.blank, "line", "lines")));
    }
    for (reason, times) in &total.rejected {
        text.push_str(&format!("refused: {} {}\n", group_digits(*times), reason.name()));
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

/// Says by the way what an account does not show.
pub fn notes(report: &IngestReport, printer: &Printer) {
    if report.summary.total.rejected.contains_key(&RejectReason::NoChatbotId) {
        printer.note("lines that name no chatbot were refused; --chatbot ID says whose they are");
    }
    match report.summary.total.unfinished {
        0 => {}
        1 => printer.note("a last line is not finished; it is left for the next ingest"),
        n => printer.note(&format!(
            "{} last lines are not finished; they are left for the next ingest",
            group_digits(n)
        )),
    }
    for folder in &report.folders_without_logs {
        let other = folder.other.as_ref().map(|other| {
            // A log that logrotate has renamed: a folder is not the place to guess at names.
            printer.needs_attention();
            format!("; others, such as {}, have to be named, or matched by a glob", other.display())
        });
        printer.warn(&format!(
            "there are no logs in {}: of a folder, files are taken whose names end with .ndjson, .jsonl, .json \
             or .log, and those with .gz or .zst after it{}",
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
            "left out {} of days that are pruned: {day} of {chatbot}{more}",
            pluralize(report.summary.total.already_pruned, "event", "events")
        ));
    }
}
