//! `wa config`: the settings in force.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::args::values::Form;
use super::{Globals, Io};
use crate::config::{FILE_NAME, InForce, KEYS};
use crate::error::Result;
use crate::render::text::visible;

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
    format: Form,
}

/// What it needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The settings in force.
    pub in_force: InForce,
    /// How to write them.
    pub form: Form,
}

impl Args {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where they make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let in_force = globals.settings()?;
        in_force.check()?;
        Ok(Options { store: globals.store.clone(), in_force, form: self.format })
    }
}

/// Prints the settings.
///
/// # Errors
/// [`crate::Kind::Failed`] where standard output cannot be written.
pub fn run(options: &Options, io: &Io) -> Result<()> {
    match options.form {
        Form::Table => io.result(&table(options, io.width())),
        Form::Json => io.result(&json(options)),
    }
}

fn table(options: &Options, width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["setting", "value", "from"]);
    if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (key, origin) in KEYS.iter().zip(&options.in_force.origins) {
        let value = key.show(&options.in_force.settings).unwrap_or_else(|| "-".to_owned());
        table.add_row([
            key.name.to_owned(),
            visible(&value).into_owned(),
            visible(&origin.to_string()).into_owned(),
        ]);
    }
    let path = options.store.join(FILE_NAME);
    let file = if path.exists() { "" } else { " (not there: `wa init` makes it)" };
    format!("Settings of {}{file}\n\n{}\n", visible(&path.display().to_string()), table.trim_fmt())
}

fn json(options: &Options) -> String {
    let mut settings = Map::new();
    for (key, origin) in KEYS.iter().zip(&options.in_force.origins) {
        let value = key.show(&options.in_force.settings);
        settings.insert(
            key.name.to_owned(),
            json!({"value": value, "from": origin.kind(), "where": origin.to_string()}),
        );
    }
    let all: Value = json!({"store": options.store.display().to_string(), "settings": settings});
    format!("{all:#}\n")
}
