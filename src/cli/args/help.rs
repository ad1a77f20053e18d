//! Help texts: the first page, and the template of the other pages.

/// The output of `wa --help`: one screen of 24 lines and 80 columns.
pub(in crate::cli) const FIRST_PAGE: &str = "\
Offline analytics for chat widgets, from event logs.
Usage: wa [--store DIR] <command> [options]     wa <command> --help for examples

Example of a nightly job:
  wa ingest logs/*.ndjson                        ingest new events
  wa report summary --days 7 --as-of yesterday   report on the last seven days
  wa gc                                          prune data past its retention
Data                                      Maintenance
  ingest     ingest event logs              verify       check the store
  preview    show how logs would be read    rebuild      recompute sessions
  formats    list the supported formats     gc           prune, merge, clean up
  lint       check names and properties   Privacy
  rejects    list or retry rejected lines   forget       erase a person
  report     show a report                  export       export events
  dashboard  write a page with charts       anonymize    remove old IP addresses
  events     list events                  Setup
  status     show the state of the store    init         create a store
  files      list the files of a table      config       show the settings
  views      SQL views for other tools      man          write manual pages
  merge      add whole stores               completions  print shell completions
Reports: summary, trends, events, sources, devices, active, sessions,
         performance, pages, locations, visitors, heatmap, retention,
         conversations, goals, funnel, paths, all
Options: --store DIR [default: ./wa-store], --quiet, --color, --help, --version
";

/// Gives a command and its subcommands a help page that fits on a screen, for both `-h` and
/// `--help`. The long format of clap takes three lines per option.
pub(in crate::cli) fn compact(command: clap::Command) -> clap::Command {
    let about = command.get_long_about().or(command.get_about()).map(|about| about.to_string());
    let template = format!(
        "{}\n\n{{usage-heading}} {{usage}}\n\n{{all-args}}{{after-help}}\n",
        wrap_paragraphs(&about.unwrap_or_default())
    );
    command.disable_help_flag(true).long_about(None::<&str>).help_template(template).mut_subcommands(compact)
}

/// Wraps paragraphs at 80 columns. Each is a single line. clap does not wrap a template.
fn wrap_paragraphs(text: &str) -> String {
    let paragraphs = text.lines().map(|line| crate::render::text::wrap(line, 80).join("\n"));
    paragraphs.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{command, parse};
    use std::ffi::OsString;

    #[test]
    fn command_line_definition_is_valid() {
        command().debug_assert();
    }

    #[test]
    fn first_page_fits_a_screen_and_names_every_command() {
        let lines: Vec<&str> = FIRST_PAGE.lines().collect();
        assert!(lines.len() <= 24, "{} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for sub in command().get_subcommands() {
            assert!(FIRST_PAGE.contains(&format!("  {} ", sub.get_name())), "{} is missing", sub.get_name());
        }
        // The descriptions of the two lists of commands begin in the same columns.
        let rows = lines.iter().skip_while(|line| !line.starts_with("Data ")).skip(1);
        for row in rows.take_while(|line| line.starts_with("  ")) {
            for (name, description) in [(2, 13), (44, 57)] {
                let starts_word =
                    |column: usize| !row[column..].starts_with(' ') && row[..column].ends_with(' ');
                let is_heading = !row[42..].starts_with(' ') && name == 44;
                assert!(is_heading || starts_word(name) && starts_word(description), "not aligned: {row}");
            }
        }
        let report = command();
        let report = report.find_subcommand("report").unwrap();
        for kind in report.get_subcommands() {
            assert!(FIRST_PAGE.contains(kind.get_name()), "report {} is missing", kind.get_name());
        }
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command, name: &str) {
            let help = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  "), "`{name}` has no examples: {help:?}");
            for line in help.lines().filter(|line| !line.starts_with("    ")) {
                assert!(line.chars().count() <= 80, "`{name}`: {line}");
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{name} {}", sub.get_name()));
            }
        }
        for sub in command().get_subcommands() {
            check(sub, sub.get_name());
        }
    }

    #[test]
    fn every_example_parses() {
        fn examples(command: &clap::Command, found: &mut Vec<String>) {
            let help = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
            found.extend(help.lines().filter_map(|line| Some(line.strip_prefix("  ")?.to_owned())));
            for sub in command.get_subcommands() {
                examples(sub, found);
            }
        }
        let mut found = Vec::new();
        examples(&command(), &mut found);
        assert!(found.len() > 30);
        for example in found {
            for part in example.split(" | ").filter(|part| part.starts_with("wa ")) {
                // Redirections outside of quotes belong to the shell.
                let words = part.replace(['\'', '"'], "\u{1f}");
                // Pieces with an odd index were quoted, so each is a single argument.
                let mut arguments: Vec<OsString> = Vec::new();
                for (index, piece) in words.split('\u{1f}').enumerate() {
                    if index % 2 == 1 {
                        arguments.push(piece.into());
                    } else {
                        let piece = piece.split(" > ").next().and_then(|p| p.split(" < ").next()).unwrap();
                        arguments.extend(piece.split_whitespace().map(OsString::from));
                    }
                }
                assert!(parse(arguments).is_ok(), "does not parse: {part}");
            }
        }
    }
}
