//! `wa status`: what the store holds.

use std::path::PathBuf;

use comfy_table::{CellAlignment, Table};

use super::account::thousands;
use super::escape::escape;
use super::values::Form;
use super::{Globals, Io};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::status::{self, Run, Status};
use crate::store::Store;
use crate::time::Clock;

/// Say what the store holds: days, rows, files and bytes of every table, last ingest, last gc
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa status
      a table, with warnings where something should be looked at
  wa --store /var/lib/wa status --format json
      for a monitor")]
pub struct Args {
    /// How to write it: table or json
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: Form,
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
    pub form: Form,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the settings make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            form: self.format,
        })
    }
}

/// Prints what the store holds.
///
/// # Errors
/// What opening the store returns.
pub fn run(options: &Options, io: &Io) -> Result<()> {
    let status = status::status(&Store::at(&options.store), &options.settings, options.clock)?;
    let text = match options.form {
        Form::Json => serde_json::to_string_pretty(&status)
            .map_err(|e| Error::failed("cannot write the status as JSON").caused_by(e))?,
        Form::Table => table(&status),
    };
    io.result(&text)
}

fn table(status: &Status) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(vec!["table", "from", "to", "days", "rows", "files", "bytes"]);
    for column in 3..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for part in &status.tables {
        let monthly = part.first.as_ref().is_some_and(|first| first.len() == 7);
        let months = if part.partitions == 1 { "month" } else { "months" };
        let days = thousands(part.partitions);
        table.add_row(vec![
            part.table.to_owned(),
            or_none(&part.first),
            or_none(&part.last),
            if monthly { format!("{days} {months}") } else { days },
            thousands(part.rows),
            thousands(part.files),
            thousands(part.bytes),
        ]);
    }
    let rejects = &status.rejects;
    let mut row = vec!["rejects".to_owned()];
    row.extend(["-"; 3].map(str::to_owned));
    row.extend([rejects.rows, rejects.files, rejects.bytes].map(thousands));
    table.add_row(row);

    let run = |run: &Option<Run>| match run {
        None => "never".to_owned(),
        Some(run) => {
            let figures = run.figures.iter().map(|(name, n)| format!("{} {name}", thousands(*n)));
            format!("{} ({})", run.at, figures.collect::<Vec<_>>().join(", "))
        }
    };
    let retention = &status.retention;
    let mut text = format!(
        "{}\n\n{}\n\n\
         made         {}\n\
         last change  {}\n\
         last ingest  {}\n\
         last gc      {}\n\
         days         {}, a session ends after {}\n\
         kept         events {}, sessions {}, daily_stats {}, addresses {}\n\
         known logs   {}\n",
        escape(&status.store),
        table.trim_fmt(),
        status.created_at,
        status.updated_at,
        run(&status.last_ingest),
        run(&status.last_gc),
        status.timezone,
        status.session_timeout,
        retention.events,
        retention.sessions,
        retention.daily_stats,
        retention.addresses,
        thousands(status.known_logs)
    );
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", escape(&warning.text)));
    }
    text
}
