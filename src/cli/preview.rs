//! `wa preview`: shows how files would be read, without a store.

use std::path::PathBuf;

use super::args::maps;
use super::args::values::{self, SummaryFormat};
use super::output::ingest_summary;
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::preview::{PreviewOptions, preview};
use crate::render;
use crate::render::numbers::pluralize;
use crate::render::preview::preview_table;

/// Show how the first records of files would be read, without a store
///
/// Shows the detected format and the reason for it, the columns with samples, unknown fields, the
/// event names and similar standard events, the resulting sessions, and rejected lines with the
/// value at fault. If no event can be read, it shows the keys, the nearest built-in map, and a
/// draft of a map.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa preview export.json
      show how a file would be read
  wa preview logs/ --lines 1000 --chatbot shop
      read more records of each file in a folder
  wa preview visits.csv --map my.toml --timezone Europe/Berlin
      try a custom map
  wa preview a.csv --format json | jq -r .files[0].shape.skeleton > my.toml
      draft a map for a file in an unknown format")]
pub(super) struct Args {
    /// Files, folders or globs, as for `wa ingest`, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Number of records to read from each file
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lines: u32,

    /// Map that reads the files: a built-in one (wa formats lists them) or a TOML file
    /// [default: detected from the first records of each file]
    #[arg(long, value_name = "NAME|FILE")]
    map: Option<String>,

    /// Time zone of times without an offset [default: the zone of the map, else UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,

    /// Chatbot of lines without chatbot_id
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Option<String>,

    /// Output format: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: SummaryFormat,
}

/// The validated options.
pub(super) struct Options {
    preview: PreviewOptions,
    format: SummaryFormat,
}

impl Args {
    /// Checks the arguments and reads the map.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if arguments, settings or the map are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let settings = globals.config()?.settings;
        let preview = PreviewOptions {
            inputs: self.files,
            lines: self.lines as usize,
            chatbot: self.chatbot,
            map: self.map.as_deref().map(maps::load).transpose()?,
            timezone: self.timezone.as_deref().map(maps::timezone).transpose()?,
            session_timeout: settings.session_timeout,
            clock: globals.clock,
        };
        Ok(Options { preview, format: self.format })
    }
}

/// Reads the first records of the files and prints the previews.
///
/// # Errors
/// [`ErrorKind::PartialInput`] if a file cannot be read or no event of it can be used.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let bar = Bar::new(printer, "preview");
    let preview = preview(&options.preview, &bar)?;
    bar.finish();
    if !preview.files.is_empty() || preview.problems.is_empty() {
        printer.result(&match options.format {
            SummaryFormat::Json => render::json(&preview, "preview")?,
            SummaryFormat::Table => preview_table(&preview, &printer.style()),
        })?;
    }
    preview.problems.iter().for_each(|problem| printer.error(problem));
    ingest_summary::unread_files(&preview.unread, printer);
    let unusable =
        preview.files.iter().filter(|file| file.error.is_some() || file.counts.events == 0).count();
    let error = match preview.problems.len() + unusable {
        0 => return Ok(()),
        n => Error::new(
            ErrorKind::PartialInput,
            format!(
                "{} no usable event or could not be read to the end",
                pluralize(n as u64, "file has", "files have")
            ),
        ),
    };
    // A map cannot help with an empty file, or with one that is not a log.
    Err(match preview.files.iter().any(|file| file.counts.read > 0 && file.counts.events == 0) {
        true => error.hint("see above; `wa preview FILE --map my.toml` tries a custom map"),
        false => error,
    })
}
