//! `wa merge`: adds whole stores to a store.

mod summary;

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::output::progress::Bar;
use super::{Globals, Printer};
use crate::config::ResolvedConfig;
use crate::error::Result;
use crate::maintenance::{MergeOptions, MergeSource, merge};
use crate::render;
use crate::store::Store;
use crate::time::Clock;

/// Add whole stores to the store, as if it had ingested all their logs
///
/// The other stores are read and not changed, and can be in use. Merging a store again adds only
/// its new rows. A merge is one commit. All stores need the same secret key, time zone, session
/// timeout and privacy.ip. A target that does not exist is created with the settings and the key of
/// the first store.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa merge stores/web-1 stores/web-2
      add two stores to ./wa-store, every night
  wa --store all merge stores/* --dry-run
      show what would be added, and change nothing
  wa merge stores/* --format json
      print the numbers of each store as JSON")]
pub(super) struct Args {
    /// Stores to add
    #[arg(required = true, value_name = "STORE")]
    stores: Vec<PathBuf>,

    /// Show what would be added, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Memory budget, at least 256M [default: 512M]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

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
    target: PathBuf,
    config: ResolvedConfig,
    sources: Vec<MergeSource>,
    merge: MergeOptions,
    format: SummaryFormat,
    format_given: bool,
}

impl Args {
    /// Validates the arguments and reads the settings of all stores.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let mut config = globals.config()?;
        if let Some(memory) = &self.memory {
            config.set_flag("memory", memory, "--memory")?;
        }
        config.check()?;
        let clock: Clock = globals.clock;
        let source = |dir: PathBuf| {
            let config = Globals { store: dir.clone(), clock }.config()?;
            config.check()?;
            Ok(MergeSource { store: Store::new(dir), settings: config.settings })
        };
        Ok(Options {
            target: globals.store.clone(),
            config,
            sources: self.stores.into_iter().map(source).collect::<Result<_>>()?,
            merge: MergeOptions {
                clock,
                dry_run: self.dry_run,
                lock_timeout: self.lock_timeout,
                batch_bytes: None,
            },
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Merges the stores and prints a summary.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if the stores cannot be merged. [`crate::ErrorKind::Failed`] if a
/// store cannot be read or written, or the summary cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let target = printer.store(&options.target);
    let is_new = !target.exists();
    let bar = Bar::new(printer, "merge");
    let outcome = merge(&target, &options.config, &options.sources, &options.merge, &bar);
    bar.finish();
    let completed = outcome?;
    let report = &completed.report;
    if is_new && target.exists() {
        printer.note(&format!("created the store {}", options.target.display()));
    }
    let text = match options.format {
        SummaryFormat::Json => render::json(report, "summary")?,
        SummaryFormat::Table => summary::table(report, &printer.style()),
    };
    if options.merge.dry_run {
        return printer.summary(&text, true);
    }
    printer.change_summary(&text, options.format_given, "merge")?;
    completed.check_cleanup("merge")
}
