//! `wa anonymize`: remove old addresses.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::privacy::anonymize::{AnonymizeOptions, anonymize};
use crate::render::numbers::pluralize;
use crate::store::Store;
use crate::time::Clock;

/// Remove the IP addresses of sessions, events and rejects that are older than some days
///
/// `wa gc` does this every night if privacy.anonymize_after is set in wa.toml.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa anonymize --older-than 30d
      addresses older than 30 days are removed from every table
  wa anonymize --older-than 30d --dry-run
      how many there are")]
pub struct Args {
    /// How many days of addresses to keep, counting today
    #[arg(long, value_name = "TIME", value_parser = values::days)]
    older_than: u32,

    /// Only show how many addresses would be removed
    #[arg(long)]
    dry_run: bool,

    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write what was done: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,
}

/// What it needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// Addresses of this many days stay, counting today.
    pub older_than_days: u32,
    /// Only say how many would go.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write what was done.
    pub format: SummaryFormat,
    /// Whether a form was asked for: then quiet does not hold the account back.
    pub format_given: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        globals.config()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            older_than_days: self.older_than,
            dry_run: self.dry_run,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Removes the addresses, and prints what was done.
///
/// # Errors
/// What the library returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let told = AnonymizeOptions {
        clock: options.clock,
        older_than_days: options.older_than_days,
        dry_run: options.dry_run,
        lock_timeout: options.lock_timeout,
    };
    let report = anonymize(&Store::new(&options.store), told)?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&report)
            .map_err(|e| Error::failed("cannot write what was done as JSON").caused_by(e))?,
        SummaryFormat::Table => {
            let (removed, written) = match report.dry_run {
                true => ("would be removed", "would be written anew"),
                false => ("were removed", "written anew"),
            };
            format!(
                "up to {}: addresses {removed} from {}, {} and {}; {} {written}\n",
                report.through.as_deref().unwrap_or("today"),
                pluralize(report.events, "event", "events"),
                pluralize(report.sessions, "session", "sessions"),
                pluralize(report.rejects, "reject", "rejects"),
                pluralize(report.files, "file", "files")
            )
        }
    };
    if options.dry_run {
        return printer.summary(&text, true);
    }
    printer.change_summary(&text, options.format_given, "removal of IP addresses")
}
