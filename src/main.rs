//! `wa`: parses the command line, runs the command, and turns what came of it into an exit status.

use std::process::ExitCode;

use wa::cli;

fn main() -> ExitCode {
    wa::allocator::keep_freed_memory();
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            return ExitCode::from(cli::print_usage(&error));
        }
    };
    let io = cli.io();
    let outcome = cli.clock().and_then(|clock| cli::run(cli, clock, &io));
    let status = io.finish(outcome);
    wa::allocator::leave_freed_memory();
    ExitCode::from(status)
}
