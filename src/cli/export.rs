//! `wa export`: a person's data, or all of it.

use std::path::PathBuf;

use super::args::selector;
use super::args::values::{self, ExportFormat};
use super::args::window::{self, Window};
use super::{Globals, Printer};
use crate::error::Result;
use crate::identity::Identifier;
use crate::privacy::export::{self, Stopped};
use crate::render::numbers::pluralize;
use crate::report::answer::diagnostics;
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// Export a person's data, a window of days, or everything, as NDJSON that `wa ingest` takes back
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa export --email ada@example.org > ada.ndjson
      all that is held of one person
  wa export --from 2026-10-01 --to 2026-10-31 --chatbot shop --format csv
      a month of one chatbot, for a spreadsheet
  wa export | wa --store copy ingest -
      all events, into another store")]
pub struct Args {
    #[command(flatten)]
    who: selector::Args,

    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable)
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// How to write the events: ndjson or csv
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: ExportFormat,
}

/// What an export needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// Whom the flags name; everybody where empty, unless `stdin`.
    pub identifiers: Vec<Identifier>,
    /// Read more of them from standard input.
    pub stdin: bool,
    /// The days; all that are kept where `None`.
    pub window: Option<Window>,
    /// The chatbots; all where empty.
    pub chatbots: Vec<String>,
    /// How to write the events.
    pub format: ExportFormat,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where settings or arguments make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let window = if self.window.is_empty() { None } else { Some(self.window.validate(30)?) };
        let stdin = self.who.stdin;
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            identifiers: self.who.into_identifiers(),
            stdin,
            window,
            chatbots: self.chatbot,
            format: self.format,
        })
    }
}

/// Prints the events.
///
/// # Errors
/// What the export returns; [`crate::ErrorKind::Usage`] where standard input makes no sense, or the store holds
/// no such chatbot.
pub fn run(options: &Options, printer: &Printer) -> Result<()> {
    let mut identifiers = options.identifiers.clone();
    if options.stdin {
        identifiers.extend(selector::read(std::io::stdin().lock())?);
    }
    let told = |snapshot: &Snapshot| {
        crate::report::check_chatbots(snapshot, &options.chatbots)?;
        // A session that goes on for days has events after the last day on which one started.
        let latest =
            [snapshot.event_days(), snapshot.days()].into_iter().flatten().map(|(_, last)| last).max();
        let today = snapshot.zone().day(options.clock.now);
        Ok(export::ExportOptions {
            identifiers: identifiers.clone(),
            days: options.window.map(|window| window.resolve(today, latest)).transpose()?,
            chatbots: options.chatbots.clone(),
            form: match options.format {
                ExportFormat::Ndjson => export::Form::Ndjson,
                ExportFormat::Csv => export::Form::Csv,
            },
            key_file: options.settings.key_file.clone(),
            terminal: printer.is_terminal(),
        })
    };
    // What is printed cannot be taken back: nothing is, before all that is needed is open.
    let prepared = Store::at(&options.store)
        .read_consistently(|snapshot| export::Prepared::of(snapshot, told(snapshot)?))?;
    let mut outcome = Ok(export::ExportStats::default());
    printer.stream(|out| match prepared.write(out) {
        Ok(exported) => {
            outcome = Ok(exported);
            Ok(())
        }
        Err(Stopped::Output(error)) => Err(error),
        Err(Stopped::Store(error)) => {
            outcome = Err(error);
            Ok(())
        }
    })?;
    if printer.pipe_closed() {
        // Nobody knows how much there would have been, or waits for it.
        return outcome.map(|_| ());
    }
    let exported = outcome.map_err(|error| match error.is_missing_file() {
        true => error.hint("the store was changed meanwhile, and the export is not whole: run it again"),
        false => error,
    })?;
    if let Some(note) = nothing(&prepared, exported) {
        printer.note(&note);
    }
    if exported.sessions_without_events > 0 {
        printer.note(&format!(
            "retention has taken the events of {}: `wa report sessions` shows what is kept",
            pluralize(exported.sessions_without_events, "session", "sessions")
        ));
    }
    Ok(())
}

/// Says why nothing was exported, where nothing was.
fn nothing(prepared: &export::Prepared, exported: export::ExportStats) -> Option<String> {
    if exported.events > 0 {
        return None;
    }
    let told = prepared.options();
    let Some((first, last)) = prepared.days() else {
        return Some(diagnostics::NO_DATA.to_owned());
    };
    if told.identifiers.is_empty() {
        let asked = diagnostics::scope(&told.chatbots, told.days);
        let from = told.days.map_or(first, |(from, _)| from);
        if let Some(pruned) = prepared.events_pruned_through().filter(|day| *day >= from) {
            return Some(format!("no events{asked} are kept: events up to {pruned} are pruned"));
        }
        return Some(format!("no events{asked}: there is data from {first} to {last}"));
    }
    match exported.sessions {
        0 => Some("nobody is found: nothing that is kept carries what was named".to_owned()),
        _ if exported.sessions_without_events > 0 => None,
        n => Some(format!(
            "no events of theirs{} fit; they have {} in all",
            diagnostics::scope(&[], told.days),
            pluralize(n, "session", "sessions")
        )),
    }
}
