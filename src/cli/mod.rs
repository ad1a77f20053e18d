//! The command line.
//!
//! Each command has a file. Its `Args` are the raw arguments, which `validate` converts to checked
//! `Options`; `run` calls the library with them and prints the outcome. [`Printer`] chooses the
//! output stream. Only `main` ends the process.

mod anonymize;
mod args;
mod events;
mod export;
mod files;
mod forget;
mod gc;
mod ingest;
mod interruption;
mod lint;
mod merge;
mod output;
mod preview;
mod rebuild;
mod rejects;
mod report;
mod setup;
mod status;
mod verify;
mod views;

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use report::dashboard;
use setup::{completions, config, init, man};

use args::globals::{self, Globals};
pub use args::reference;
pub use output::Printer;
pub use report::distributed::DistributedReport;

use crate::error::{ErrorKind, Result};
use crate::threads;
use crate::time::Clock;
use interruption::Change;

/// Offline analytics for chat widgets, from event logs.
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
    Dashboard(dashboard::Args),
    Events(events::Args),
    Preview(preview::Args),
    Lint(lint::Args),
    Rejects(rejects::Args),
    Status(status::Args),
    Files(files::Args),
    Views(views::Args),
    Formats(ingest::formats::Args),
    Merge(merge::Args),
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

impl Command {
    /// Returns whether the command uses several threads.
    fn works_in_parallel(&self) -> bool {
        use Command::{Completions, Config, Files, Formats, Init, Man, Views};
        let is_simple =
            matches!(self, Completions(_) | Config(_) | Files(_) | Formats(_) | Init(_) | Man(_) | Views(_));
        !is_simple
    }

    /// Returns the number of threads that the command needs in addition to the threads of parallel
    /// work. An ingest needs at least one thread each for reading, parsing and signals.
    fn reserved_threads(&self) -> usize {
        if matches!(self, Command::Ingest(_) | Command::Lint(_) | Command::Rejects(_)) { 3 } else { 0 }
    }

    /// Returns the change that the command makes to a store; `None` if it makes no change, or a
    /// change too short to be interrupted.
    fn change(&self) -> Option<Change> {
        match self {
            Command::Ingest(_) => Some(Change::Ingest),
            Command::Gc(_) => Some(Change::Once("gc")),
            Command::Forget(_) => Some(Change::Once("erasure")),
            Command::Anonymize(_) => Some(Change::Once("anonymization")),
            Command::Rebuild(_) => Some(Change::Once("rebuild")),
            Command::Merge(_) => Some(Change::Once("merge")),
            Command::Rejects(args) if args.is_retry() => Some(Change::Once("retry")),
            Command::Lint(_) => Some(Change::Temporary),
            _ => None,
        }
    }
}

impl Cli {
    /// Returns the printer with the options of the command line.
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
    args::help::compact(command_with_descriptions()).arg(help)
}

/// Returns the definition of the command line with long descriptions, for manual pages.
fn command_with_descriptions() -> clap::Command {
    args::window::show_default_days(Cli::command())
}

/// Parses the command line.
///
/// # Errors
/// The error of clap, including `--help` and `--version`. The error about an unknown command
/// suggests a known one.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> std::result::Result<Cli, Box<clap::Error>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command().color(globals::help_color(&arguments));
    let matches = command
        .try_get_matches_from_mut(&arguments)
        .or_else(|error| args::default_report::parse(error, &arguments, &mut command))
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
    interruption::report_file_size_limit(printer);
    let mut has_threads = true;
    if cli.command.works_in_parallel() {
        has_threads = threads::start_pool(cli.command.reserved_threads())?;
    }
    // If there are too few threads, a signal ends the process without a message.
    if let Some(change) = cli.command.change().filter(|_| has_threads) {
        interruption::watch(change, printer);
    }
    let outcome = run_command(cli.command, &globals, printer);
    if outcome.is_err() {
        crate::interruption::wait_for_end(Duration::from_secs(10));
    }
    outcome
}

fn run_command(command: Command, globals: &Globals, printer: &Printer) -> Result<()> {
    match command {
        Command::Ingest(args) => ingest::run(&args.validate(globals)?, printer),
        Command::Report(args) => report::run(&args.validate(globals)?, printer),
        Command::Dashboard(args) => dashboard::run(&args.validate(globals)?, printer),
        Command::Events(args) => events::run(&args.validate(globals)?, printer),
        Command::Preview(args) => preview::run(&args.validate(globals)?, printer),
        Command::Lint(args) => lint::run(args.validate(globals)?, printer),
        Command::Rejects(args) => rejects::run(&args.validate(globals)?, printer),
        Command::Status(args) => status::run(&args.validate(globals)?, printer),
        Command::Files(args) => files::run(&args.validate(globals), printer),
        Command::Views(args) => views::run(&args.validate(globals), printer),
        Command::Formats(args) => ingest::formats::run(&args, printer),
        Command::Merge(args) => merge::run(&args.validate(globals)?, printer),
        Command::Gc(args) => gc::run(&args.validate(globals)?, printer),
        Command::Forget(args) => forget::run(&args.validate(globals)?, printer),
        Command::Export(args) => export::run(&args.validate(globals)?, printer),
        Command::Anonymize(args) => anonymize::run(&args.validate(globals)?, printer),
        Command::Verify(args) => verify::run(&args.validate(globals), printer),
        Command::Rebuild(args) => rebuild::run(&args.validate(globals)?, printer),
        Command::Init(args) => init::run(&args.validate(globals)?, printer),
        Command::Config(args) => config::run(&args.validate(globals)?, printer),
        Command::Completions(args) => completions::run(&args, printer),
        Command::Man(args) => man::run(&args, printer),
    }
}
