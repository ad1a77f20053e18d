//! The summary of a merge.

use crate::maintenance::{MergeReport, MergedSource};
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::wrap_lines;

/// Returns the summary as a table of the stores, and lines about the result.
pub(super) fn table(report: &MergeReport, style: &Style) -> String {
    let numbers =
        ["events", "new", "duplicate", "already pruned", "forgotten", "rejects", "new", "new files"];
    let columns = std::iter::once(Column::text("store")).chain(numbers.map(Column::number));
    let mut section = Section::new(columns);
    for source in &report.sources {
        let (events, rejects) = (&source.events, &source.rejects);
        let counts = [
            events.read,
            events.new,
            events.duplicate,
            events.already_pruned,
            events.forgotten,
            rejects.read,
            rejects.new,
            source.files,
        ];
        section.push(std::iter::once(source.store.clone()).chain(counts.map(group_digits)));
    }
    let mut text = String::from("\n");
    for (name, [before, after]) in [
        ("events", report.events),
        ("sessions", report.sessions),
        ("visitors", report.visitors),
        ("rejected lines", report.rejects),
    ] {
        let verb = if report.dry_run { "would be" } else { "now" };
        text.push_str(&format!("{name}: {} before, {} {verb}\n", group_digits(before), group_digits(after)));
    }
    let sum = |of: fn(&MergedSource) -> u64| report.sources.iter().map(of).sum::<u64>();
    let conflicts = sum(|source| source.events.id_conflicts);
    if conflicts > 0 {
        let duplicates = pluralize(conflicts, "duplicate", "duplicates");
        text.push_str(&format!("{duplicates} with the id of a stored event, but a different time or name\n"));
    }
    let as_rows = sum(|source| source.sessions.added_as_rows);
    let stored = sum(|source| source.sessions.already_stored);
    if as_rows + stored > 0 {
        text.push_str(&format!(
            "{} with pruned events: {} added, {} already stored\n",
            pluralize(as_rows + stored, "session", "sessions"),
            group_digits(as_rows),
            group_digits(stored)
        ));
    }
    if !report.erased.is_empty() {
        let erased = &report.erased;
        text.push_str(&format!(
            "erased rows of people whom another store has forgotten: {}, {}, {}, {}\n",
            pluralize(erased.events, "event", "events"),
            pluralize(erased.sessions, "session", "sessions"),
            pluralize(erased.visitors, "visitor", "visitors"),
            pluralize(erased.rejects, "rejected line", "rejected lines")
        ));
    }
    if !report.changed {
        text.push_str("nothing is new\n");
    }
    draw_section(&section, style) + &wrap_lines(&text, style.width)
}
