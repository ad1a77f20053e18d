//! `wa`: parses the command line, runs the command, and maps the outcome to an exit status.

use std::process::ExitCode;

use wa::ErrorKind;
use wa::cli::{self, Cli};

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args_os()) {
        Ok(cli) => run(cli),
        Err(error) => cli::print_usage(&error),
    };
    outcome.map_or_else(exit_code, |()| ExitCode::SUCCESS)
}

fn run(cli: Cli) -> Result<(), ErrorKind> {
    let printer = cli.printer();
    let clock = cli.clock();
    let outcome = cli::run(cli, clock, &printer);
    printer.finish(outcome)
}

/// Returns the exit status of a failure. `docs/commands.md` lists them.
fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::TooManyRejected | ErrorKind::ConditionMet => 3,
        ErrorKind::PartialInput => 4,
    })
}
