//! `wa dashboard`: writes the reports as an HTML page.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::args::values::{self, Limit};
use crate::cli::args::window::{self, Moment, Window};
use crate::cli::{Globals, Printer};
use crate::config::Annotation;
use crate::dashboard::options::{DashboardOptions, WINDOW_DAYS, lengths_up_to};
use crate::dashboard::{self, Dashboard};
use crate::error::{Error, Result};
use crate::report::{
    self, Definitions, FunnelOptions, Query, ReportKind, ReportRequest, SequenceOptions, Subject, Where,
    segment_conditions,
};
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// The default number of rows per list.
const ROWS: usize = 25;

/// Write all reports as one offline HTML page with charts
///
/// The page lets you choose a chatbot and a period of 7, 30 or 90 days or 12 months. It loads
/// nothing from the network, so it can be sent by email.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  wa dashboard --output dashboard.html
      write a page to open in a browser
  wa dashboard --as-of yesterday --chatbot shop --output shop.html
      write a page about complete days of one chatbot
  wa dashboard --from 2026-10-01 --to 2026-10-31 > october.html
      write a page about one month")]
pub(in crate::cli) struct Args {
    /// File to write (an existing one is replaced); - for standard output [default: -]
    #[arg(long, short, value_name = "FILE")]
    output: Option<OsString>,

    #[command(flatten)]
    window: window::Args,

    /// Only this chatbot (repeatable) [default: all, selectable in the page]
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// Include bot sessions; the figures then cover only retained sessions
    #[arg(long)]
    include_bots: bool,

    /// Only matching sessions, such as 'country_code=DE|AT' (repeatable; docs/filters.md)
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,

    /// Only sessions of this segment of wa.toml (repeatable)
    #[arg(long, value_name = "NAME")]
    segment: Vec<String>,

    /// Rows per list: 1 to 100, or all [default: 25]
    #[arg(long, value_name = "N", value_parser = values::limit)]
    limit: Option<Limit>,
}

/// The validated options.
pub(in crate::cli) struct Options {
    store: PathBuf,
    clock: Clock,
    settings: Settings,
    /// The file; `None` for standard output.
    output: Option<PathBuf>,
    window: Window,
    /// Whether the page offers no other window.
    is_fixed: bool,
    moment: Moment,
    chatbots: Vec<String>,
    include_bots: bool,
    conditions: Vec<Where>,
    condition_texts: Vec<String>,
    limit: Limit,
    annotations: Vec<Annotation>,
    sequences: SequenceOptions,
}

impl Args {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if arguments or settings are invalid.
    pub(in crate::cli) fn validate(self, globals: &Globals) -> Result<Options> {
        let [.., longest] = WINDOW_DAYS;
        let window = self.window.validate(longest)?;
        let config = globals.config()?;
        let parse = |text: &String| Where::parse("--where", text, Subject::Sessions);
        let mut conditions = self.conditions.iter().map(parse).collect::<Result<Vec<_>>>()?;
        conditions.extend(segment_conditions(&config, &self.segment, Subject::Sessions)?);
        let segments = self.segment.iter().map(|name| format!("segment {name}"));
        let mut chatbots = self.chatbot;
        chatbots.sort();
        chatbots.dedup();
        let definitions = Definitions::new(&config)?;
        let is_latest = self.window.is_as_of_latest();
        Ok(Options {
            store: globals.store.clone(),
            clock: globals.clock,
            output: self.output.filter(|output| output != "-").map(PathBuf::from),
            is_fixed: self.window.from.is_some(),
            window,
            moment: if is_latest { Moment::Latest } else { Moment::At(globals.clock.now) },
            chatbots,
            include_bots: self.include_bots,
            condition_texts: self.conditions.iter().cloned().chain(segments).collect(),
            conditions,
            limit: self.limit.unwrap_or(Limit::First(ROWS)),
            annotations: config.annotations,
            sequences: SequenceOptions {
                funnel: FunnelOptions::default(),
                definitions,
                ..SequenceOptions::default()
            },
            settings: config.settings,
        })
    }
}

/// Computes the page and writes it.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if the page would be written to a terminal; the errors of the
/// reports; [`crate::ErrorKind::Failed`] if the file cannot be written.
pub(in crate::cli) fn run(options: &Options, printer: &Printer) -> Result<()> {
    if options.output.is_none() && printer.is_terminal() {
        return Err(Error::usage("HTML cannot be shown on a terminal")
            .hint("name a file: wa dashboard --output dashboard.html"));
    }
    let store = Store::new(&options.store);
    let Dashboard { html, notes } = store.read_consistently(|snapshot| {
        dashboard::build(&store, snapshot, &options.settings, options.clock, &resolve(options, snapshot)?)
    })?;
    match &options.output {
        None => printer.result(&html)?,
        Some(path) => replace_file(path, html.as_bytes())?,
    }
    notes.iter().for_each(|note| printer.note(note));
    Ok(())
}

/// Returns the windows and the request for a snapshot of the store.
fn resolve(options: &Options, snapshot: &Snapshot) -> Result<DashboardOptions> {
    let today = snapshot.zone().day(options.clock.now);
    let (from, to) = options.window.resolve(today, snapshot.days().map(|(_, last)| last))?;
    let window = report::Window { from, to, today };
    let query = Query { window, chatbots: options.chatbots.clone(), include_bots: options.include_bots };
    let moment = options.moment.resolve(options.clock.now, snapshot.newest_event());
    let request = ReportRequest {
        limit: options.limit.rows(),
        lists_all: options.limit == Limit::All,
        annotations: options.annotations.clone(),
        conditions: options.conditions.clone(),
        sequences: options.sequences.clone(),
        ..ReportRequest::new(ReportKind::All, query, moment)
    };
    let lengths = if options.is_fixed { vec![window.days()] } else { lengths_up_to(window.days()) };
    Ok(DashboardOptions::new(request, &lengths, options.condition_texts.clone()))
}

/// Replaces a file by renaming the new one: a reader sees either the old or the new file. The new
/// file has the permissions of the old one, and a link to a file stays a link. A device or a pipe
/// is written directly.
fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("write", path, error);
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    // A rename would replace a link, such as /dev/stdout, instead of its target.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = target.with_file_name(name);
    let write = || {
        std::fs::write(&temporary, bytes)?;
        if let Some(metadata) = old {
            std::fs::set_permissions(&temporary, metadata.permissions())?;
        }
        std::fs::rename(&temporary, &target)
    };
    write().map_err(|error| {
        // If the removal fails too, only the error of the write is reported.
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
