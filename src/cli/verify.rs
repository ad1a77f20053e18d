//! `wa verify`: check the whole store.

use std::path::PathBuf;

use super::values::Form;
use super::{Globals, Io, not_built};
use crate::error::Result;
use crate::settings::Settings;
use crate::time::Clock;

/// Check every file against the manifest, and the derived tables against the events
///
/// Size, rows and checksum of every file; sessions, visitors and daily statistics made again from
/// the events, as far as these are kept, and compared row for row. Exit status 1, with a list, where
/// something differs.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa verify
      after a crash of the machine, before a backup
  wa verify --format json | jq .differences
      for a program")]
pub struct Args {
    /// How to write the result: table or json; said so, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<Form>,
}

/// What the check needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// How to write the result.
    pub form: Form,
    /// Whether a form was asked for: then quiet does not hold the result back.
    pub form_asked: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            form: self.format.unwrap_or_default(),
            form_asked: self.format.is_some(),
        })
    }
}

/// Checks the store and prints what differs.
///
/// # Errors
/// [`crate::Kind::Failed`] where something differs.
pub fn run(_options: &Options, _io: &Io) -> Result<()> {
    Err(not_built("verify"))
}
