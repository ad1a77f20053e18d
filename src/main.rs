//! `wa`: parses the command line, runs the command, and turns what came of it into an exit status.

use std::process::ExitCode;

use wa::cli;

/// Threads that read, parse and write pass large buffers to each other, which the system's
/// allocator gives back and takes anew all the time: `docs/benchmarks.md` has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            return ExitCode::from(cli::print_usage(&error));
        }
    };
    let io = cli.io();
    let outcome = cli.clock().and_then(|clock| cli::run(cli, clock, &io));
    ExitCode::from(io.finish(outcome))
}
