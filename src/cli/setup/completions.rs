//! `wa completions`: prints shell completions.

use clap_complete::Shell;

use crate::cli::Printer;
use crate::error::Result;

/// Print completions for a shell: bash, zsh, fish, elvish or powershell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa completions bash > ~/.local/share/bash-completion/completions/wa
      install completions for bash
  wa completions fish > ~/.config/fish/completions/wa.fish
      install completions for fish")]
pub(in crate::cli) struct Args {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if standard output cannot be written.
pub(in crate::cli) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "wa", &mut text);
    printer.result(&String::from_utf8_lossy(&text))
}
