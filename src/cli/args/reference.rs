//! Generated pages of `docs/`: the reference of the command line, and the columns of the tables.
//!
//! A test fails if the pages in `docs/` differ.

use clap::{Arg, Command};

use crate::render::text::wrap;
use crate::store::columns::Table;

/// A generated page.
pub struct Page {
    /// The name of the file in `docs/`.
    pub file: String,
    /// The text.
    pub text: String,
}

/// Returns all generated pages.
pub fn pages() -> Vec<Page> {
    let mut command = crate::cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    let mut pages = vec![Page { file: "commands.md".to_owned(), text: index(&command) }];
    pages.extend(
        GROUPS.iter().map(|group| Page { file: group.file.to_owned(), text: group_page(&command, group) }),
    );
    pages.push(Page { file: EVENT_REPORTS_PAGE.to_owned(), text: event_reports_page(&command) });
    pages.push(Page { file: "columns.md".to_owned(), text: columns() });
    pages.extend(super::format_pages::pages());
    pages
}

/// The commands of a page.
struct Group {
    title: &'static str,
    file: &'static str,
    commands: &'static [&'static str],
}

const GROUPS: [Group; 8] = [
    Group {
        title: "Input",
        file: "commands-input.md",
        commands: &["preview", "ingest", "rejects", "formats"],
    },
    Group { title: "Data", file: "commands-data.md", commands: &["events", "lint"] },
    Group { title: "Store", file: "commands-store.md", commands: &["status", "files", "views"] },
    Group { title: "Reports", file: "commands-report.md", commands: &["report"] },
    Group { title: "Dashboard", file: "commands-dashboard.md", commands: &["dashboard"] },
    Group {
        title: "Maintenance",
        file: "commands-maintenance.md",
        commands: &["verify", "rebuild", "merge", "gc"],
    },
    Group { title: "Privacy", file: "commands-privacy.md", commands: &["forget", "export", "anonymize"] },
    Group { title: "Setup", file: "commands-setup.md", commands: &["init", "config", "completions", "man"] },
];

/// The page of [`EVENT_REPORTS`].
const EVENT_REPORTS_PAGE: &str = "commands-report-events.md";

/// Reports on a separate page: those on events or calendar time, and the list of sessions.
const EVENT_REPORTS: [&str; 8] =
    ["performance", "heatmap", "retention", "conversations", "funnel", "goals", "paths", "sessions"];

const GENERATED: &str = "Generated from the definition of the command line. Do not edit this page: run
`UPDATE_DOCS=1 cargo test --release --test cli`.
";

const EXIT_STATUSES: &str = "
## Exit statuses

| status | meaning |
| --- | --- |
| 0 | success |
| 1 | an operation failed, or `wa verify` found a difference |
| 2 | invalid arguments or settings, or `wa gc` needs `--yes` |
| 3 | a threshold was exceeded: `--max-rejects`, `--fail-if` or `--fail-on` |
| 4 | an input could not be read to its end (the rest is stored), or no event could be read |

A closed pipe (`wa events | head`) is not an error. Results go to standard output, everything else
to standard error.
";

/// Returns the first page: usage, commands, global options and exit statuses.
fn index(command: &Command) -> String {
    let mut text = format!("# Commands\n\n{GENERATED}\n");
    text.push_str(&code_block(&command.clone().render_help().to_string()));
    for group in &GROUPS {
        text.push_str(&format!("\n## {}\n\n", group.title));
        for name in group.commands {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(|about| about.to_string()).unwrap_or_default();
            push_item(&format!("[`wa {name}`]({}#wa-{name}): {about}", group.file), &mut text);
        }
    }
    let globals = Command::new("wa")
        .args(command.get_arguments().filter(|argument| argument.is_global_set()))
        .disable_help_flag(true)
        .term_width(100)
        .help_template("{all-args}");
    text.push_str("\n## Global options\n\nAll commands accept these options.\n\n");
    text.push_str(&code_block(&globals.clone().render_help().to_string()));
    text.push_str(EXIT_STATUSES);
    text
}

/// Returns the page of a group of commands.
fn group_page(command: &Command, group: &Group) -> String {
    let mut text = format!("# Commands: {}\n\n{GENERATED}\n", group.title.to_lowercase());
    text.push_str("All commands also accept the [global options](commands.md#global-options).\n");
    for name in group.commands {
        if let Some(sub) = command.find_subcommand(name) {
            push_command(sub, &format!("wa {name}"), &[], &mut text);
        }
    }
    text
}

/// Returns the page of [`EVENT_REPORTS`].
fn event_reports_page(command: &Command) -> String {
    let mut text = format!("# Commands: more reports\n\n{GENERATED}\n");
    text.push_str(
        "These reports also accept the [options of all reports](commands-report.md#options-of-all-reports).\n",
    );
    if let Some(report) = command.find_subcommand("report") {
        let shared = shared_arguments(report);
        for sub in report.get_subcommands().filter(|sub| EVENT_REPORTS.contains(&sub.get_name())) {
            push_command(sub, &format!("wa report {}", sub.get_name()), &shared, &mut text);
        }
    }
    text
}

