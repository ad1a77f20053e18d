//! Lays out the answers of reports.

use super::{Cell, Column, Layout, Row, RowStyle, Section, breakdown, comparison, matrix, sessions};
use crate::render::labels;
use crate::render::numbers::{format_local_time, format_metric, pluralize};
use crate::render::text::escape_control;
use crate::report::answer::comparison::Comparison;
use crate::report::answer::rows::Group;
use crate::report::answer::{Answer, BotSessions, DayNote, ReportHead};
use crate::report::metric::{Metric, Unit};
use crate::time::{Zone, parse_human};

/// Lays out an answer.
pub(in crate::render) fn layout(answer: &dyn Answer) -> Layout {
    let head = answer.head();
    let groups = answer.groups();
    let mut layout = Layout {
        title: title(answer.name(), head),
        facts: [answer.facts(), facts(head, has_bot_row(&groups), answer.comparison())].concat(),
        sections: Vec::new(),
    };
    if let Some(page) = answer.session_page() {
        layout.sections = sessions::page(page, head.zone);
        layout.facts.push(sessions::page_number(page));
    } else if let Some(table) = answer.matrix() {
        match answer.broken_down() {
            Some(broken_down) => {
                layout.facts.extend(matrix::facts_by_value(&table));
                layout.facts.push(breakdown::fact(broken_down));
                layout.sections = breakdown::matrices(broken_down);
            }
            None => {
                layout.facts.extend(matrix::facts(&table));
                layout.sections = vec![matrix::section(&table)];
                layout.sections.extend(matrix_changes(answer));
            }
        }
    } else if let Some(broken_down) = answer.broken_down() {
        layout.sections = breakdown::sections(&groups, broken_down, head.zone);
        layout.facts.push(breakdown::fact(broken_down));
    } else if let Some(comparison) = answer.comparison() {
        layout.sections = comparison::sections(comparison, head.zone);
    } else {
        layout.sections = sections(&groups, head.zone);
    }
    layout.sections.extend(annotations(answer.annotations()));
    layout
}

/// Lays out the comparison of a report with a matrix: a matrix of changes, or the compared rows.
fn matrix_changes(answer: &dyn Answer) -> Vec<Section> {
    let Some(comparison) = answer.comparison() else { return Vec::new() };
    let Some(changes) = answer.change_matrix() else {
        return comparison::titled_sections(comparison, answer.head().zone);
    };
    let mut section = matrix::section(&changes);
    section.heading = Some("Change from the previous period".to_owned());
    vec![section]
}

/// Lays out the notes on days; `None` if there are none.
fn annotations(notes: &[DayNote]) -> Option<Section> {
    let mut section = Section::new([Column::time("Day"), Column::wrapped("Note")]);
    section.heading = Some("Annotations".to_owned());
    for DayNote { date, text } in notes {
        section.push([date.as_str(), &*escape_control(text)]);
    }
    (!notes.is_empty()).then_some(section)
}

/// Lays out the summaries of several chatbots as one row per chatbot.
pub(in crate::render) fn by_chatbot(answers: &[&dyn Answer]) -> Layout {
    let Some(first) = answers.first() else { return Layout::default() };
    let mut title = title(first.name(), &ReportHead { chatbots: Vec::new(), ..first.head().clone() });
    if let Some(chatbots) = title.get_mut(1) {
        *chatbots = format!("{} chatbots", answers.len());
    }
    let mut section = Section::new([Column::id("Chatbot")]);
    if let Some(group) = first.groups().first() {
        section.columns.extend(number_columns(group.name, group.metrics));
    }
    section.rows.extend(answers.iter().map(|answer| {
        let chatbot = escape_control(&answer.head().chatbots.join(" ")).into_owned();
        let groups = answer.groups();
        let values = groups.iter().flat_map(|group| {
            group.all_rows.iter().flat_map(|item| format_values(group.metrics, &item.metrics))
        });
        Row::plain(std::iter::once(chatbot).chain(values))
    }));
    let facts = zone_fact(first.head().zone).into_iter().collect();
    Layout { title, facts, sections: vec![section] }
}

/// Returns the parts of a title: the report, the chatbots, the period.
pub(in crate::render) fn title(name: &str, head: &ReportHead) -> Vec<String> {
    let mut letters = name.chars();
    let name = letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect());
    let chatbots = match head.chatbots.as_slice() {
        [] => "all chatbots".to_owned(),
        [one] => escape_control(one).into_owned(),
        [one, two] => format!("{}, {}", escape_control(one), escape_control(two)),
        [one, two, more @ ..] => {
            format!("{}, {} and {} more", escape_control(one), escape_control(two), more.len())
        }
    };
    let period = match (head.window, head.moment) {
        (Some(window), _) => Some(window.to_string()),
        (None, Some(moment)) => Some(format_local_time(moment, head.zone)),
        (None, None) => None,
    };
    [name, chatbots].into_iter().chain(period).collect()
}

