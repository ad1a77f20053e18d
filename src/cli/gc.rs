//! `wa gc`: prunes expired rows and removes orphan files.

use std::path::PathBuf;
use std::time::Duration;

use super::args::values::{self, SummaryFormat};
use super::{Globals, Printer};
use crate::config;
use crate::error::Result;
use crate::maintenance::{GcOptions, GcReport, gc};
use crate::render;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::wrap_lines;
use crate::settings::Settings;
use crate::time::Clock;

/// Prune rows past their retention, merge small files, and remove orphan files
///
/// By default, events and rejected lines are retained for 90 days, sessions for a year, and daily
/// statistics forever. Today counts as one of the days. Pruned lines are not stored when they are
/// ingested again.
///
/// Without --yes, gc changes nothing and exits with status 2 if it would remove events of today or
/// all rows of a table. It does the same if it would remove anything while the clock is more than a
/// week later than both the newest event and the last gc.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa gc
      run every night after the reports
  wa gc --dry-run
      show what would be removed: days, rows, files, bytes
  wa gc --keep-events 30d --keep-sessions 2y
      override the retention of wa.toml for one run")]
pub(super) struct Args {
    /// Retain events this long: days, or forever [default: 90d]
    #[arg(long, value_name = "TIME")]
    keep_events: Option<String>,

    /// Retain sessions this long, at least as long as events [default: 1y]
    #[arg(long, value_name = "TIME")]
    keep_sessions: Option<String>,

    /// Retain daily statistics this long, at least as long as sessions [default: forever]
    #[arg(long, value_name = "TIME")]
    keep_daily_stats: Option<String>,

    /// Show what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Run even if confirmation is needed
    #[arg(long)]
    yes: bool,

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
    /// The settings, with the retention periods from the flags.
    settings: Settings,
    dry_run: bool,
    yes: bool,
    lock_timeout: Duration,
    format: SummaryFormat,
    format_given: bool,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if settings or flags are invalid, for example if sessions are
    /// retained for less time than events.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        let mut config = globals.config()?;
        for (name, value, flag) in [
            ("retention.events", &self.keep_events, "--keep-events"),
            ("retention.sessions", &self.keep_sessions, "--keep-sessions"),
            ("retention.daily_stats", &self.keep_daily_stats, "--keep-daily-stats"),
        ] {
            if let Some(value) = value {
                config.set_flag(name, value, flag)?;
            }
        }
        config.check()?;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: config.settings,
            dry_run: self.dry_run,
            yes: self.yes,
            lock_timeout: self.lock_timeout,
            format: self.format.unwrap_or_default(),
            format_given: self.format.is_some(),
        })
    }
}

/// Runs the gc and prints a summary.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if confirmation is needed. [`crate::ErrorKind::Failed`] if the store
/// cannot be changed or the summary cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let gc_options = GcOptions {
        clock: options.clock,
        dry_run: options.dry_run,
        yes: options.yes,
        lock_timeout: options.lock_timeout,
    };
    let store = printer.store(&options.store);
    config::check_file(&store)?;
    let completed = gc(&store, &options.settings, gc_options)?;
    let report = &completed.report;
    let text = match options.format {
        SummaryFormat::Json => render::json(report, "summary")?,
        SummaryFormat::Table => table(report, &printer.style()),
    };
    if options.dry_run {
        return printer.summary(&text, true);
    }
    printer.change_summary(&text, options.format_given, "gc")?;
    completed.check_cleanup("gc")
}

fn table(report: &GcReport, style: &Style) -> String {
    // For a dry run, returns "would be removed".
    let done = |what: &str| if report.dry_run { format!("would be {what}") } else { what.to_owned() };
    let numbers = ["days", "from", "to", "rows", "files", "bytes"].map(Column::number);
    let mut section = Section::new(std::iter::once(Column::text(&done("pruned"))).chain(numbers));
    for (name, pruned) in [
        ("events", &report.events),
        ("sessions", &report.sessions),
        ("daily_stats", &report.daily_stats),
        ("rejects", &report.rejects),
    ] {
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
    let mut text = String::new();
    let anonymized = &report.anonymized;
    if anonymized.events + anonymized.sessions + anonymized.rejects > 0 {
        text.push_str(&format!(
            "\nIP addresses {}: from {}, {} and {}\n",
            done("removed"),
            pluralize(anonymized.events, "event", "events"),
            pluralize(anonymized.sessions, "session", "sessions"),
            pluralize(anonymized.rejects, "rejected line", "rejected lines")
        ));
    }
    text.push_str(&format!(
        "\n{} {} into {}; {} {}\n\
         {} before, {} after\n",
        pluralize(report.compacted.files, "small file", "small files"),
        done("merged"),
        group_digits(report.compacted.into),
        pluralize(report.orphan_files, "orphan file", "orphan files"),
        done("removed"),
        pluralize(report.bytes_before, "byte", "bytes"),
        group_digits(report.bytes_after)
    ));
    if let Some(reason) = &report.confirmation {
        text.push_str(&format!("needs confirmation (--yes): {reason}\n"));
    }
    draw_section(&section, style) + &wrap_lines(&text, style.width)
}
