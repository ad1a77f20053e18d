//! `wa rebuild`: make sessions and daily statistics again.

use std::path::PathBuf;
use std::time::Duration;

use super::values::{self, Form};
use super::{Globals, Io, not_built};
use crate::error::Result;
use crate::settings::Settings;
use crate::time::Clock;

/// Make sessions and daily statistics again, after a change of timeout or time zone
///
/// Sessions whose events are kept are made again from them; older ones stay as they are, dated by
/// the new time zone. First-seen times only move earlier.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa rebuild
      after timezone or session_timeout was changed in wa.toml")]
pub struct Args {
    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::wait, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write what was done: table or json; said so, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<Form>,
}

/// What a rebuild needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force: the timeout and time zone to rebuild with.
    pub settings: Settings,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write what was done.
    pub form: Form,
    /// Whether a form was asked for: then quiet does not hold the account back.
    pub form_asked: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let in_force = globals.settings()?;
        in_force.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: in_force.settings,
            lock_timeout: self.lock_timeout,
            form: self.format.unwrap_or_default(),
            form_asked: self.format.is_some(),
        })
    }
}

/// Rebuilds, and prints what was done.
///
/// # Errors
/// What the rebuild returns.
pub fn run(_options: &Options, _io: &Io) -> Result<()> {
    Err(not_built("rebuild"))
}
