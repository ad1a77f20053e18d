//! `wa status`: shows the contents of the store.

use std::path::PathBuf;

use super::args::values::SummaryFormat;
use super::{Globals, Printer};
use crate::error::Result;
use crate::maintenance::chatbots::ChatbotsStatus;
use crate::maintenance::status::{Run, Status, status};
use crate::render;
use crate::render::Style;
use crate::render::layout::{Column, Section};
use crate::render::numbers::{format_local_time, group_digits, pluralize};
use crate::render::table::draw_section;
use crate::render::text::{escape_control, wrap};
use crate::settings::Settings;
use crate::store::Store;
use crate::time::{Clock, Zone, parse_human};

/// Show the contents of the store: tables, chatbots, last ingest, last gc
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa status
      show a table, with warnings
  wa --store /var/lib/wa status --format json
      print the status for a monitoring program")]
pub(super) struct Args {
    /// Output format: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    format: SummaryFormat,
}

/// The validated options.
pub(super) struct Options {
    store: PathBuf,
    clock: Clock,
    settings: Settings,
    format: SummaryFormat,
}

impl Args {
    /// Validates the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the settings are invalid.
    pub(super) fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.config()?.settings,
            format: self.format,
        })
    }
}

/// Prints the status.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] if the store cannot be opened or the status cannot be printed.
pub(super) fn run(options: &Options, printer: &Printer) -> Result<()> {
    let status = status(&Store::new(&options.store), &options.settings, options.clock)?;
    let text = match options.format {
        SummaryFormat::Json => render::json(&status, "status")?,
        SummaryFormat::Table => render(&status, &printer.style()),
    };
    printer.result(&text)
}

/// The width of the labels below the table.
const LABEL_WIDTH: usize = 16;

fn render(status: &Status, style: &Style) -> String {
    // The manifest is untrusted.
    let zone = Zone::parse(&status.timezone).unwrap_or(Zone::UTC);
    let run = |run: &Option<Run>| match run {
        None => "never".to_owned(),
        Some(run) => {
            let counts = run.counts.iter().map(|(name, n)| format!("{} {name}", group_digits(*n)));
            format!("{} ({})", local(&run.at, zone), counts.collect::<Vec<_>>().join(", "))
        }
    };
    let retention = &status.retention;
    let mut text = format!("{}\n\n{}\n", escape_control(&status.store), table(status, style));
    if let Some(chatbots) = status.chatbots.as_ref().filter(|chatbots| chatbots.count > 0) {
        text.push_str(&format!("{}\n", chatbot_table(chatbots, zone, style)));
    }
    for (label, value) in [
        ("created", local(&status.created_at, zone)),
        ("last change", local(&status.updated_at, zone)),
        ("last ingest", run(&status.last_ingest)),
        ("last gc", run(&status.last_gc)),
        ("time zone", status.timezone.clone()),
        ("session timeout", status.session_timeout.clone()),
        (
            "retention",
            format!(
                "events {}, sessions {}, daily_stats {}, IP addresses {}",
                retention.events, retention.sessions, retention.daily_stats, retention.ip_addresses
            ),
        ),
        ("ingested files", group_digits(status.ingested_files)),
    ] {
        // The manifest is untrusted.
        let lines = wrap(&escape_control(&value), style.width.saturating_sub(LABEL_WIDTH).max(LABEL_WIDTH));
        let indented = lines.join(&format!("\n{:LABEL_WIDTH$}", ""));
        text.push_str(&format!("{label:LABEL_WIDTH$}{indented}\n"));
    }
    for warning in &status.warnings {
        let warning = format!("warning: {}", escape_control(&warning.text));
        text.push_str(&format!("{}\n", wrap(&warning, style.width).join("\n")));
    }
    text
}

/// Formats a time in the store's time zone.
fn local(time: &str, zone: Zone) -> String {
    parse_human(time).map_or_else(|| time.to_owned(), |time| format_local_time(time, zone))
}

fn chatbot_table(chatbots: &ChatbotsStatus, zone: Zone, style: &Style) -> String {
    let title = pluralize(chatbots.count, "chatbot", "chatbots");
    let columns = [Column::id(&title), Column::number("sessions"), Column::time("last event")];
    let mut section = Section::new(columns);
    for chatbot in &chatbots.largest {
        let id = escape_control(&chatbot.chatbot_id).into_owned();
        let last = chatbot.last_event.as_ref().map(|time| local(time, zone));
        let last = last.unwrap_or_else(|| chatbot.last_day.clone());
        section.push([id, group_digits(chatbot.sessions), last]);
    }
    let hidden = chatbots.count.saturating_sub(chatbots.largest.len() as u64);
    if hidden > 0 {
        section.push([format!("+ {} more", group_digits(hidden)), String::new(), String::new()]);
    }
    draw_section(&section, style)
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
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for table in &status.tables {
        let is_monthly = table.first.as_ref().is_some_and(|first| first.len() == "YYYY-MM".len());
        section.push([
            table.table.to_owned(),
            or_dash(&table.first),
            or_dash(&table.last),
            match is_monthly {
                true => pluralize(table.partitions, "month", "months"),
                false => group_digits(table.partitions),
            },
            group_digits(table.rows),
            group_digits(table.bytes),
            group_digits(table.files),
        ]);
    }
    let rejects = &status.rejects;
    let row = ["rejects", "-", "-", "-"].map(str::to_owned).into_iter();
    section.push(row.chain([rejects.rows, rejects.bytes, rejects.files].map(group_digits)));
    draw_section(&section, style)
}
