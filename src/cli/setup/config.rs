//! `wa config`: shows the settings.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::cli::args::values::SummaryFormat;
use crate::cli::{Globals, Printer};
use crate::config::{FILE_NAME, KEYS, ResolvedConfig};
use crate::error::Result;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::table::draw_section;
use crate::render::text::escape_control;

/// Show the settings, and the origin of each value: default, file, environment variable or flag
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa config
      show a table
  wa config --format json
      print the settings for a program")]
pub(in crate::cli) struct Args {
    /// Output format: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: SummaryFormat,
}

/// The validated options.
pub(in crate::cli) struct Options {
    store: PathBuf,
    config: ResolvedConfig,
    format: SummaryFormat,
}

impl Args {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the settings are invalid.
    pub(in crate::cli) fn validate(self, globals: &Globals) -> Result<Options> {
        let config = globals.config()?;
        config.check()?;
        Ok(Options { store: globals.store.clone(), config, format: self.format })
    }
}

/// Prints the settings.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if standard output cannot be written.
pub(in crate::cli) fn run(options: &Options, printer: &Printer) -> Result<()> {
    match options.format {
        SummaryFormat::Table => printer.result(&table(options, &printer.style())),
        SummaryFormat::Json => printer.result(&json(options)),
    }
}

fn table(options: &Options, style: &Style) -> String {
    let columns = [Column::wrapped("setting"), Column::path("value"), Column::path("from")];
    let mut section = Section::new(columns);
    for (key, origin) in KEYS.iter().zip(&options.config.origins) {
        let value = key.format(&options.config.settings).unwrap_or_else(|| "-".to_owned());
        let texts = [key.name, &value, &origin.to_string()];
        section.push(texts.map(|text| escape_control(text).into_owned()));
    }
    let path = options.store.join(FILE_NAME);
    let missing = if path.exists() { "" } else { " (missing; `wa init` creates it)" };
    let path = escape_control(&path.display().to_string()).into_owned();
    format!("Settings of {path}{missing}\n\n{}", draw_section(&section, style))
}

fn json(options: &Options) -> String {
    let mut settings = Map::new();
    for (key, origin) in KEYS.iter().zip(&options.config.origins) {
        let value = key.format(&options.config.settings);
        settings.insert(
            key.name.to_owned(),
            json!({"value": value, "from": origin.kind(), "where": origin.to_string()}),
        );
    }
    let all: Value = json!({"store": options.store.display().to_string(), "settings": settings});
    format!("{all:#}\n")
}
