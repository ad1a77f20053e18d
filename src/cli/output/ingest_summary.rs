//! Prints the ingest summary as a table or as JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::Printer;
use crate::error::Result;
use crate::ingest::explanation::Explanation;
use crate::ingest::{FileOutcome, FileSummary, IngestCounts, IngestSummary, RejectReason};
use crate::ingest::{IngestReport, RejectedLineRef, UnreadFiles};
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::{escape_control, wrap};
use crate::shell::quote_file;
use crate::time::Zone;

/// The maximum number of files with a separate row.
const MAX_FILES: usize = 20;
/// The maximum number of listed keys if everything is rejected.
const MAX_KEYS: usize = 30;
/// The maximum number of listed extensions of skipped files.
const MAX_EXTENSIONS: usize = 5;

/// The JSON form of a report.
#[derive(Serialize)]
struct JsonSummary<'a> {
    committed: bool,
    #[serde(flatten)]
    summary: &'a IngestSummary,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first_rejected: &'a [RejectedLineRef],
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

/// Returns the summary as JSON.
pub fn json(report: &IngestReport) -> Result<String> {
    let first_rejected = if report.too_many_rejected { &report.first_rejected[..] } else { &[] };
    let summary = JsonSummary {
        committed: report.committed,
        summary: &report.summary,
        first_rejected,
        explanation: report.explanation.as_ref(),
    };
    crate::render::json(&summary, "ingest summary")
}

/// Returns the summary as a table.
pub fn table(report: &IngestReport, style: &Style) -> String {
    let total = &report.summary.total;
    let ignored = total.ignored > 0;
    let pruned = total.already_pruned > 0;
    let forgotten = total.forgotten > 0;
    let too_many_rejected = report.too_many_rejected;
    let stored = if too_many_rejected { "would store" } else { "stored" };
    let mut numbers = vec!["read", stored, "duplicate", "rejected"];
    if ignored {
        numbers.push("ignored");
    }
    if pruned {
        numbers.push("already pruned");
    }
    if forgotten {
        numbers.push("forgotten");
    }
    numbers.push("unfinished");
    let numbers = numbers.into_iter().map(Column::number);
    let mut section = Section::new(std::iter::once(Column::path("file")).chain(numbers));
    let row = |name: String, counts: &IngestCounts| {
        let mut cells = vec![name];
        let figures = [counts.read, counts.stored, counts.duplicate, counts.rejected_total()];
        cells.extend(figures.map(group_digits));
        if ignored {
            cells.push(group_digits(counts.ignored));
        }
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
    let (unchanged, mut read): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.outcome == FileOutcome::Unchanged);
    // Files with problems come first.
    read.sort_by_key(|file| !has_problem(file));
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
    if let Some(explanation) = &report.explanation {
        text.push_str(&explanation_text(explanation, style));
    }
    text
}

fn has_problem(file: &FileSummary) -> bool {
    matches!(file.outcome, FileOutcome::Damaged { .. } | FileOutcome::Unreadable { .. })
        || file.counts.rejected_total() > 0
}

/// Explains why everything was rejected.
fn explanation_text(explanation: &Explanation, style: &Style) -> String {
    let Explanation { reason, events, samples, form, keys, likely, nearest } = explanation;
    let mut text = format!(
        "\n{} as {reason}, such as:\n",
        pluralize(*events, "event was rejected", "events were rejected")
    );
    let width = style.width.clamp(20, 160);
    let clip = |line: String| match line.char_indices().nth(width.saturating_sub(1)) {
        Some((end, _)) => format!("{}…\n", line.get(..end).unwrap_or("")),
        None => format!("{line}\n"),
    };
    for sample in samples {
        let place = format!("  {}:{}  {}", sample.file, sample.line, sample.fault);
        text.push_str(&clip(escape_control(&place).into_owned()));
        text.push_str(&clip(format!("    {}", escape_control(&sample.text))));
    }
    let mut list = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            let line = escape_control(&format!("{title}: {}", items.join(", "))).into_owned();
            text.push_str(&format!("{}\n", wrap(&line, width).join("\n  ")));
        }
    };
    list("form", vec![form.clone()]);
    list("keys", keys.iter().take(MAX_KEYS).cloned().collect());
    list("likely", likely.iter().map(|(field, place)| format!("{field} = {place}")).collect());
    if let Some(nearest) = nearest {
        let missing = nearest.missing.join(", ");
        list(
            "nearest built-in map",
            vec![format!("{} ({}); it also needs {missing}", nearest.map, nearest.about)],
        );
    }
    text
}

