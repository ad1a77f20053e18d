//! Writes the account of an ingest: a table for people, JSON for programs.

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::ingest::pipeline::{RefusedLine, Report};
use crate::ingest::{Account, Counts, Outcome, Reason};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::text::escape_control;

/// The most files that a table names one by one.
const MOST_FILES: usize = 20;

#[derive(Serialize)]
struct Answer<'a> {
    committed: bool,
    #[serde(flatten)]
    account: &'a Account,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first_refused: &'a [RefusedLine],
}

/// Writes the account as JSON.
pub fn json(report: &Report) -> Result<String> {
    let first_refused = if report.held_back { &report.first_refused[..] } else { &[] };
    let answer = Answer { committed: report.committed, account: &report.account, first_refused };
    let text = serde_json::to_string_pretty(&answer);
    text.map_err(|e| Error::failed("cannot write the account as JSON").caused_by(e))
}

/// Writes the account as a table, at most `width` columns wide.
pub fn table(report: &Report, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    let total = &report.account.total;
    let pruned = total.already_pruned > 0;
    let forgotten = total.forgotten > 0;
    let held_back = report.held_back;
    let stored = if held_back { "would store" } else { "stored" };
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
    let row = |name: String, counts: &Counts| {
        let mut cells = vec![name];
        let figures = [counts.read, counts.stored, counts.duplicate, counts.refused_total()];
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
    let files = &report.account.files;
    let (known, read): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.outcome == Outcome::Known);
    for file in read.iter().take(MOST_FILES) {
        table.add_row(row(escape_control(&file.file).into_owned(), &file.counts));
    }
    if read.len() > MOST_FILES {
        let mut others = Counts::default();
        read.iter().skip(MOST_FILES).for_each(|file| others.merge(&file.counts));
        table.add_row(row(format!("{} more files", group_digits((read.len() - MOST_FILES) as u64)), &others));
    }
    table.add_row(row("total".to_owned(), total));
    let mut text = table.trim_fmt();
    text.push('\n');
    if held_back {
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
    for (reason, times) in &total.refused {
        text.push_str(&format!("refused: {} {}\n", group_digits(*times), reason.name()));
    }
    if held_back {
        for refused in &report.first_refused {
            text.push_str(&format!(
                "  {}:{} {}\n",
                escape_control(&refused.file),
                refused.line,
                refused.reason
            ));
        }
        let others = total.refused_total().saturating_sub(report.first_refused.len() as u64);
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
pub fn notes(report: &Report, printer: &Printer) {
    if report.account.total.refused.contains_key(&Reason::NoChatbotId) {
        printer.note("lines that name no chatbot were refused; --chatbot ID says whose they are");
    }
    match report.account.total.unfinished {
        0 => {}
        1 => printer.note("a last line is not finished; it is left for the next ingest"),
        n => printer.note(&format!(
            "{} last lines are not finished; they are left for the next ingest",
            group_digits(n)
        )),
    }
    for folder in &report.without_logs {
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
            pluralize(report.account.total.already_pruned, "event", "events")
        ));
    }
}
