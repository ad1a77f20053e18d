//! Generated documentation: the reference of the command line, and the columns of the tables.
//!
//! A test fails when the files in `docs/` differ from what stands here.

use std::fmt::Write;

use crate::store::columns::Table;

/// Returns the reference of the command line, for `docs/commands.md`.
pub fn commands() -> String {
    let mut text = String::from(
        "# Commands\n\n\
         Generated from the definition of the command line: do not edit. `UPDATE_DOCS=1 cargo test --release --test cli`\n\
         writes it again.\n\n```text\n",
    );
    let mut command = crate::cli::command().term_width(100).disable_help_subcommand(true);
    command.build();
    text.push_str(&command.clone().render_help().to_string());
    text.push_str("```\n");
    text.push_str(EXIT_STATUSES);
    for sub in command.get_subcommands() {
        section(sub, &format!("wa {}", sub.get_name()), &mut text);
    }
    text
}

const EXIT_STATUSES: &str = "
## Exit statuses

| status | meaning |
| --- | --- |
| 0 | done |
| 1 | failed: a file, the store, the disk; or `wa verify` found a difference |
| 2 | wrong usage: arguments or settings make no sense, or time zone and timeout are not those of the store; or `wa gc` wants `--yes` |
| 3 | more lines refused than `--max-rejects` allows (nothing is committed), or a figure failed `--fail-if` |
| 4 | done, but some inputs could not be read to their end; what could be is stored |

A closed pipe (`wa events | head`) is no error. Results go to standard output, all else to standard error.
";

fn section(command: &clap::Command, name: &str, text: &mut String) {
    let help = command.clone().render_help().to_string();
    // Writing to a string cannot fail.
    let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", trimmed(&help));
    for sub in command.get_subcommands() {
        section(sub, &format!("{name} {}", sub.get_name()), text);
    }
}

/// Takes the blanks from the ends of the lines.
fn trimmed(help: &str) -> String {
    help.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Returns the columns of all tables, for `docs/columns.md`.
pub fn columns() -> String {
    let mut text = String::from(
        "# Columns\n\n\
         Generated from the definition of the tables. Do not edit this page: run\n\
         `UPDATE_DOCS=1 cargo test --release --test cli`.\n\n\
         Every table is a folder of Parquet files with Hive partitions. Other tools read it with a glob\n\
         such as `wa-store/sessions/*/*.parquet`.\n",
    );
    for table in Table::ALL {
        let (name, key) = (table.name(), table.partition_key());
        let _ = write!(text, "\n## {name}\n\n`{name}/{key}=…/*.parquet`\n\n");
        for column in table.columns() {
            let nullable = if column.nullable { ", nullable" } else { "" };
            let item = format!("- `{}`: {}{nullable}. {}", column.name, column.kind.name(), column.doc);
            push_wrapped(&item, "  ", &mut text);
        }
    }
    text
}

/// Appends a paragraph wrapped at 100 columns. All lines but the first are indented.
fn push_wrapped(paragraph: &str, indent: &str, text: &mut String) {
    let mut width = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            text.push('\n');
            text.push_str(indent);
            width = indent.len();
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
}
