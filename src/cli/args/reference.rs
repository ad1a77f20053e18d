//! Generated pages of `docs/`: the reference of the command line, and the columns of the tables.
//!
//! A test fails if the pages in `docs/` differ.

use clap::{Arg, Command};

use crate::render::text::wrap;
use crate::store::columns::Table;

/// A generated page.
pub struct Page {
    /// The name of the file in `docs/`.
    pub file: &'static str,
    /// The text.
    pub text: String,
}

/// Returns all generated pages.
pub fn pages() -> Vec<Page> {
    let mut command = crate::cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    let mut pages = vec![Page { file: "commands.md", text: index(&command) }];
    pages.extend(GROUPS.iter().map(|group| Page { file: group.file, text: group_page(&command, group) }));
    pages.push(Page { file: "columns.md", text: columns() });
    pages
}

/// The commands of a page.
struct Group {
    title: &'static str,
    file: &'static str,
    commands: &'static [&'static str],
}

const GROUPS: [Group; 5] = [
    Group { title: "Data", file: "commands-data.md", commands: &["ingest", "events", "status", "files"] },
    Group { title: "Reports", file: "commands-report.md", commands: &["report"] },
    Group { title: "Maintenance", file: "commands-maintenance.md", commands: &["verify", "rebuild", "gc"] },
    Group { title: "Privacy", file: "commands-privacy.md", commands: &["forget", "export", "anonymize"] },
    Group { title: "Setup", file: "commands-setup.md", commands: &["init", "config", "completions", "man"] },
];

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
| 3 | more lines rejected than `--max-rejects` allows, or a `--fail-if` condition is met |
| 4 | some inputs could not be read to the end; the rest is committed |

A closed pipe (`wa events | head`) is no error. Results go to standard output, everything else to
standard error.
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

/// Appends the section of a command, and those of its subcommands. Hides the global options and
/// those of `described`, which an earlier section describes.
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
        for sub in command.get_subcommands() {
            let missing: Vec<String> = shared
                .iter()
                .filter(|argument| !sub.get_arguments().any(|other| is_same(argument, other)))
                .filter_map(|argument| Some(format!("`--{}`", argument.get_long()?)))
                .collect();
            if !missing.is_empty() {
                text.push_str(&format!(
                    "\n`{name} {}` does not have {}.\n",
                    sub.get_name(),
                    missing.join(", ")
                ));
            }
        }
    }
    for sub in command.get_subcommands() {
        push_command(sub, &format!("{name} {}", sub.get_name()), &shared, text);
    }
}

/// Returns the options that most subcommands of a command have in common, with the same
/// description.
fn shared_arguments(command: &Command) -> Vec<Arg> {
    let subcommands: Vec<&Command> = command.get_subcommands().collect();
    let Some(first) = subcommands.first() else { return Vec::new() };
    let is_shared = |argument: &&Arg| {
        let has = |sub: &&&Command| sub.get_arguments().any(|other| is_same(argument, other));
        !argument.is_global_set() && subcommands.iter().filter(has).count() * 2 > subcommands.len()
    };
    first.get_arguments().filter(is_shared).cloned().collect()
}

/// Returns whether two arguments have the same name and description.
fn is_same(a: &Arg, b: &Arg) -> bool {
    let help = |argument: &Arg| argument.get_help().map(|help| help.to_string());
    a.get_id() == b.get_id() && help(a) == help(b)
}

/// Returns a help text as a Markdown code block, without blanks at the ends of lines.
fn code_block(help: &str) -> String {
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    format!("```text\n{}\n```\n", lines.join("\n"))
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
                assert!(line.chars().count() <= 100, "{}: {line}", page.file);
            }
        }
    }
}
