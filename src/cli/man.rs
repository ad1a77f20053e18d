//! `wa man`: the manual pages.

use std::path::{Path, PathBuf};

use super::Printer;
use crate::error::{Error, Result};

/// Write the manual pages into a folder: wa.1, wa-ingest.1, wa-report-summary.1 and so on
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa man ~/.local/share/man/man1
      then: man wa-ingest")]
pub struct Args {
    /// The folder; it is made if need be
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where one cannot be written.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|e| Error::io("make the directory", dir, e))?;
    // Pages of `wa help …` would be copies of the others.
    let mut command = super::described().disable_help_subcommand(true);
    command.build();
    let mut pages = 0;
    write(&command, "wa", dir, &mut pages)?;
    printer.note(&format!("wrote {pages} manual pages to {}", dir.display()));
    Ok(())
}

fn write(command: &clap::Command, name: &str, dir: &Path, pages: &mut usize) -> Result<()> {
    let mut page = Vec::new();
    let render = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).render(&mut page);
    let path = dir.join(format!("{name}.1"));
    render
        .and_then(|()| std::fs::write(&path, fix_synopsis(&String::from_utf8_lossy(&page), command)))
        .map_err(|e| Error::io("write the manual page", &path, e))?;
    *pages += 1;
    for sub in command.get_subcommands() {
        write(sub, &format!("{name}-{}", sub.get_name()), dir, pages)?;
    }
    Ok(())
}

/// Puts right what clap_mangen leaves out or names oddly: the values of options in the synopsis, and the
/// heading of the examples.
fn fix_synopsis(page: &str, command: &clap::Command) -> String {
    let mut page = page.replace("\n.SH EXTRA\nExamples:\n", "\n.SH EXAMPLES\n");
    for option in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
        let (Some(long), Some([value, ..])) = (option.get_long(), option.get_value_names()) else { continue };
        let bold = format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-"));
        // Only in the synopsis does a bracket stand right after it.
        for end in [']', '>'] {
            page = page.replace(&format!("{bold}{end}"), &format!("{bold} \\fI{value}\\fR{end}"));
        }
    }
    page
}
