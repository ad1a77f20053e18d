//! `wa gc`: prune what is past its retention, and tidy up.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::config;
use crate::error::{Error, Result};
use crate::maintenance;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::settings::Settings;
use crate::store::Store;
use crate::time::Clock;

/// Prune what is past its retention, merge small files, remove what an interrupted run left
///
/// Events are kept for 90 days, sessions for a year, daily statistics for ever, unless settings or
/// flags say otherwise; today counts as one of the days. What is pruned stays pruned: its lines are not
/// taken in again. Rejects go with events. It refuses (status 2) unless told --yes where today's data or
/// all of a table would go, or where the clock is more than a week later than the newest event and the
/// last gc, and something would go.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa gc
      every night, after the reports
  wa gc --dry-run
      what would go: days, rows, files, bytes
  wa gc --keep-events 30d --keep-sessions 2y
      other retentions for this run; those in wa.toml hold for every run")]
pub struct Args {
    /// How long to keep events: days, or forever [default: 90d]
    #[arg(long, value_name = "TIME")]
    keep_events: Option<String>,

    /// How long to keep sessions; at least as long as events [default: 1y]
    #[arg(long, value_name = "TIME")]
    keep_sessions: Option<String>,

    /// How long to keep daily statistics; at least as long as sessions [default: forever]
    #[arg(long, value_name = "TIME")]
    keep_daily_stats: Option<String>,

    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,

    /// Go on where it would otherwise refuse
    #[arg(long)]
    yes: bool,

    /// How long to wait for another writer
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1m")]
    lock_timeout: Duration,

    /// How to write what was done: table or json; if given, it is printed even with --quiet
    /// [default: table]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM")]
    format: Option<SummaryFormat>,
}

/// What a gc needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force; the retentions are those of the flags.
    pub settings: Settings,
    /// Only say what would go.
    pub dry_run: bool,
    /// Go on where it would have to ask.
    pub yes: bool,
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
    /// [`crate::ErrorKind::Usage`] where settings or arguments make no sense, such as sessions that are
    /// kept shorter than events.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let mut resolved = globals.config()?;
        for (name, value, flag) in [
            ("retention.events", &self.keep_events, "--keep-events"),
            ("retention.sessions", &self.keep_sessions, "--keep-sessions"),
            ("retention.daily_stats", &self.keep_daily_stats, "--keep-daily-stats"),
        ] {
            if let Some(value) = value {
                resolved.set_flag(name, value, flag)?;
            }
        }
        resolved.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: resolved.settings,
            dry_run: self.dry_run,
            yes: self.yes,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Prunes, and prints what was done.
///
/// # Errors
/// What the gc returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let told = maintenance::GcOptions {
        clock: options.clock,
        dry_run: options.dry_run,
        yes: options.yes,
        lock_timeout: options.lock_timeout,
    };
    let store = Store::new(&options.store);
    config::check_file(&store)?;
    let report = maintenance::gc(&store, &options.settings, told)?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&report)
            .map_err(|e| Error::failed("cannot write what was done as JSON").caused_by(e))?,
        SummaryFormat::Table => table(&report, &printer.summary_style()),
    };
    if options.dry_run {
        return printer.summary(&text, true);
    }
    printer.change_summary(&text, options.format_given, "gc")
}

fn table(report: &maintenance::GcReport, style: &Style) -> String {
    let goes = if report.dry_run { "would go" } else { "gone" };
    let numbers = ["days", "from", "to", "rows", "files", "bytes"].map(Column::number);
    let mut section = Section::new(std::iter::once(Column::text(goes)).chain(numbers));
    let parts = [
        ("events", &report.events),
        ("sessions", &report.sessions),
        ("daily_stats", &report.daily_stats),
        ("rejects", &report.rejects),
    ];
    for (name, pruned) in parts {
        let day = |day: Option<&String>| day.cloned().unwrap_or_else(|| "-".to_owned());
        section.push([
            name.to_owned(),
            group_digits(pruned.days.len() as u64),
            day(pruned.days.first()),
            day(pruned.days.last()),
            group_digits(pruned.rows),
            group_digits(pruned.files),
            group_digits(pruned.bytes),
        ]);
    }
    let mut text = draw_section(&section, style);
    let masked = &report.anonymized;
    if masked.events + masked.sessions + masked.rejects > 0 {
        text.push_str(&format!(
            "\naddresses {goes}: of {}, {} and {}\n",
            pluralize(masked.events, "event", "events"),
            pluralize(masked.sessions, "session", "sessions"),
            pluralize(masked.rejects, "reject", "rejects")
        ));
    }
    let (merged, removed) = match report.dry_run {
        true => ("would be merged", "would be removed"),
        false => ("merged", "removed"),
    };
    text.push_str(&format!(
        "\n{} {merged} into {}; {} of interrupted runs {removed}\n\
         {} before, {} after\n",
        pluralize(report.compacted.files, "small file", "small files"),
        group_digits(report.compacted.into),
        pluralize(report.orphan_files, "file", "files"),
        pluralize(report.bytes_before, "byte", "bytes"),
        group_digits(report.bytes_after)
    ));
    if let Some(why) = &report.confirmation {
        text.push_str(&format!("without --yes nothing would be done: {why}\n"));
    }
    text
}
