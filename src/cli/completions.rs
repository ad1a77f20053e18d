//! `wa completions`: the completions of a shell.

use clap_complete::Shell;

use super::Printer;
use crate::error::Result;

/// Print the completions of a shell: bash, zsh, fish, elvish or powershell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa completions bash > ~/.local/share/bash-completion/completions/wa
      for bash
  wa completions fish > ~/.config/fish/completions/wa.fish
      for fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where standard output cannot be written.
pub fn run(args: Args, printer: &Printer) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "wa", &mut text);
    printer.result(&String::from_utf8_lossy(&text))
}
