//! Fixtures that the tests of the command line and of the guarantees share.

use std::path::Path;
use std::process::Command;

/// Variables that a child process inherits, for coverage counts and backtraces.
const INHERITED_VARIABLES: [&str; 2] = ["LLVM_PROFILE_FILE", "RUST_BACKTRACE"];

/// Returns a command that runs the `wa` binary in a folder, with an empty environment and a fixed
/// clock.
pub fn wa(folder: &Path, now: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wa"));
    command.env_clear().current_dir(folder).args(["--now", now]);
    for name in INHERITED_VARIABLES {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}
