//! Help: the first page by hand, so that it fits one screen; the others short, with examples.

/// What `wa --help` prints: one screen of 24 lines and 80 columns.
pub(crate) const FIRST_PAGE: &str = "\
Analytics of chat widgets from event logs, offline.

Usage: wa [--store DIR] <command> [options]

A night:
  wa ingest logs/*.ndjson                       take in what is new
  wa report summary --days 7 --as-of yesterday  look at the last seven days
  wa gc                                         prune what is past its retention

Commands (`wa <command> --help` has options and examples):
  ingest     take in logs                  forget     erase a person
  report     summary, trends, events,      export     a person's data, or all
             sources, devices, active,     anonymize  remove old addresses
             sessions, pages, locations,   gc         prune old data, tidy up
             performance, visitors, all    verify     check the whole store
  events     look at raw events            rebuild    make sessions again
  status     what the store holds          init       make a store, with wa.toml
  files      list a table's files          config     the settings in force
  completions SHELL  of bash, zsh, fish …  man        write the manual pages

Options:
  --store DIR    the store [env: WA_STORE] [default: ./wa-store]
  -q, --quiet    no accounts while all goes well       --color auto|always|never
  -h, --help     this page, or a command's options     -V, --version
";

/// Makes the help of a command, and of those below it, the same short page for `-h` and `--help`:
/// clap's long form takes three lines for each option and no screen holds it.
pub(crate) fn compact(command: clap::Command) -> clap::Command {
    let about = command.get_long_about().or(command.get_about()).map(|about| about.to_string());
    let template = format!(
        "{}\n\n{{usage-heading}} {{usage}}\n\n{{all-args}}{{after-help}}\n",
        folded(&about.unwrap_or_default())
    );
    command.disable_help_flag(true).long_about(None::<&str>).help_template(template).mut_subcommands(compact)
}

/// Folds paragraphs, each of which is one line, at 80 columns.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        // A word can hold the end of one paragraph and the beginning of the next.
        let first = word.split('\n').next().unwrap_or("").chars().count();
        if column > 0 && column + 1 + first > 80 {
            folded.push('\n');
            column = 0;
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        match word.rsplit_once('\n') {
            Some((_, last)) => column = last.chars().count(),
            None => column += first,
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{command, parse};
    use std::ffi::OsString;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_first_help_fits_one_screen_and_names_every_command() {
        let lines: Vec<&str> = FIRST_PAGE.lines().collect();
        assert!(lines.len() <= 24, "{} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for sub in command().get_subcommands() {
            assert!(FIRST_PAGE.contains(&format!("  {} ", sub.get_name())), "{} is missing", sub.get_name());
        }
        let report = command();
        let report = report.find_subcommand("report").unwrap();
        for kind in report.get_subcommands() {
            assert!(FIRST_PAGE.contains(kind.get_name()), "report {} is missing", kind.get_name());
        }
    }

    #[test]
    fn every_command_shows_examples() {
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
                // What stands after a redirection outside of quotes is the shell's.
                let words = part.replace(['\'', '"'], "\u{1f}");
                // Quoted pieces are one word: the odd pieces between quotes.
                let mut arguments: Vec<OsString> = Vec::new();
                for (i, piece) in words.split('\u{1f}').enumerate() {
                    if i % 2 == 1 {
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
