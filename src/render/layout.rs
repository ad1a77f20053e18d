//! A layout: an answer in words, in sections of rows and columns; what a table on a terminal and a
//! table in Markdown are both made of.

use super::labels;
use super::numbers::{UNKNOWN, duration, local_time, shown, signed, signed_percent, value};
use super::text::escape_control;
use crate::report::answer::comparison::{Change, ComparedGroup, Comparison, RowStatus};
use crate::report::answer::rows::Group;
use crate::report::answer::session_page::{SessionEntry, SessionPage};
use crate::report::answer::{Answer, BotSessions, ReportHead};
use crate::report::metric::{Metric, Unit};
use crate::store::frame::{Record, Value};
use crate::time::Zone;

/// An answer in words.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The pieces of its title.
    pub title: Vec<String>,
    /// Sentences under the title.
    pub facts: Vec<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// Rows and columns.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What stands over it, where it needs a name of its own.
    pub heading: Option<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// The columns' titles are not shown: the rows name themselves.
    pub hide_header: bool,
}

/// A column of a part.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its title.
    pub title: String,
    /// What it holds, and so how it is set.
    pub kind: ColumnKind,
    /// How readily it is left out where there is no room: the greatest first, 0 never.
    pub drop_priority: u8,
    /// What is missing where it is left out, if the title alone does not say.
    pub full: Option<String>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, set left, cut where there is no room.
    Text,
    /// A day or a time, set left, never cut.
    Time,
    /// Numbers, set right, never cut.
    Number,
    /// A bar: the share of the longest, in thousandths, as the cell's text.
    Bar,
}

/// A row of a part.
#[derive(Clone, Debug)]
pub struct Row {
    /// The cells, as many as there are columns.
    pub cells: Vec<String>,
    /// How much it matters.
    pub style: RowStyle,
}

/// How much a row matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowStyle {
    /// As any other.
    Plain,
    /// Less: what was summed up, what is gone.
    Faint,
    /// More: what is new.
    Strong,
}

fn column(title: &str, kind: ColumnKind, drop_priority: u8) -> Column {
    Column { title: title.to_owned(), kind, drop_priority, full: None }
}

fn text(title: &str, drop_priority: u8) -> Column {
    column(title, ColumnKind::Text, drop_priority)
}

fn time(title: &str) -> Column {
    column(title, ColumnKind::Time, 0)
}

fn number(title: &str, drop_priority: u8) -> Column {
    column(title, ColumnKind::Number, drop_priority)
}

fn bar() -> Column {
    column("", ColumnKind::Bar, u8::MAX)
}

/// The columns of the names of a part.
fn names_of(group: &str, keys: &[&str]) -> Vec<Column> {
    let column = |key: &&str| match *key {
        "stat_date" => time(labels::figure(group, key)),
        key => text(labels::figure(group, key), 0),
    };
    keys.iter().map(column).collect()
}

fn plain(cells: Vec<String>) -> Row {
    Row { cells, style: RowStyle::Plain }
}

/// Returns the words for what an answer is about.
pub fn title(name: &str, head: &ReportHead) -> Vec<String> {
    let mut initial = name.chars();
    let name = initial.next().map_or(String::new(), |c| c.to_uppercase().chain(initial).collect());
    let shown = |id: &String| escape_control(id).into_owned();
    let chatbots = match head.chatbots.as_slice() {
        [] => "all chatbots".to_owned(),
        [one] => shown(one),
        [one, two] => format!("{}, {}", shown(one), shown(two)),
        [one, two, more @ ..] => format!("{}, {} and {} more", shown(one), shown(two), more.len()),
    };
    let period = match (head.window, head.moment) {
        (Some(window), _) => Some(window.to_string()),
        (None, Some(moment)) => Some(local_time(moment, head.zone)),
        (None, None) => None,
    };
    [name, chatbots].into_iter().chain(period).collect()
}

fn facts(head: &ReportHead, comparison: Option<&Comparison>) -> Vec<String> {
    let sessions = |n: u64| format!("{} of robots", super::numbers::pluralize(n, "session", "sessions"));
    let robots = match head.bot_sessions {
        BotSessions::NotCounted | BotSessions::Excluded(0) | BotSessions::Included(0) => None,
        BotSessions::Excluded(n) => Some(format!("{} left out", sessions(n))),
        BotSessions::Included(n) => Some(format!("{} included", sessions(n))),
    };
    let zone = (head.zone != Zone::UTC).then(|| format!("days and times of {}", head.zone.name()));
    let before = comparison.map(|comparison| {
        let partial = if comparison.partial { "; today is not over yet" } else { "" };
        format!("beside {}{partial}", comparison.previous)
    });
    [robots, before, zone].into_iter().flatten().collect()
}