/// Returns whether a row contains the number of excluded bot sessions. The facts then omit it.
fn has_bot_row(groups: &[Group<'_>]) -> bool {
    let keys = groups.iter().filter(|group| group.is_single).flat_map(|group| group.metrics);
    keys.into_iter().any(|(key, _)| *key == "bot_sessions_excluded")
}

fn facts(head: &ReportHead, has_bot_row: bool, comparison: Option<&Comparison>) -> Vec<String> {
    let bots = match head.bot_sessions {
        BotSessions::Excluded(_) if has_bot_row => None,
        BotSessions::NotCounted | BotSessions::Excluded(0) | BotSessions::Included(0) => None,
        BotSessions::Excluded(n) => Some(format!("{} excluded", pluralize(n, "bot session", "bot sessions"))),
        BotSessions::Included(n) => Some(format!("{} included", pluralize(n, "bot session", "bot sessions"))),
    };
    let previous = comparison.map(|comparison| {
        let partial = if comparison.partial { "; today is incomplete" } else { "" };
        format!("compared with {}{partial}", comparison.previous)
    });
    let totals = comparison.and_then(|comparison| comparison.totals.as_ref()).map(comparison::totals);
    [bots, previous]
        .into_iter()
        .flatten()
        .chain(totals.unwrap_or_default())
        .chain(zone_fact(head.zone))
        .collect()
}

fn zone_fact(zone: Zone) -> Option<String> {
    (zone != Zone::UTC).then(|| format!("time zone {}", zone.name()))
}

/// Returns a section per group. Consecutive groups of one row with the same metrics, such as
/// response and load times, share a section.
fn sections(groups: &[Group<'_>], zone: Zone) -> Vec<Section> {
    let titled = groups.len() > 1;
    let mut sections = Vec::new();
    let mut rest = groups;
    while let Some((first, others)) = rest.split_first() {
        let is_alike =
            |group: &&Group<'_>| first.is_single && group.is_single && group.metrics == first.metrics;
        let alike = others.iter().take_while(is_alike).count();
        let (same, others) = rest.split_at(alike + 1);
        sections.push(match (alike, first.is_single) {
            (1.., _) => row_per_group(same),
            (0, true) => row_per_metric(first, titled, zone),
            (0, false) => list(first, titled, zone),
        });
        rest = others;
    }
    sections
}

/// Returns the heading of a group, for a layout with several sections.
pub(super) fn heading(group: &str, titled: bool) -> Option<String> {
    titled.then(|| labels::section(group).to_owned())
}

/// Lays out a group of one row: one row per metric.
fn row_per_metric(group: &Group<'_>, titled: bool, zone: Zone) -> Section {
    let mut section = Section::new([Column::text(""), Column::number("")]);
    section.hide_header = true;
    section.heading = heading(group.name, titled && group.name != "visitors");
    for item in &group.all_rows {
        for (key, name) in group.dimensions.iter().zip(&item.dimensions) {
            section.push([labels::column(group.name, key), &*name_text(key, name, zone)]);
        }
        for ((key, _), value) in group.metrics.iter().zip(format_values(group.metrics, &item.metrics)) {
            section.push([labels::column(group.name, key), &*value]);
        }
    }
    section
}

/// Lays out groups of one row with the same metrics: one row per group.
fn row_per_group(groups: &[Group<'_>]) -> Section {
    let mut section = Section::new([Column::text("")]);
    if let Some(first) = groups.first() {
        section.columns.extend(first.metrics.iter().map(|(key, _)| {
            // The mean, the median and the highest percentiles matter more than p75.
            let priority = u8::from(*key == "p75");
            Column::number(labels::column(first.name, key)).drop_priority(priority)
        }));
    }
    section.rows.extend(groups.iter().map(|group| {
        let label = labels::section(group.name).to_owned();
        let values = group.all_rows.iter().flat_map(|item| format_values(group.metrics, &item.metrics));
        Row::plain(std::iter::once(label).chain(values))
    }));
    section
}

/// Lays out a list: names, metrics, and a share or a bar for the group's main metric.
fn list(group: &Group<'_>, titled: bool, zone: Zone) -> Section {
    let share = group.bar.filter(|_| group.total.is_some());
    let mut columns = name_columns(group.name, group.dimensions);
    for (index, column) in number_columns(group.name, group.metrics).enumerate() {
        columns.push(column);
        if share == Some(index) {
            columns.push(Column::number("Share").drop_priority(SHARE_PRIORITY));
        }
    }
    columns.extend(group.bar.map(|_| Column::bar()));
    let main_metric = |values: &[Option<i64>]| {
        let value = group.bar.and_then(|index| values.get(index).copied().flatten());
        value.unwrap_or(0).max(0)
    };
    let longest = group.shown_rows().iter().map(|item| main_metric(&item.metrics)).max().unwrap_or(0).max(1);
    let cells = |names: Vec<String>, values: &[Option<i64>]| {
        let mut texts = names;
        for (index, value) in format_values(group.metrics, values).enumerate() {
            texts.push(value);
            if share == Some(index) {
                let value = group.share(values).map(|share| share.0.0);
                texts.push(format_metric(Metric { unit: Unit::Percent, value }));
            }
        }
        texts.into_iter().map(Cell::Text).collect::<Vec<Cell>>()
    };
    let mut rows: Vec<Row> = Vec::new();
    for item in group.shown_rows() {
        let names = group.dimensions.iter().zip(&item.dimensions);
        let names = names.map(|(key, name)| name_text(key, name, zone));
        let mut cells = cells(names.collect(), &item.metrics);
        if group.bar.is_some() {
            let thousandths = i128::from(main_metric(&item.metrics)) * 1000 / i128::from(longest);
            cells.push(Cell::Bar { thousandths: usize::try_from(thousandths).unwrap_or(0) });
        }
        rows.push(Row { cells, style: RowStyle::Plain });
    }
    if let Some(rest) = &group.rest {
        let cells = cells(rest_names(group.dimensions.len(), group.hidden()), rest);
        rows.push(Row { cells, style: RowStyle::Faint });
    }
    Section { heading: heading(group.name, titled), columns, rows, hide_header: false }
}

/// A width in which most steps of a path fit into a line.
const PATH_WIDTH: usize = 36;

/// A share repeats the metric before it, so shares are dropped before other metrics.
const SHARE_PRIORITY: u8 = 100;

/// Returns the columns of the names that identify a row.
pub(super) fn name_columns(group: &str, keys: &[&str]) -> Vec<Column> {
    let column = |key: &&str| {
        let title = labels::column(group, key);
        match (group, *key) {
            // The names of goals and steps are those of the settings, and are copied from tables.
            ("goals" | "steps", "name") => Column::name(title),
            ("list", "outcome") => Column::name(title),
            ("paths", "path") => Column::wrapped(title).keep_width(PATH_WIDTH),
            ("tree", "path") => Column::text(title).keep_width(PATH_WIDTH),
            _ => name_column(key, title),
        }
    };
    keys.iter().map(|key| column(key).drop_priority(name_priority(group, key))).collect()
}

/// Returns the column for the names with a key.
pub(super) fn name_column(key: &str, title: &str) -> Column {
    match key {
        "stat_date" | "started_at" | "start" => Column::time(title),
        // Shortened values keep their end: the page of a URL, and the site of a host name.
        "landing_page" | "page_url" | "referrer" | "domain" | "referrer_domain" => Column::path(title),
        "session_id" | "anonymous_id" | "user_id" | "id" | "chatbot_id" => Column::id(title),
        _ => Column::text(title),
    }
}

/// Formats a name of a row for people: times are in the time zone of the store.
pub(super) fn name_text(key: &str, name: &str, zone: Zone) -> String {
    match key {
        "started_at" | "timestamp" => {
            parse_human(name).map_or(String::new(), |time| format_local_time(time, zone))
        }
        "start" => hour_text(name),
        _ => escape_control(name).into_owned(),
    }
}

/// Returns the start of an interval without seconds: `2026-06-01 14:00 +02:00` for an hour, and the
/// day for other intervals. The offset distinguishes the two occurrences of a repeated hour.
fn hour_text(start: &str) -> String {
    let Some((day, time)) = start.split_once('T') else { return start.to_owned() };
    let (minutes, offset) = (time.get(..5).unwrap_or(time), time.get(8..).unwrap_or(""));
    match offset {
        "" | "Z" => format!("{day} {minutes}"),
        offset => format!("{day} {minutes} {offset}"),
    }
}

/// Returns the drop priority of the column of a name. Most names are not dropped.
fn name_priority(group: &str, key: &str) -> u8 {
    match (group, key) {
        ("list", "anonymous_id") => 3,
        ("list", "landing_page") => 7,
        ("list", "channel" | "utm_source" | "referrer_domain") => 20,
        ("list", "user_id" | "chatbot_id" | "id") => 30,
        _ => 0,
    }
}

/// Returns the columns of metrics. Later columns are dropped first; the first column is never
/// dropped, except in a list of conversations, whose ids are wide.
pub(super) fn number_columns(group: &str, metrics: &[(&str, Unit)]) -> impl Iterator<Item = Column> {
    metrics
        .iter()
        .zip(u8::from(group == "list")..)
        .map(move |((key, _), priority)| Column::number(labels::column(group, key)).drop_priority(priority))
}

/// Returns the names of the row for the sum of the rows beyond the limit.
pub(super) fn rest_names(columns: usize, hidden: usize) -> Vec<String> {
    let mut names = vec![String::new(); columns];
    if let Some(first) = names.first_mut() {
        *first = format!("+ {hidden} more");
    }
    names
}

pub(super) fn format_values(
    metrics: &[(&str, Unit)],
    values: &[Option<i64>],
) -> impl Iterator<Item = String> {
    metrics.iter().zip(values).map(|((_, unit), value)| format_metric(Metric { unit: *unit, value: *value }))
}
