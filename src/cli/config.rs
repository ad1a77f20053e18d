//! `wa config`: the settings in force.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::args::values::SummaryFormat;
use super::{Globals, Printer};
use crate::config::{FILE_NAME, KEYS, ResolvedConfig};
use crate::error::Result;
use crate::render::text::escape_control;

/// Show the settings in force, and where each value comes from: default, file, environment, flag
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa config
      a table
  wa config --format json
      for a program")]
pub struct Args {
    /// How to write them: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: SummaryFormat,
}

/// What it needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The settings in force.
    pub resolved: ResolvedConfig,
    /// How to write them.
    pub format: SummaryFormat,
}

impl Args {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where they make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let resolved = globals.settings()?;
        resolved.check()?;
        Ok(Options { store: globals.store.clone(), resolved, format: self.format })
    }
}

/// Prints the settings.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where standard output cannot be written.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    match options.format {
        SummaryFormat::Table => printer.result(&table(options, printer.width())),
        SummaryFormat::Json => printer.result(&json(options)),
    }
}

fn table(options: &Options, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["setting", "value", "from"]);
    if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (key, origin) in KEYS.iter().zip(&options.resolved.origins) {
        let value = key.show(&options.resolved.settings).unwrap_or_else(|| "-".to_owned());
        table.add_row([
            key.name.to_owned(),
            escape_control(&value).into_owned(),
            escape_control(&origin.to_string()).into_owned(),
        ]);
    }
    let path = options.store.join(FILE_NAME);
    let file = if path.exists() { "" } else { " (not there: `wa init` makes it)" };
    format!("Settings of {}{file}\n\n{}\n", escape_control(&path.display().to_string()), table.trim_fmt())
}

fn json(options: &Options) -> String {
    let mut settings = Map::new();
    for (key, origin) in KEYS.iter().zip(&options.resolved.origins) {
        let value = key.show(&options.resolved.settings);
        settings.insert(
            key.name.to_owned(),
            json!({"value": value, "from": origin.kind(), "where": origin.to_string()}),
        );
    }
    let all: Value = json!({"store": options.store.display().to_string(), "settings": settings});
    format!("{all:#}\n")
}