/// Puts an answer into words.
pub fn of(answer: &dyn Answer) -> Layout {
    let head = answer.head();
    let mut layout = Layout {
        title: title(answer.name(), head),
        facts: facts(head, answer.comparison()),
        sections: Vec::new(),
    };
    if let Some(page) = answer.session_page() {
        layout.sections = sessions(page, head.zone);
        layout.facts.push(count_of_pages(page));
        return layout;
    }
    let groups = answer.groups();
    if let Some(comparison) = answer.comparison() {
        let named = comparison.groups.len() > 1;
        layout.sections = comparison.groups.iter().map(|group| compared(group, named)).collect();
        return layout;
    }
    let mut rest = groups.as_slice();
    while let Some((first, others)) = rest.split_first() {
        // Single rows of the same figures, such as response and load times, make one part.
        let alike =
            others.iter().take_while(|group| group.is_single && group.metrics == first.metrics).count();
        if first.is_single && alike > 0 {
            let (same, others) = rest.split_at(alike + 1);
            layout.sections.push(side_by_side(same));
            rest = others;
        } else {
            let named = groups.len() > 1;
            layout.sections.push(if first.is_single { figures(first, named) } else { list(first, named) });
            rest = others;
        }
    }
    layout
}

/// Puts the summaries of several chatbots into words: a row a chatbot.
pub fn by_chatbot(answers: &[&dyn Answer]) -> Layout {
    let Some(first) = answers.first() else { return Layout::default() };
    let mut title = title(first.name(), &ReportHead { chatbots: Vec::new(), ..first.head().clone() });
    if let Some(chatbots) = title.get_mut(1) {
        *chatbots = format!("{} chatbots", answers.len());
    }
    let mut columns = vec![text("Chatbot", 0)];
    let groups: Vec<Group<'_>> = first.groups();
    if let Some(group) = groups.first() {
        let column =
            |(at, (key, _)): (usize, &(&str, Unit))| number(labels::figure(group.name, key), at as u8);
        columns.extend(group.metrics.iter().enumerate().map(column));
    }
    let line = |answer: &&dyn Answer| {
        let mut cells = vec![escape_control(&answer.head().chatbots.join(" ")).into_owned()];
        for group in answer.groups() {
            for item in &group.all_rows {
                let figures = group.metrics.iter().zip(&item.metrics);
                cells.extend(figures.map(|((_, unit), value)| shown(Metric { unit: *unit, value: *value })));
            }
        }
        plain(cells)
    };
    let zone = first.head().zone;
    let zone = (zone != Zone::UTC).then(|| format!("days and times of {}", zone.name()));
    Layout {
        title,
        facts: zone.into_iter().collect(),
        sections: vec![Section {
            heading: None,
            columns,
            rows: answers.iter().map(line).collect(),
            hide_header: false,
        }],
    }
}

fn heading(name: &str, named: bool) -> Option<String> {
    named.then(|| labels::part(name).to_owned())
}

/// A single row: a line a figure.
fn figures(group: &Group<'_>, named: bool) -> Section {
    let mut rows = Vec::new();
    for item in &group.all_rows {
        for (key, name) in group.dimensions.iter().zip(&item.dimensions) {
            rows.push(plain(vec![
                labels::figure(group.name, key).to_owned(),
                escape_control(name).into_owned(),
            ]));
        }
        for ((key, unit), value) in group.metrics.iter().zip(&item.metrics) {
            let figure = Metric { unit: *unit, value: *value };
            rows.push(plain(vec![labels::figure(group.name, key).to_owned(), shown(figure)]));
        }
    }
    let heading = heading(group.name, named && group.name != "visitors");
    Section { heading, columns: vec![text("Metric", 0), number("", 0)], rows, hide_header: true }
}

/// Single rows of the same figures: a line each.
fn side_by_side(groups: &[Group<'_>]) -> Section {
    let mut columns = vec![text("", 0)];
    if let Some(first) = groups.first() {
        // The mean and the middle say most, and stay.
        let drop_priority = |key: &str| u8::from(key == "p75");
        let figures = first.metrics.iter();
        columns.extend(figures.map(|(key, _)| number(labels::figure(first.name, key), drop_priority(key))));
    }
    let line = |group: &Group<'_>| {
        let mut cells = vec![labels::part(group.name).to_owned()];
        for item in &group.all_rows {
            for ((_, unit), value) in group.metrics.iter().zip(&item.metrics) {
                cells.push(shown(Metric { unit: *unit, value: *value }));
            }
        }
        plain(cells)
    };
    Section { heading: None, columns, rows: groups.iter().map(line).collect(), hide_header: false }
}

