//! The command line: arguments become validated options, and these a call into the library.
//!
//! One file a command. In each, `Args` is what clap reads, `Options` what the command needs, all of
//! it checked, and `run` the one place where the library is called. What goes to which stream is
//! decided in [`Io`]; `main` alone ends the process.

mod account;
pub mod anonymize;
mod care;
pub mod completions;
pub mod condition;
pub mod config;
pub mod escape;
pub mod events;
pub mod export;
pub mod files;
pub mod forget;
pub mod gc;
pub mod globals;
pub mod ingest;
pub mod init;
pub mod io;
pub mod man;
pub mod rebuild;
pub mod reference;
pub mod report;
pub mod selector;
pub mod status;
mod suggest;
pub mod values;
pub mod verify;
pub mod window;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use globals::Globals;
pub use io::Io;

use crate::error::{Error, Result};
use crate::time::Clock;

/// Analytics of chat widgets from event logs, offline.
///
/// NDJSON logs go in; a store of Parquet tables (events, sessions, daily statistics, first-seen
/// visitors) and reports come out.
#[derive(Parser, Debug)]
#[command(
    name = "wa",
    version,
    override_help = HELP,
    subcommand_value_name = "command",
    propagate_version = false,
    max_term_width = 100,
    disable_help_flag = true
)]
pub struct Cli {
    #[command(flatten)]
    globals: globals::Args,
    #[command(subcommand)]
    command: Command,
}

/// What `wa --help` prints: one screen of 24 lines and 80 columns.
const HELP: &str = "\
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
             sessions, performance,        gc         prune old data, tidy up
             pages, places, visitors, all  verify     check the whole store
  events     look at raw events            rebuild    make sessions again
  status     what the store holds          init       make a store, with wa.toml
  files      list a table's files          config     the settings in force
  completions SHELL, man DIR               help       help on a command

Options:
  --store DIR    the store [env: WA_STORE] [default: ./wa-store]
  -q, --quiet    print nothing if all goes well        --color auto|always|never
  -h, --help     this page, or a command's options     -V, --version
";

#[derive(Subcommand, Debug)]
enum Command {
    Ingest(ingest::Args),
    Report(report::Args),
    Events(events::Args),
    Status(status::Args),
    Files(files::Args),
    Gc(gc::Args),
    Forget(forget::Args),
    Export(export::Args),
    Anonymize(anonymize::Args),
    Verify(verify::Args),
    Rebuild(rebuild::Args),
    Init(init::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Makes the printer that the arguments ask for.
    pub fn io(&self) -> Io {
        Io::new(self.globals.quiet, self.globals.color)
    }

    /// Returns the clock: what `--now` says, else the system's time, taken here and only here.
    ///
    /// # Errors
    /// [`crate::Kind::Failed`] where the system's clock stands outside the years it can be.
    pub fn clock(&self) -> Result<Clock> {
        match self.globals.now {
            Some(now) => Ok(Clock { now }),
            None => Ok(Clock { now: chrono::Utc::now().timestamp_micros() }),
        }
    }
}

/// Returns the definition of the command line: what is parsed, completed and printed as help.
pub fn command() -> clap::Command {
    let flag = clap::Arg::new("help")
        .short('h')
        .long("help")
        .global(true)
        .action(clap::ArgAction::HelpShort)
        .help("Print help")
        .help_heading(globals::HEADING);
    compact(Cli::command()).arg(flag)
}

/// Makes the help of a command, and of those below it, the same short page for `-h` and `--help`:
/// clap's long form takes three lines for each option and no screen holds it.
fn compact(command: clap::Command) -> clap::Command {
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

/// Returns the definition of the command line with its long descriptions, for the manual pages.
fn described() -> clap::Command {
    Cli::command()
}

/// Parses the command line.
///
/// # Errors
/// clap's error, which is also what `--help` and `--version` come back as; where a command does not
/// exist it says which was meant.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> std::result::Result<Cli, Box<clap::Error>> {
    let mut command = command();
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| Box::new(suggest::improve(error, &command)))?;
    Cli::from_arg_matches(&matches).map_err(|error| Box::new(error.format(&mut command)))
}

/// Runs the command.
///
/// # Errors
/// What the command's library call returns; [`crate::Kind::Usage`] where arguments or settings
/// make no sense together.
pub fn run(cli: Cli, clock: Clock, io: &Io) -> Result<()> {
    let globals = Globals::new(cli.globals, clock);
    match cli.command {
        Command::Ingest(args) => ingest::run(&args.validate(&globals)?, io),
        Command::Report(args) => report::run(&args.validate(&globals)?, io),
        Command::Events(args) => events::run(&args.validate(&globals)?, io),
        Command::Status(args) => status::run(&args.validate(&globals)?, io),
        Command::Files(args) => files::run(&args.validate(&globals)?, io),
        Command::Gc(args) => gc::run(&args.validate(&globals)?, io),
        Command::Forget(args) => forget::run(&args.validate(&globals)?, io),
        Command::Export(args) => export::run(&args.validate(&globals)?, io),
        Command::Anonymize(args) => anonymize::run(&args.validate(&globals)?, io),
        Command::Verify(args) => verify::run(&args.validate(&globals)?, io),
        Command::Rebuild(args) => rebuild::run(&args.validate(&globals)?, io),
        Command::Init(args) => init::run(&args.validate(&globals)?, io),
        Command::Config(args) => config::run(&args.validate(&globals)?, io),
        Command::Completions(args) => completions::run(args, io),
        Command::Man(args) => man::run(&args, io),
    }
}

/// The answer of a command whose library call is not wired yet.
fn not_built(command: &str) -> Error {
    Error::failed(format!("`wa {command}` is not built yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_first_help_fits_one_screen_and_names_every_command() {
        let lines: Vec<&str> = HELP.lines().collect();
        assert!(lines.len() <= 24, "{} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for sub in command().get_subcommands() {
            assert!(HELP.contains(&format!("  {}", sub.get_name())), "{} is missing", sub.get_name());
        }
        let report = command();
        let report = report.find_subcommand("report").unwrap();
        for kind in report.get_subcommands() {
            assert!(HELP.contains(kind.get_name()), "report {} is missing", kind.get_name());
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
