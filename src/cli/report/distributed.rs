//! The driver of a report that tasks on many machines compute. It reads the arguments of `wa
//! report`, lists the files that tasks read, and renders the answer from their results.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Options, request, resolve};
use crate::cli::args::globals::Globals;
use crate::cli::{Command, parse};
use crate::distributed::{ReportFile, ReportSettings, read_result};
use crate::error::{Error, Result};
use crate::render::{Format, Style, render};
use crate::report::parts::{ComputedTables, PartRequest};
use crate::report::{self, PartKind, ReportRequest, TrendInterval};
use crate::store::{Snapshot, Store};
use serde_json::value::RawValue;

/// A report that tasks compute.
#[derive(Debug)]
pub struct DistributedReport {
    store: PathBuf,
    snapshot: Snapshot,
    request: ReportRequest,
    parts: PartRequest,
    results: Vec<(PartKind, Box<RawValue>)>,
}

impl DistributedReport {
    /// Reads the arguments of `wa` for a report, such as `--store DIR report summary --days 7`, and
    /// the current state of the store.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the arguments are invalid, or if tasks
    /// cannot compute the report. Fails if there is no store.
    pub fn begin(arguments: &[String]) -> Result<DistributedReport> {
        let words = ["wa"].into_iter().chain(arguments.iter().map(String::as_str));
        let words = words.chain(["--format", "json"]).map(OsString::from);
        let cli = parse(words).map_err(|error| {
            let text = error.to_string();
            Error::usage(text.trim_start_matches("error: ").trim_end().to_owned())
        })?;
        let clock = cli.clock();
        let globals = Globals::new(cli.globals, clock);
        let Command::Report(args) = cli.command else {
            return Err(Error::usage("only `wa report` runs as tasks"));
        };
        let options = args.validate(&globals)?;
        // Tasks run in other folders, so the path must be absolute.
        let store = std::path::absolute(&options.store).map_err(|e| Error::io("find", &options.store, e))?;
        let snapshot = Store::new(&store).snapshot()?;
        let window = resolve(options.window, &snapshot, snapshot.zone().day(clock.now))?;
        let request = request(&options, &snapshot, window);
        let parts = PartRequest::new(request.kind, &request.query);
        let unsupported = unsupported(&options);
        let (Some(parts), None) = (parts, unsupported) else {
            let name = request.kind.name();
            let what = unsupported.map_or_else(|| format!("`{name}`"), |flag| format!("{flag} of `{name}`"));
            return Err(Error::usage(format!("tasks cannot compute {what}"))
                .hint(format!("run `wa report {name}` on a machine that can read the store")));
        };
        report::check_chatbots(&snapshot, &request.query.chatbots)?;
        Ok(DistributedReport { store, snapshot, request, parts, results: Vec::new() })
    }

    /// Returns the settings of the tasks, as JSON.
    ///
    /// # Errors
    /// Fails if a path is not UTF-8.
    pub fn task_settings(&self) -> Result<String> {
        let manifest = self.snapshot.manifest();
        let settings = ReportSettings {
            store: self.store.clone(),
            timezone: manifest.timezone.clone(),
            session_timeout: manifest.session_timeout_us,
            request: self.parts.clone(),
        };
        serde_json::to_string(&settings)
            .map_err(|e| Error::failed("cannot write the settings of the report as JSON").caused_by(e))
    }

    /// Returns the files that tasks have to read.
    ///
    /// # Errors
    /// Fails if tasks cannot compute the report.
    pub fn files(&self) -> Result<Vec<ReportFile>> {
        let files = self.parts.files(&self.snapshot)?.into_iter();
        Ok(files.map(|(table, file)| ReportFile { table, file }).collect())
    }

    /// Adds a result of a task.
    ///
    /// # Errors
    /// Fails if the result cannot be decoded.
    pub fn add(&mut self, json: &[u8]) -> Result<()> {
        self.results.push(read_result(json)?);
        Ok(())
    }

    /// Returns whether a writer has changed the store since [`begin`](Self::begin). Files can then
    /// be missing, and the report must be started again.
    pub fn is_outdated(&self) -> bool {
        let generation = self.snapshot.manifest().generation;
        self.snapshot.store().snapshot().map_or(true, |now| now.manifest().generation != generation)
    }

    /// Returns the report, as `wa report … --format json` prints it.
    ///
    /// # Errors
    /// Fails if a result or a file cannot be read.
    pub fn finish(self) -> Result<String> {
        let tables = ComputedTables::new(&self.snapshot, self.results);
        let outcome = report::run(&tables, &self.request)?;
        let style = Style { width: usize::MAX, color: false, terminal: false };
        render(&outcome, Format::Json, &style)
    }
}

/// Returns the first option that tasks do not support.
fn unsupported(options: &Options) -> Option<&'static str> {
    let flags = [
        ("--compare", options.compare),
        ("--fail-if", !options.fail_if.is_empty()),
        ("--where", !options.conditions.is_empty()),
        ("--by", !options.by.is_empty()),
        ("--by-chatbot", options.by_chatbot),
        ("--include-bots", options.include_bots),
        ("--interval", options.interval != TrendInterval::Day),
    ];
    flags.into_iter().find(|(_, is_set)| *is_set).map(|(flag, _)| flag)
}
