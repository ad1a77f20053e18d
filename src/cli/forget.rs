//! `wa forget`: erase a person.

use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};

use super::args::selector::{self, Selector};
use super::args::values::{self, Form};
use super::{Globals, Io};
use crate::error::{Error, Result};
use crate::privacy::{self, Identifier};
use crate::render::figures::{counted, grouped};
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
    #[arg(long, value_name = "TIME", value_parser = values::wait, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write the receipt: table or json; if given, it is printed even with --quiet
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
pub fn run(options: &Options, io: &Io) -> Result<()> {
    let mut selectors = options.selectors.clone();
    if options.stdin {
        selectors.extend(selector::read(std::io::stdin().lock())?);
    }
    let given: Vec<Identifier> = selectors.into_iter().map(Identifier::from).collect();
    let told = privacy::Options {
        clock: options.clock,
        dry_run: options.dry_run,
        lock_timeout: options.lock_timeout,
        key_file: options.settings.key_file.clone(),
    };
    let receipt = privacy::forget(&Store::at(&options.store), &given, &told)?;
    let text = match options.form {
        Form::Json => serde_json::to_string_pretty(&receipt)
            .map_err(|e| Error::failed("cannot write the receipt as JSON").caused_by(e))?,
        Form::Table => table(&receipt),
    };
    if options.dry_run {
        return io.account(&text, true);
    }
    io.receipt(&text, options.form_asked, "the erasure is done")
}

fn table(receipt: &privacy::Receipt) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let (erased, redacted) = match receipt.dry_run {
        true => ("would be erased", "would be redacted"),
        false => ("erased", "redacted"),
    };
    table.set_header(vec!["", erased, redacted]);
    for column in 1..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let (gone, changed) = (&receipt.erased, &receipt.redacted);
    for (name, gone, changed) in [
        ("events", gone.events, Some(changed.events)),
        ("sessions", gone.sessions, Some(changed.sessions)),
        ("visitors", gone.visitors, None),
        ("rejects", gone.rejects, None),
        ("entries of daily_stats", gone.daily_stats_entries, None),
    ] {
        let changed = changed.map_or_else(|| "-".to_owned(), grouped);
        table.add_row(vec![name.to_owned(), grouped(gone), changed]);
    }
    let looked = &receipt.identifiers;
    let ([followed, recomputed, replaced], when) = match receipt.dry_run {
        true => {
            (["would be followed", "would be worked out again", "would be replaced"], "nothing was changed")
        }
        false => (["followed", "worked out again", "replaced"], receipt.erased_at.as_str()),
    };
    format!(
        "{}\n\n{} named; of the anonymous ids found with them {} {followed}, and {} not, since others use them too; {when}\n\
         {} {recomputed}, {} {replaced}\n\
         source logs {}\n",
        table.trim_fmt(),
        grouped(looked.named),
        grouped(looked.followed),
        grouped(looked.shared),
        counted(receipt.days_recomputed, "day", "days"),
        counted(receipt.files_replaced, "file", "files"),
        receipt.source_logs
    )
}