/// Appends the sections of a command and its subcommands. Omits the global options and the options
/// in `described`, which an earlier section describes.
fn push_command(command: &Command, name: &str, described: &[Arg], text: &mut String) {
    let is_described =
        |argument: &Arg| argument.is_global_set() || described.iter().any(|a| is_same(a, argument));
    let mut shown = command.clone().mut_args(|argument| {
        let hide = argument.is_hide_set() || is_described(&argument);
        argument.hide(hide)
    });
    text.push_str(&format!("\n## {name}\n\n{}", code_block(&shown.render_help().to_string())));
    let shared = shared_arguments(command);
    if !shared.is_empty() {
        let options = Command::new("wa")
            .args(&shared)
            .disable_help_flag(true)
            .term_width(100)
            .help_template("{all-args}");
        text.push_str(&format!(
            "\n### Options of all {}\n\n",
            if name == "wa report" { "reports" } else { "subcommands" }
        ));
        text.push_str(&code_block(&options.clone().render_help().to_string()));
        text.push_str(&missing_options(command, &shared));
    }
    let is_here = |sub: &&Command| name != "wa report" || !EVENT_REPORTS.contains(&sub.get_name());
    for sub in command.get_subcommands().filter(is_here) {
        push_command(sub, &format!("{name} {}", sub.get_name()), &shared, text);
    }
    if name == "wa report" {
        let names: Vec<String> = EVENT_REPORTS.iter().map(|name| format!("`{name}`")).collect();
        let moved = format!("[More reports]({EVENT_REPORTS_PAGE}): {}.", names.join(", "));
        text.push_str(&format!("\n{}\n", wrap(&moved, 100).join("\n")));
    }
}

/// Returns sentences about the subcommands that lack shared options.
fn missing_options(command: &Command, shared: &[Arg]) -> String {
    let mut by_options: Vec<(String, Vec<String>)> = Vec::new();
    for sub in command.get_subcommands() {
        let missing: Vec<String> = shared
            .iter()
            .filter(|argument| !sub.get_arguments().any(|other| other.get_id() == argument.get_id()))
            .filter_map(|argument| Some(format!("`--{}`", argument.get_long()?)))
            .collect();
        let (options, name) = (missing.join(", "), format!("`{}`", sub.get_name()));
        match by_options.iter_mut().find(|(others, _)| *others == options) {
            _ if missing.is_empty() => {}
            Some((_, names)) => names.push(name),
            None => by_options.push((options, vec![name])),
        }
    }
    let sentence =
        |(options, names): &(String, Vec<String>)| format!("Not in {}: {options}.", names.join(", "));
    let sentences: Vec<String> = by_options.iter().map(sentence).collect();
    format!("\n{}\n", wrap(&sentences.join(" "), 100).join("\n"))
}

/// Returns the options that at least half of the subcommands of a command share, with the same
/// description; none for a single subcommand.
fn shared_arguments(command: &Command) -> Vec<Arg> {
    let subcommands: Vec<&Command> = command.get_subcommands().collect();
    let [first, _, ..] = subcommands.as_slice() else { return Vec::new() };
    let is_shared = |argument: &&Arg| {
        let has = |sub: &&&Command| sub.get_arguments().any(|other| is_same(argument, other));
        !argument.is_global_set() && subcommands.iter().filter(has).count() * 2 >= subcommands.len()
    };
    let mut shared: Vec<Arg> = first.get_arguments().filter(&is_shared).cloned().collect();
    for sub in &subcommands {
        let is_new = |argument: &&Arg| !shared.iter().any(|other| other.get_id() == argument.get_id());
        let others: Vec<Arg> = sub.get_arguments().filter(&is_shared).filter(is_new).cloned().collect();
        shared.extend(others);
    }
    shared
}

/// Returns whether two arguments have the same name and description.
fn is_same(a: &Arg, b: &Arg) -> bool {
    let help = |argument: &Arg| argument.get_help().map(|help| help.to_string());
    a.get_id() == b.get_id() && help(a) == help(b)
}

/// Returns a help text as a Markdown code block, without trailing spaces.
fn code_block(help: &str) -> String {
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    // The help of a command whose options are all hidden contains an empty list of options.
    format!("```text\n{}\n```\n", lines.join("\n").replace("\n\n\n\n", "\n\n"))
}

/// Appends an item of a list, wrapped at 100 columns.
fn push_item(item: &str, text: &mut String) {
    text.push_str(&format!("- {}\n", wrap(item, 98).join("\n  ")));
}

/// Returns the page of the columns of all tables.
fn columns() -> String {
    let mut text = String::from(
        "# Columns\n\n\
         Generated from the definition of the tables. Do not edit this page: run\n\
         `UPDATE_DOCS=1 cargo test --release --test cli`.\n\n\
         Every table is a folder of Parquet files with Hive partitions. Other tools read it with a glob\n\
         such as `wa-store/sessions/*/*.parquet`.\n",
    );
    for table in Table::ALL {
        let (name, key) = (table.name(), table.partition_key());
        text.push_str(&format!("\n## {name}\n\n`{name}/{key}=…/*.parquet`\n\n"));
        for column in table.columns() {
            let nullable = if column.nullable { ", nullable" } else { "" };
            let (name, kind) = (column.name, column.kind.name());
            push_item(&format!("`{name}`: {kind}{nullable}. {}", column.doc), &mut text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_on_one_page() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|group| group.commands).copied().collect();
        let command = crate::cli::command();
        let mut defined: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        listed.sort_unstable();
        defined.sort_unstable();
        assert_eq!(listed, defined);
    }

    #[test]
    fn pages_have_at_most_250_lines_of_100_columns() {
        for page in pages() {
            assert!(page.text.lines().count() <= 250, "{}: {} lines", page.file, page.text.lines().count());
            for line in page.text.lines() {
                // A single word cannot be wrapped.
                let is_word = !line.trim().contains(' ');
                assert!(is_word || line.chars().count() <= 100, "{}: {line}", page.file);
            }
        }
    }
}
