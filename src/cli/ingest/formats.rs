//! `wa formats`: lists the built-in maps, and prints one.

use clap::Subcommand;

use crate::cli::Printer;
use crate::cli::args::maps;
use crate::error::Result;
use crate::ingest::presets;
use crate::render::text::wrap;

/// List the formats that have a built-in map, or print the map of a format
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa formats
      list the built-in maps
  wa formats show nginx > my.toml
      start a custom map; then: wa ingest access.log --map my.toml")]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Print a map
    #[command(after_help = "\
Examples:
  wa formats show segment
      print the map of Segment")]
    Show {
        /// Name of the map
        name: String,
    },
}

/// The minimum width of a description.
const MIN_ABOUT: usize = 20;

/// Prints the list or a map.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if there is no map with this name.
pub(in crate::cli) fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.command {
        Some(Command::Show { name }) => {
            printer.result(presets::text(name).ok_or_else(|| maps::unknown(name))?)
        }
        None => printer.result(&list(printer.style().width)),
    }
}

/// Returns the list, formats first and wrappings second. Descriptions wrap at `width`.
fn list(width: usize) -> String {
    let maps = presets::all();
    let names = maps.iter().map(|map| map.name.len()).max().unwrap_or(0);
    let indent = names + 4;
    let mut text = String::new();
    for (title, wrappings) in
        [("Formats:", false), ("Wrappings; the format of their content is detected too:", true)]
    {
        if wrappings {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", wrap(title, width).join("\n")));
        for map in maps.iter().filter(|map| map.is_wrapping() == wrappings) {
            let about = wrap(&map.about, width.saturating_sub(indent).max(MIN_ABOUT));
            let about = about.join(&format!("\n{:indent$}", ""));
            text.push_str(&format!("  {:names$}  {about}\n", map.name));
        }
    }
    text
}