/// Returns a file whose records were all ignored by a map that was detected in this ingest, if all
/// records of the ingest were ignored.
pub fn ignored_file(report: &IngestReport, is_map_given: bool) -> Option<&FileSummary> {
    let is_ignored =
        |file: &&FileSummary| file.counts.ignored > 0 && !matches!(file.outcome, FileOutcome::Resumed { .. });
    let all = !is_map_given && report.summary.total.all_ignored();
    report.summary.files.iter().filter(|_| all).find(is_ignored)
}

/// Prints notes and warnings that the summary does not contain. `zone` is the store's time zone;
/// `is_map_given` is set if the user chose the map.
pub fn notes(report: &IngestReport, zone: Zone, is_map_given: bool, printer: &Printer) {
    let total = &report.summary.total;
    if report.utc_times > 0 && zone != Zone::UTC {
        printer.note(&format!(
            "{} without an offset and {} read as UTC, but the time zone of the store is {}; for local times, \
             ingest the logs into a new store with --timezone {2}",
            pluralize(report.utc_times, "event has a time", "events have times"),
            if report.utc_times == 1 { "was" } else { "were" },
            zone.name(),
        ));
    }
    if total.all_ignored() && ignored_file(report, is_map_given).is_none() {
        // This is a warning and not an error: the map found events in these files before, or the
        // user chose it.
        printer.needs_attention();
        printer.warn("all records were ignored: `wa preview FILE` shows how they are read");
    }
    if report.summary.total.rejected.contains_key(&RejectReason::NoChatbotId) {
        printer.note("lines without chatbot_id were rejected; name their chatbot with --chatbot ID");
    }
    if report.summary.total.rejected.contains_key(&RejectReason::NotUtf8) {
        printer.note(
            "lines that are not UTF-8 were rejected; if the log has another encoding, convert it: \
             iconv -f WINDOWS-1252 -t UTF-8 FILE | wa ingest -",
        );
    }
    match report.summary.total.unfinished {
        0 => {}
        1 => printer.note(
            "1 unfinished last line is left for the next ingest; if it is a complete row or line of text, add a line feed",
        ),
        n => printer.note(&format!(
            "{} unfinished last lines are left for the next ingest; add a line feed to complete rows and lines of text",
            group_digits(n)
        )),
    }
    other_maps(&report.had_other_map, printer);
    unread_files(&report.unread, printer);
    pruned_days(report, printer);
}

/// Returns a line that names the command that shows rejected lines. Returns an empty string if no
/// line was newly rejected, or if the explanation of the ingest already names a command.
pub fn next_step(report: &IngestReport) -> String {
    // After a failure, the rejected lines of the last batches are not stored.
    let is_stored = report.committed && report.summary.total.rejected_total() > 0;
    if report.new_rejects == 0 || report.explanation.is_some() || !is_stored {
        return String::new();
    }
    // A preview shows the start of a file. In a resumed file, lines at the start were accepted, so
    // a preview would not show the rejected ones. It rejects no lines without a chatbot either.
    let is_unusable = |FileSummary { file, outcome, counts, .. }: &&FileSummary| {
        let rejected = counts.rejected_total();
        let previewed = rejected - counts.rejected.get(&RejectReason::NoChatbotId).copied().unwrap_or(0);
        file != "-" && *outcome == FileOutcome::Read && rejected == counts.read && previewed > 0
    };
    let mut unusable = report.summary.files.iter().filter(is_unusable);
    let Some(first) = unusable.next() else {
        return "`wa rejects` lists the rejected lines\n".to_owned();
    };
    let others = match unusable.count() as u64 {
        0 => String::new(),
        others => format!(" and {}", pluralize(others, "other file", "other files")),
    };
    let file = escape_control(&first.file);
    let command = format!("wa preview {}", quote_file(&first.file));
    format!("all events of {file}{others} were rejected; `{command}` shows how the file is read\n")
}