/// Rows of names and figures, with bars.
fn list(group: &Group<'_>, named: bool) -> Section {
    let mut columns = names_of(group.name, group.dimensions);
    for (at, (key, _)) in group.metrics.iter().enumerate() {
        // Later figures make room first; the bar goes before them all.
        columns.push(number(labels::figure(group.name, key), if at == 0 { 0 } else { at as u8 }));
        if group.bar == Some(at) && group.total.is_some() {
            columns.push(number("Share", 100));
        }
    }
    if group.bar.is_some() {
        columns.push(bar());
    }
    let value_of = |values: &[Option<i64>]| {
        let value = group.bar.and_then(|at| values.get(at).copied().flatten());
        value.unwrap_or(0).max(0)
    };
    let longest = group.shown_rows().iter().map(|item| value_of(&item.metrics)).max().unwrap_or(0).max(1);
    let cells = |names: Vec<String>, values: &[Option<i64>], with_bar: bool| {
        let mut cells = names;
        for (at, ((_, unit), value)) in group.metrics.iter().zip(values).enumerate() {
            cells.push(shown(Metric { unit: *unit, value: *value }));
            if group.bar == Some(at) && group.total.is_some() {
                let share = group.share(values).map(|share| share.0.0);
                cells.push(shown(Metric { unit: Unit::Percent, value: share }));
            }
        }
        if group.bar.is_some() {
            let thousandths = i128::from(value_of(values)) * 1000 / i128::from(longest);
            cells.push(if with_bar { thousandths.to_string() } else { "0".to_owned() });
        }
        cells
    };
    let names = |names: &[&str]| names.iter().map(|name| escape_control(name).into_owned()).collect();
    let mut rows: Vec<Row> = group
        .shown_rows()
        .iter()
        .map(|item| plain(cells(names(&item.dimensions), &item.metrics, true)))
        .collect();
    if let Some(rest) = &group.rest {
        let names = rest_names(group.dimensions.len(), group.hidden());
        rows.push(Row { cells: cells(names, rest, false), style: RowStyle::Faint });
    }
    Section { heading: heading(group.name, named), columns, rows, hide_header: false }
}

fn rest_names(keys: usize, hidden: usize) -> Vec<String> {
    let mut names = vec![String::new(); keys];
    if let Some(first) = names.first_mut() {
        *first = format!("+ {hidden} more");
    }
    names
}

fn change_words(change: &Change, status: Option<RowStatus>) -> String {
    let difference = signed(change.difference());
    match (status, change.percent()) {
        (Some(RowStatus::New), _) => format!("{difference} (new)"),
        (Some(RowStatus::Gone), _) => format!("{difference} (gone)"),
        (_, Some(percent)) => format!("{difference} ({})", signed_percent(percent)),
        (_, None) => difference,
    }
}

/// Rows of both periods.
fn compared(group: &ComparedGroup, named: bool) -> Section {
    let figure = |unit, value| shown(Metric { unit, value });
    if group.is_single {
        let mut rows = Vec::new();
        for row in &group.rows {
            for ((key, unit), change) in group.metrics.iter().zip(&row.changes) {
                let percent = change.percent().map_or(UNKNOWN.to_owned(), signed_percent);
                rows.push(plain(vec![
                    labels::figure(group.name, key).to_owned(),
                    figure(*unit, change.current),
                    figure(*unit, change.previous),
                    signed(change.difference()),
                    percent,
                ]));
            }
        }
        let columns =
            vec![text("", 0), number("Now", 0), number("Before", 0), number("Change", 0), number("%", 0)];
        return Section { heading: heading(group.name, named), columns, rows, hide_header: false };
    }
    let mut columns = names_of(group.name, &group.dimensions);
    for (at, (key, _)) in group.metrics.iter().enumerate() {
        let at = at as u8;
        let title = labels::figure(group.name, key);
        columns.push(number(title, at));
        let full = Some(format!("the change in {title}"));
        for before in ["Before", "Change"] {
            columns.push(Column { full: full.clone(), ..number(before, if at == 0 { 0 } else { 50 + at }) });
        }
    }
    let cells = |names: Vec<String>, changes: &[Change], status: Option<RowStatus>| {
        let mut cells = names;
        for change in changes {
            cells.push(figure(change.unit, change.current));
            cells.push(figure(change.unit, change.previous));
            cells.push(change_words(change, status));
        }
        cells
    };
    let mut rows: Vec<Row> = group
        .rows
        .iter()
        .map(|row| {
            let names = row.dimensions.iter().map(|name| escape_control(name).into_owned()).collect();
            let style = match row.status {
                Some(RowStatus::Kept) | None => RowStyle::Plain,
                Some(RowStatus::New) => RowStyle::Strong,
                Some(RowStatus::Gone) => RowStyle::Faint,
            };
            Row { cells: cells(names, &row.changes, row.status), style }
        })
        .collect();
    if let Some((hidden, changes)) = &group.rest {
        let names = rest_names(group.dimensions.len(), *hidden);
        rows.push(Row { cells: cells(names, changes, None), style: RowStyle::Faint });
    }
    Section { heading: heading(group.name, named), columns, rows, hide_header: false }
}

