//! `wa forget`: erases a person.

use std::path::PathBuf;
use std::time::Duration;

use super::args::selector;
use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::privacy::{ErasureReceipt, ForgetOptions, forget};
use crate::render;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::wrap_lines;
use crate::settings::Settings;
use crate::time::Clock;

/// Erase a person: all sessions that contain the identifier, with their events
///
/// Identifiers in rows of other people are redacted. When a log is ingested again, the person's
/// lines from before the erasure are not stored. The receipt lists what was erased, and contains no
/// identifier. Source logs are not changed.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa forget --user user_123 --dry-run
      show what would be erased
  wa forget --email ada@example.org --format json > receipt.json
      erase a person and save the receipt
  wa forget --stdin < requests.txt
      erase several people, without identifiers in the shell history")]
pub(super) struct Args {
    #[command(flatten)]
    selector: selector::Args,

    /// Show what would be erased, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Wait this long for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// Output format: table or json; if given, --quiet does not hide the output
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT")]
    format: Option<SummaryFormat>,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    settings: Settings,
    /// The identifiers from the flags.
    identifiers: Vec<Identifier>,
    /// Whether to read further identifiers from standard input.
    stdin: bool,
    dry_run: bool,
    lock_timeout: Duration,
    format: SummaryFormat,
    format_given: bool,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if no identifier is given or the settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let stdin = self.selector.stdin;
        let identifiers = self.selector.into_identifiers();
        if identifiers.is_empty() && !stdin {
            return Err(Error::usage("no identifier is given")
                .hint("add --user ID, --anonymous-id ID, --email EMAIL, --session-id ID or --stdin"));
        }
        let config = globals.config()?;
        config.check_key_file()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: config.settings,
            identifiers,
            stdin,
            dry_run: self.dry_run,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Erases the person and prints the receipt.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if standard input is invalid. [`crate::ErrorKind::Failed`] if the
/// store cannot be changed or the receipt cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let mut identifiers = options.identifiers.clone();
    if options.stdin {
        identifiers.extend(selector::read(std::io::stdin().lock())?);
    }
    let forget_options = ForgetOptions {
        clock: options.clock,
        dry_run: options.dry_run,
        lock_timeout: options.lock_timeout,
        key_file: options.settings.key_file.clone(),
    };
    let completed = forget(&printer.store(&options.store), &identifiers, &forget_options)?;
    let receipt = &completed.report;
    let text = match options.format {
        SummaryFormat::Json => render::json(receipt, "receipt")?,
        SummaryFormat::Table => table(receipt, &printer.style()),
    };
    if options.dry_run {
        printer.summary(&text, true)?;
        return completed.check_cleanup("erasure");
    }
    let printed = printer.receipt(&text, options.format_given, "erasure");
    match (printed, completed.check_cleanup("erasure")) {
        (Err(unprinted), Err(remaining)) => {
            printer.error(&unprinted);
            Err(remaining)
        }
        (printed, cleanup) => printed.and(cleanup),
    }
}

fn table(receipt: &ErasureReceipt, style: &Style) -> String {
    // For a dry run, returns "would be erased".
    let done = |what: &str| if receipt.dry_run { format!("would be {what}") } else { what.to_owned() };
    let columns = [Column::text(""), Column::number(&done("erased")), Column::number(&done("redacted"))];
    let mut section = Section::new(columns);
    let (erased, redacted) = (&receipt.erased, &receipt.redacted);
    for (name, erased, redacted) in [
        ("events", erased.events, Some(redacted.events)),
        ("sessions", erased.sessions, Some(redacted.sessions)),
        ("visitors", erased.visitors, None),
        ("rejects", erased.rejects, None),
        ("daily_stats list entries", erased.daily_stats_entries, None),
    ] {
        let redacted = redacted.map_or_else(|| "-".to_owned(), group_digits);
        section.push([name.to_owned(), group_digits(erased), redacted]);
    }
    let search = &receipt.identifiers;
    let text = format!(
        "\n{} named; {} {}; {} not followed (used by other users)\n\
         {} {}, {} {}\n\
         {}\n\
         source logs: {}\n",
        pluralize(search.named, "identifier", "identifiers"),
        pluralize(search.followed, "anonymous id", "anonymous ids"),
        done("followed"),
        group_digits(search.shared),
        pluralize(receipt.days_recomputed, "day", "days"),
        done("recomputed"),
        pluralize(receipt.files_replaced, "file", "files"),
        done("replaced"),
        match receipt.dry_run {
            true => "dry run: nothing was changed".to_owned(),
            false => format!("erased at {}", receipt.erased_at),
        },
        receipt.source_logs
    );
    draw_section(&section, style) + &wrap_lines(&text, style.width)
}