/// Prints warnings about folders without logs and logs with an unsupported compression, and the
/// number of other files in folders.
pub fn unread_files(unread: &UnreadFiles, printer: &Printer) {
    for folder in &unread.folders_without_logs {
        let other = folder.other_file.as_ref().map(|other| {
            // The file may be a log that logrotate has renamed so that its name is not recognized.
            printer.needs_attention();
            format!("; name other files, such as {}, or match them by a glob", other.display())
        });
        printer.warn(&format!(
            "there are no logs in {}: only files named *.ndjson, *.jsonl, *.json, *.log, *.csv or *.tsv, also \
             with .gz, .zst, .xz or .bz2, are read from a folder{}",
            folder.folder.display(),
            other.unwrap_or_default()
        ));
    }
    if let Some(first) = unread.unread_logs.first() {
        let logs = pluralize(unread.unread_logs.len() as u64, "compressed log was", "compressed logs were");
        printer.warn(&format!(
            "{logs} not read, such as {}: only .gz, .zst, .xz and .bz2 are supported; decompress the others, or \
             pipe them to `wa ingest -`",
            first.display()
        ));
    }
    if !unread.skipped.is_empty() {
        printer.note(&skipped_files(&unread.skipped));
    }
}

/// Returns a message about files in folders that are not named like logs: their number by
/// extension, the most frequent extensions first.
fn skipped_files(by_extension: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<(&String, u64)> =
        by_extension.iter().map(|(extension, count)| (extension, *count)).collect();
    // The sort is stable, so extensions with the same count remain in alphabetical order.
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let sum = |counts: &[(&String, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
    let (listed, others) = counts.split_at(counts.len().min(MAX_EXTENSIONS));
    let mut parts: Vec<String> = listed
        .iter()
        .map(|(extension, count)| match extension.as_str() {
            "" => format!("{} without an extension", group_digits(*count)),
            _ => format!("{} *.{extension}", group_digits(*count)),
        })
        .collect();
    if !others.is_empty() {
        parts.push(format!("{} others", group_digits(sum(others))));
    }
    let files = pluralize(
        sum(&counts),
        "file in a folder is not named like a log and was skipped",
        "files in folders are not named like logs and were skipped",
    );
    format!("{files}: {}; name a file to read it", parts.join(", "))
}

/// Warns about files that an earlier ingest read with another map. Their events may now be stored
/// twice.
fn other_maps(files: &[String], printer: &Printer) {
    let Some((first, others)) = files.split_first() else { return };
    let and_others = match others.len() as u64 {
        0 => " was".to_owned(),
        others => format!(" and {} were", pluralize(others, "other file", "other files")),
    };
    printer.needs_attention();
    printer.warn(&format!(
        "{first}{and_others} ingested before with another map; the events stored then do not change, and \
         count twice if their ids differ now: to use only the new map, ingest the logs into a new store, as in \
         `wa --store NEW ingest …`"
    ));
}

fn pruned_days(report: &IngestReport, printer: &Printer) {
    let days = &report.pruned_days;
    // After a failure, the batches with these events can be uncommitted.
    if report.summary.total.already_pruned == 0 {
        return;
    }
    if let Some((chatbot, day)) = days.first() {
        let more = match days.len() as u64 - 1 {
            0 => String::new(),
            more => format!(" and {}", pluralize(more, "more day", "more days")),
        };
        printer.warn(&format!(
            "{} not stored: {day} of {chatbot}{more}",
            pluralize(
                report.summary.total.already_pruned,
                "event of a pruned day was",
                "events of pruned days were"
            )
        ));
    }
}
