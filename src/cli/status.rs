//! `wa status`: what the store holds.

use std::path::PathBuf;

use super::args::values::SummaryFormat;
use super::{Globals, Printer};
use crate::error::{Error, Result};
use crate::maintenance::status::{self, Run, Status};
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text;
use crate::render::text::escape_control;
use crate::settings::Settings;
use crate::store::Store;
use crate::time::Clock;

/// Show what the store holds: days, rows, files and bytes of every table, last ingest, last gc
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa status
      a table, with warnings about what needs attention
  wa --store /var/lib/wa status --format json
      for a monitor")]
pub struct Args {
    /// How to write it: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: SummaryFormat,
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
    pub format: SummaryFormat,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.config()?.settings,
            format: self.format,
        })
    }
}

/// Prints what the store holds.
///
/// # Errors
/// What opening the store returns.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let status = status::status(&Store::new(&options.store), &options.settings, options.clock)?;
    let text = match options.format {
        SummaryFormat::Json => serde_json::to_string_pretty(&status)
            .map_err(|e| Error::failed("cannot write the status as JSON").caused_by(e))?,
        SummaryFormat::Table => show(&status, &printer.summary_style()),
    };
    printer.result(&text)
}

/// How wide the labels of what stands below the table are.
const LABEL: usize = 13;

fn show(status: &Status, style: &Style) -> String {
    let width = style.width;
    let run = |run: &Option<Run>| match run {
        None => "never".to_owned(),
        Some(run) => {
            let figures = run.counts.iter().map(|(name, n)| format!("{} {name}", group_digits(*n)));
            format!("{} ({})", run.at, figures.collect::<Vec<_>>().join(", "))
        }
    };
    let kept = &status.retention;
    let mut shown = format!("{}\n\n{}\n", escape_control(&status.store), table(status, style));
    for (label, value) in [
        ("made", status.created_at.clone()),
        ("last change", status.updated_at.clone()),
        ("last ingest", run(&status.last_ingest)),
        ("last gc", run(&status.last_gc)),
        ("days", format!("{}, a session ends after {}", status.timezone, status.session_timeout)),
        (
            "kept",
            format!(
                "events {}, sessions {}, daily_stats {}, addresses {}",
                kept.events, kept.sessions, kept.daily_stats, kept.ip_addresses
            ),
        ),
        ("known logs", group_digits(status.ingested_files)),
    ] {
        let lines = text::wrap(&value, width.saturating_sub(LABEL).max(LABEL));
        shown.push_str(&format!("{label:LABEL$}{}\n", lines.join(&format!("\n{:LABEL$}", ""))));
    }
    for warning in &status.warnings {
        let warning = format!("warning: {}", escape_control(&warning.text));
        shown.push_str(&format!("{}\n", text::wrap(&warning, width).join("\n")));
    }
    shown
}

fn table(status: &Status, style: &Style) -> String {
    let mut section = Section::new([
        Column::text("table"),
        Column::time("from"),
        Column::time("to"),
        Column::number("days"),
        Column::number("rows"),
        Column::number("bytes").drop_priority(1),
        Column::number("files").drop_priority(2),
    ]);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for part in &status.tables {
        let monthly = part.first.as_ref().is_some_and(|first| first.len() == 7);
        section.push([
            part.table.to_owned(),
            or_none(&part.first),
            or_none(&part.last),
            if monthly {
                pluralize(part.partitions, "month", "months")
            } else {
                group_digits(part.partitions)
            },
            group_digits(part.rows),
            group_digits(part.bytes),
            group_digits(part.files),
        ]);
    }
    let rejects = &status.rejects;
    let row = ["rejects", "-", "-", "-"].map(str::to_owned).into_iter();
    let row = row.chain([rejects.rows, rejects.bytes, rejects.files].map(group_digits));
    section.push(row);
    draw_section(&section, style)
}
