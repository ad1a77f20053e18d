//! `wa man`: writes manual pages.

use std::path::{Path, PathBuf};

use crate::cli::Printer;
use crate::error::{Error, Result};

/// Write the manual pages to a folder: wa.1, wa-ingest.1, wa-report-summary.1 and so on
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa man ~/.local/share/man/man1
      then run: man wa-ingest")]
pub(in crate::cli) struct Args {
    /// Folder; it is created if it does not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if a page cannot be written.
pub(in crate::cli) fn run(args: &Args, printer: &Printer) -> Result<()> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, e))?;
    // Omit the pages of `wa help …`, which would be copies of the others.
    let mut command = crate::cli::command_with_descriptions().disable_help_subcommand(true);
    command.build();
    let pages = write_pages(&command, "wa", dir)?;
    printer.note(&format!("wrote {pages} manual pages to {}", dir.display()));
    Ok(())
}

/// Writes the pages of a command and of its subcommands. Returns their number.
fn write_pages(command: &clap::Command, name: &str, dir: &Path) -> Result<usize> {
    let mut page = Vec::new();
    let render = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).render(&mut page);
    let path = dir.join(format!("{name}.1"));
    render
        .and_then(|()| std::fs::write(&path, fix_synopsis(&String::from_utf8_lossy(&page), command)))
        .map_err(|e| Error::io("write the manual page", &path, e))?;
    let mut pages = 1;
    for sub in command.get_subcommands() {
        pages += write_pages(sub, &format!("{name}-{}", sub.get_name()), dir)?;
    }
    Ok(pages)
}

/// Adds parts that clap_mangen omits: the values of options in the synopsis, and a heading for
/// examples.
fn fix_synopsis(page: &str, command: &clap::Command) -> String {
    let mut page = page.replace("\n.SH EXTRA\nExamples:\n", "\n.SH EXAMPLES\n");
    for option in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
        let (Some(long), Some([value, ..])) = (option.get_long(), option.get_value_names()) else { continue };
        let bold = format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-"));
        // A bracket follows the option directly only in the synopsis.
        for end in [']', '>'] {
            page = page.replace(&format!("{bold}{end}"), &format!("{bold} \\fI{value}\\fR{end}"));
        }
    }
    page
}
