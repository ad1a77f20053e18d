//! The command line.
//!
//! Each command has a file. Its `Args` are the raw arguments, which `validate` turns into checked
//! `Options`; `run` calls the library with them and prints the outcome. [`Printer`] decides which
//! stream a text goes to. Only `main` ends the process.

mod anonymize;
mod args;
mod completions;
mod config;
mod events;
mod export;
mod files;
mod forget;
mod gc;
mod ingest;
mod init;
mod man;
mod output;
mod rebuild;
mod report;
mod status;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use args::globals::{self, Globals};
pub use args::reference;
pub use output::Printer;

use crate::error::{ErrorKind, Result};
use crate::time::Clock;

/// Analytics of chat widgets from event logs, offline.
///
/// Reads NDJSON logs into a store of Parquet tables (events, sessions, daily statistics, visitors),
/// and reports on them.
#[derive(Parser, Debug)]
#[command(
    name = "wa",
    version,
    override_help = args::help::FIRST_PAGE,
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
    /// Returns the printer that the arguments ask for.
    pub fn printer(&self) -> Printer {
        Printer::new(self.globals.quiet, self.globals.color)
    }

    /// Returns the time of `--now`, or the current time. Nothing else reads the system clock.
    pub fn clock(&self) -> Clock {
        Clock { now: self.globals.now.unwrap_or_else(|| chrono::Utc::now().timestamp_micros()) }
    }
}

/// Returns the definition of the command line for parsing, help and completions.
fn command() -> clap::Command {
    let help = clap::Arg::new("help")
        .short('h')
        .long("help")
        .global(true)
        .action(clap::ArgAction::HelpShort)
        .help("Print help")
        .help_heading(globals::HEADING);
    args::help::compact(Cli::command()).arg(help)
}

/// Returns the definition of the command line with long descriptions, for manual pages.
fn command_with_descriptions() -> clap::Command {
    Cli::command()
}

/// Parses the command line.
///
/// # Errors
/// The error of clap, also for `--help` and `--version`. For an unknown command it suggests one.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> std::result::Result<Cli, Box<clap::Error>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command().color(globals::help_color(&arguments));
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| Box::new(args::suggest::improve(error, &command)))?;
    Cli::from_arg_matches(&matches).map_err(|error| Box::new(error.format(&mut command)))
}

/// Prints an error of [`parse`]: help and version to standard output, usage errors to standard
/// error.
///
/// # Errors
/// [`ErrorKind::Usage`] for a usage error.
pub fn print_usage(error: &clap::Error) -> Result<(), ErrorKind> {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    let is_help =
        matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand);
    // A failed write cannot be reported anywhere.
    if !is_help {
        let _ = std::io::stderr().write_all(b"wa: ");
    }
    let _ = error.print();
    if error.exit_code() == 0 { Ok(()) } else { Err(ErrorKind::Usage) }
}

/// Runs the command.
///
/// # Errors
/// The error of the command; [`ErrorKind::Usage`] if arguments or settings are invalid.
pub fn run(cli: Cli, clock: Clock, printer: &Printer) -> Result<()> {
    let globals = Globals::new(cli.globals, clock);
    match cli.command {
        Command::Ingest(args) => ingest::run(&args.validate(&globals)?, printer),
        Command::Report(args) => report::run(&args.validate(&globals)?, printer),
        Command::Events(args) => events::run(&args.validate(&globals)?, printer),
        Command::Status(args) => status::run(&args.validate(&globals)?, printer),
        Command::Files(args) => files::run(&args.validate(&globals), printer),
        Command::Gc(args) => gc::run(&args.validate(&globals)?, printer),
        Command::Forget(args) => forget::run(&args.validate(&globals)?, printer),
        Command::Export(args) => export::run(&args.validate(&globals)?, printer),
        Command::Anonymize(args) => anonymize::run(&args.validate(&globals)?, printer),
        Command::Verify(args) => verify::run(&args.validate(&globals), printer),
        Command::Rebuild(args) => rebuild::run(&args.validate(&globals)?, printer),
        Command::Init(args) => init::run(&args.validate(&globals)?, printer),
        Command::Config(args) => config::run(&args.validate(&globals)?, printer),
        Command::Completions(args) => completions::run(&args, printer),
        Command::Man(args) => man::run(&args, printer),
    }
}
