//! `wa forget`: erase a person.

use std::path::PathBuf;
use std::time::Duration;

use super::selector::{self, Selector};
use super::values::{self, Form};
use super::{Globals, Io, not_built};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::time::Clock;

/// Erase a person: all sessions that carry the identifier, and their events, from every file
///
/// Forgotten stays forgotten: lines from before the erasure stay out when their log is taken in
/// again. The receipt says how much was erased, and names nobody. The source logs are not touched.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa forget --user user_123 --dry-run
      what would be erased
  wa forget --email ada@example.org --format json > receipt.json
      erase, and keep the receipt
  wa forget --stdin < requests.txt
      many at once, and none in the shell's history: a line says user=user_123")]
pub struct Args {
    #[command(flatten)]
    who: selector::Args,

    /// Only say what would be erased
    #[arg(long)]
    dry_run: bool,

    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::wait, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write the receipt: table or json; said so, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<Form>,
}

/// What an erasure needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now: that of the erasure.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// Whom the flags name.
    pub selectors: Vec<Selector>,
    /// Read more of them from standard input.
    pub stdin: bool,
    /// Only say what would be erased.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write the receipt.
    pub form: Form,
    /// Whether a form was asked for: then quiet does not hold the receipt back.
    pub form_asked: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where nobody is named, or the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let stdin = self.who.stdin;
        let selectors = self.who.selectors();
        if selectors.is_empty() && !stdin {
            return Err(Error::usage("nobody is named to be forgotten")
                .hint("add --user ID, --anonymous-id ID, --email ADDRESS, --session-id ID or --stdin"));
        }
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            selectors,
            stdin,
            dry_run: self.dry_run,
            lock_timeout: self.lock_timeout,
            form: self.format.unwrap_or_default(),
            form_asked: self.format.is_some(),
        })
    }
}

/// Erases, and prints the receipt.
///
/// # Errors
/// What the erasure returns; [`crate::Kind::Usage`] where standard input makes no sense.
pub fn run(options: &Options, _io: &Io) -> Result<()> {
    let mut selectors = options.selectors.clone();
    if options.stdin {
        selectors.extend(selector::read(std::io::stdin().lock())?);
    }
    Err(not_built("forget"))
}
