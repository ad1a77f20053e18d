//! `wa forget`: erase a person.

use std::path::PathBuf;
use std::time::Duration;

use super::args::selector;
use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::privacy;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::settings::Settings;
use crate::store::Store;
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
      many at once, and none in the shell's history; a line reads user=user_123")]
pub struct Args {
    #[command(flatten)]
    who: selector::Args,

    /// Only show what would be erased
    #[arg(long)]
    dry_run: bool,

    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write the receipt: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,
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
    pub identifiers: Vec<Identifier>,
    /// Read more of them from standard input.
    pub stdin: bool,
    /// Only say what would be erased.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// How to write the receipt.
    pub format: SummaryFormat,
    /// Whether a form was asked for: then quiet does not hold the receipt back.
    pub format_given: bool,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where nobody is named, or the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let stdin = self.who.stdin;
        let identifiers = self.who.into_identifiers();
        if identifiers.is_empty() && !stdin {
            return Err(Error::usage("nobody is named to be forgotten")
                .hint("add --user ID, --anonymous-id ID, --email EMAIL, --session-id ID or --stdin"));
        }
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.config()?.settings,
            identifiers,
            stdin,
            dry_run: self.dry_run,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Erases, and prints the receipt.
///
/// # Errors
/// What the erasure returns; [`crate::ErrorKind::Usage`] where standard input makes no sense.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let mut identifiers = options.identifiers.clone();
    if options.stdin {
        identifiers.extend(selector::read(std::io::stdin().lock())?);
    }
    let told = privacy::ForgetOptions {
        clock: options.clock,
        dry_run: options.dry_run,
        lock_timeout: options.lock_timeout,
        key_file: options.settings.key_file.clone(),
    };
    let receipt = privacy::forget(&Store::new(&options.store), &identifiers, &told)?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&receipt)
            .map_err(|e| Error::failed("cannot write the receipt as JSON").caused_by(e))?,
        SummaryFormat::Table => table(&receipt, &printer.summary_style()),
    };
    if options.dry_run {
        return printer.summary(&text, true);
    }
    printer.receipt(&text, options.format_given, "erasure")
}

fn table(receipt: &privacy::ErasureReceipt, style: &Style) -> String {
    let (erased, redacted) = match receipt.dry_run {
        true => ("would be erased", "would be redacted"),
        false => ("erased", "redacted"),
    };
    let mut section = Section::new([Column::text(""), Column::number(erased), Column::number(redacted)]);
    let (gone, changed) = (&receipt.erased, &receipt.redacted);
    for (name, gone, changed) in [
        ("events", gone.events, Some(changed.events)),
        ("sessions", gone.sessions, Some(changed.sessions)),
        ("visitors", gone.visitors, None),
        ("rejects", gone.rejects, None),
        ("entries of daily_stats", gone.daily_stats_entries, None),
    ] {
        let changed = changed.map_or_else(|| "-".to_owned(), group_digits);
        section.push([name.to_owned(), group_digits(gone), changed]);
    }
    let looked = &receipt.identifiers;
    let ([followed, recomputed, replaced], when) = match receipt.dry_run {
        true => {
            (["would be followed", "would be worked out again", "would be replaced"], "nothing was changed")
        }
        false => (["followed", "worked out again", "replaced"], receipt.erased_at.as_str()),
    };
    format!(
        "{}\n{} named; of the anonymous ids found with them {} {followed}, and {} not, since others use them too; {when}\n\
         {} {recomputed}, {} {replaced}\n\
         source logs {}\n",
        draw_section(&section, style),
        group_digits(looked.named),
        group_digits(looked.followed),
        group_digits(looked.shared),
        pluralize(receipt.days_recomputed, "day", "days"),
        pluralize(receipt.files_replaced, "file", "files"),
        receipt.source_logs
    )
}
