//! The command line: arguments become validated options, and these a call into the library.
//!
//! One file a command. In each, `Args` is what clap reads, `Options` what the command needs, all of
//! it checked, and `run` the one place where the library is called. What goes to which stream is
//! decided in [`Printer`]; `main` alone ends the process.

pub mod anonymize;
pub mod args;
pub mod completions;
pub mod config;
pub mod events;
pub mod export;
pub mod files;
pub mod forget;
pub mod gc;
pub mod ingest;
pub mod init;
pub mod man;
pub mod output;
pub mod rebuild;
pub mod report;
pub mod status;
pub mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use args::globals::Globals;
pub use output::Printer;

use crate::error::Result;
use crate::time::Clock;

/// Analytics of chat widgets from event logs, offline.
///
/// NDJSON logs go in; a store of Parquet tables (events, sessions, daily statistics, first-seen
/// visitors) and reports come out.
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
    globals: args::globals::Args,
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
    /// Makes the printer that the arguments ask for.
    pub fn printer(&self) -> Printer {
        Printer::new(self.globals.quiet, self.globals.color)
    }

    /// Returns the clock: what `--now` says, else the system's time, taken here and only here.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Failed`] where the system's clock stands outside the years it can be.
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
        .help_heading(args::globals::HEADING);
    args::help::compact(Cli::command()).arg(flag)
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command().color(args::globals::color_of_help(&arguments));
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| Box::new(args::suggest::improve(error, &command)))?;
    Cli::from_arg_matches(&matches).map_err(|error| Box::new(error.format(&mut command)))
}

/// Prints what [`parse`] returned instead of a command line: help and version to standard output,
/// what is wrong to standard error. Returns the exit status.
pub fn print_usage(error: &clap::Error) -> Result<(), crate::ErrorKind> {
    let named = !matches!(
        error.kind(),
        clap::error::ErrorKind::DisplayHelp
            | clap::error::ErrorKind::DisplayVersion
            | clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    // Nobody is left to be told where even this cannot be written.
    if named {
        let _ = std::io::stderr().write_all(b"wa: ");
    }
    let _ = error.print();
    if error.exit_code() == 0 { Ok(()) } else { Err(crate::ErrorKind::Usage) }
}

/// Runs the command.
///
/// # Errors
/// What the command's library call returns; [`crate::ErrorKind::Usage`] where arguments or settings
/// make no sense together.
pub fn run(cli: Cli, clock: Clock, printer: &Printer) -> Result<()> {
    let globals = Globals::new(cli.globals, clock);
    match cli.command {
        Command::Ingest(args) => ingest::run(&args.validate(&globals)?, printer),
        Command::Report(args) => report::run(&args.validate(&globals)?, printer),
        Command::Events(args) => events::run(&args.validate(&globals)?, printer),
        Command::Status(args) => status::run(&args.validate(&globals)?, printer),
        Command::Files(args) => files::run(&args.validate(&globals)?, printer),
        Command::Gc(args) => gc::run(&args.validate(&globals)?, printer),
        Command::Forget(args) => forget::run(&args.validate(&globals)?, printer),
        Command::Export(args) => export::run(&args.validate(&globals)?, printer),
        Command::Anonymize(args) => anonymize::run(&args.validate(&globals)?, printer),
        Command::Verify(args) => verify::run(&args.validate(&globals)?, printer),
        Command::Rebuild(args) => rebuild::run(&args.validate(&globals)?, printer),
        Command::Init(args) => init::run(&args.validate(&globals)?, printer),
        Command::Config(args) => config::run(&args.validate(&globals)?, printer),
        Command::Completions(args) => completions::run(args, printer),
        Command::Man(args) => man::run(&args, printer),
    }
}