fn count_of_pages(page: &SessionPage) -> String {
    let sessions = super::numbers::pluralize(page.total as u64, "session", "sessions");
    format!("{sessions}, page {} of {}", page.page, page.last_page())
}

fn of_record(record: &Record, name: &str) -> String {
    escape_control(&value(record.get(name))).into_owned()
}

fn sessions(page: &SessionPage, zone: Zone) -> Vec<Section> {
    if page.sessions.iter().any(|entry| entry.timeline.is_some()) {
        return page.sessions.iter().flat_map(|entry| looked_up(entry, zone)).collect();
    }
    let columns = vec![
        time("Started"),
        number("Duration", 1),
        text("Visitor", 0),
        number("Sent", 2),
        number("Received", 3),
        number("Events", 6),
        text("Landing page", 4),
        text("Channel", 5),
        text("Device", 7),
        text("Browser", 8),
        text("Country", 9),
        text("Chatbot", 10),
    ];
    let rows = page.sessions.iter().map(|entry| {
        let session = &entry.session;
        let visitor = ["user_name", "user_email", "user_id", "anonymous_id", "session_id"];
        let visitor = visitor.iter().find_map(|name| session.text(name)).unwrap_or("");
        let count = |name| super::numbers::group_digits(session.number(name).unwrap_or(0));
        plain(vec![
            session.number("started_at").map_or(String::new(), |time| local_time(time, zone)),
            duration(session.number("duration_seconds").unwrap_or(0)),
            escape_control(visitor).into_owned(),
            count("messages_sent"),
            count("messages_received"),
            count("event_count"),
            of_record(session, "landing_page"),
            session
                .text("channel")
                .map_or("Direct".to_owned(), |channel| escape_control(channel).into_owned()),
            of_record(session, "device_type"),
            of_record(session, "browser_name"),
            of_record(session, "country_code"),
            of_record(session, "chatbot_id"),
        ])
    });
    vec![Section { heading: None, columns, rows: rows.collect(), hide_header: false }]
}

/// A session that was looked up: what is known of it, and its events.
fn looked_up(entry: &SessionEntry, zone: Zone) -> Vec<Section> {
    let known = entry.session.entries().filter(|(_, value)| **value != Value::Null);
    let shown = |name: &str, value: &Value| match value {
        Value::Time(time) => local_time(*time, zone),
        _ => of_record(&entry.session, name),
    };
    let rows = known.map(|(column, value)| plain(vec![column.name.to_owned(), shown(column.name, value)]));
    let heading =
        entry.session.number("started_at").map(|time| format!("Session of {}", local_time(time, zone)));
    let session = Section {
        heading,
        columns: vec![text("Column", 0), text("", 0)],
        rows: rows.collect(),
        hide_header: true,
    };
    let events = entry.timeline.iter().flatten();
    let timeline = Section { heading: Some("Its events".to_owned()), ..timeline(events, zone, false) };
    vec![session, timeline]
}

/// Events, a line each; `with_session` where they are of several.
pub fn timeline<'a>(events: impl Iterator<Item = &'a Record>, zone: Zone, with_session: bool) -> Section {
    let mut columns = vec![time("Time"), text("Event", 0), text("Category", 3)];
    if with_session {
        columns.push(text("Session", 1));
    }
    columns.extend([text("Page", 2), text("Properties", 0)]);
    let line = |event: &Record| {
        let mut cells = vec![
            event.number("timestamp").map_or(String::new(), |time| local_time(time, zone)),
            of_record(event, "event_name"),
            of_record(event, "event_category"),
        ];
        if with_session {
            let ids = ["session_id", "anonymous_id", "user_id"];
            let id = ids.iter().find_map(|name| event.text(name)).unwrap_or("");
            cells.push(escape_control(id).into_owned());
        }
        cells.extend([of_record(event, "page_url"), of_record(event, "properties")]);
        plain(cells)
    };
    Section { heading: None, columns, rows: events.map(line).collect(), hide_header: false }
}
