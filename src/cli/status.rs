//! `wa status`: what the store holds.

use std::path::PathBuf;

use super::values::Form;
use super::{Globals, Io, not_built};
use crate::error::Result;
use crate::settings::Settings;
use crate::time::Clock;

/// Say what the store holds: days, rows, files and bytes of every table, last ingest, last gc
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa status
      a table, with warnings where something should be looked at
  wa --store /var/lib/wa status --format json
      for a monitor")]
pub struct Args {
    /// How to write it: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: Form,
}

/// What the status needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// How to write it.
    pub form: Form,
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
            form: self.format,
        })
    }
}

/// Prints what the store holds.
///
/// # Errors
/// What opening the store returns.
pub fn run(_options: &Options, _io: &Io) -> Result<()> {
    Err(not_built("status"))
}
