//! The settings of a job, and the context that each task opens with them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::ResolvedConfig;
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::ingest::batch::WriteContext;
use crate::ingest::batch::stored_ids::EventKeys;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::map::presets;
use crate::ingest::{Map, ParseOptions};
use crate::settings::Settings;
use crate::store::key::{self, SecretKey};
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::store::{Store, ledger};
use crate::time::{Micros, Zone};

/// The options of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobOptions {
    /// The chatbot of lines without `chatbot_id`.
    pub chatbot: Option<String>,
    /// The name of the map that reads all files, or its path.
    pub map: Option<String>,
    /// The time zone of times without an offset.
    pub timezone: Option<String>,
}

/// The settings of a job that its tasks need, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskSettings {
    /// The folder of the store, mounted at this path on all machines.
    pub store: PathBuf,
    /// The options of the job.
    pub options: JobOptions,
    /// The text of the map, if it is a file.
    pub map_text: Option<String>,
    /// The current time.
    pub now: Micros,
    /// The seed of the event keys.
    pub seed: u64,
}

/// The context of a task: the settings, the key and the tables before the job.
pub struct TaskContext {
    /// The state before the job.
    pub before: Snapshot,
    /// The settings of the store.
    pub settings: Settings,
    /// Derives columns.
    pub enricher: Enricher,
    /// Options of the line parser.
    pub parse_options: ParseOptions,
    /// The formats that a file can have.
    pub formats: Formats,
    /// The pruned days and the forgotten people.
    pub ledger: Ledger,
    /// Finds the events of forgotten people.
    pub suppression: Option<Suppression>,
    /// The keys of events.
    pub event_keys: EventKeys,
    /// The current time.
    pub now: Micros,
}

impl TaskContext {
    /// Opens the store of a job.
    ///
    /// # Errors
    /// Fails if the settings or the store cannot be read.
    pub fn open(json: &str) -> Result<TaskContext> {
        let task: TaskSettings = serde_json::from_str(json)
            .map_err(|e| Error::failed("cannot read the settings of the job").caused_by(e))?;
        let store = Store::new(&task.store);
        let before = store.snapshot()?;
        let settings = read_settings(&task.store)?;
        let key = key::load(&store, before.manifest(), settings.key_file.as_deref())?;
        let key = key.ok_or_else(|| Error::failed("the secret key of the store is missing"))?;
        TaskContext::new(task, before, settings, &key)
    }

    /// Returns the context of a task for an open store.
    ///
    /// # Errors
    /// Fails if the location database, the ledger or the map cannot be read.
    pub fn new(
        task: TaskSettings,
        before: Snapshot,
        settings: Settings,
        key: &SecretKey,
    ) -> Result<TaskContext> {
        let ledger = ledger::Ledger::load(&before)?;
        let zone = |name: &String| {
            Zone::parse(name).ok_or_else(|| Error::usage(format!("unknown time zone {name:?}")))
        };
        let timezone = task.options.timezone.as_ref().map(zone).transpose()?;
        let map = match (&task.options.map, &task.map_text) {
            (Some(name), Some(text)) => Some(Map::parse(name, text)?.into()),
            (Some(name), None) => Some(presets::named(name).ok_or_else(|| {
                Error::usage(format!("there is no map {name:?}")).hint("list the maps with `wa formats`")
            })?),
            (None, _) => None,
        };
        Ok(TaskContext {
            suppression: Suppression::new(&ledger, key),
            ledger,
            enricher: Enricher::new(settings.geoip.as_deref())?,
            parse_options: ParseOptions {
                chatbot: task.options.chatbot,
                now: task.now,
                ip: settings.ip,
                visitor_key: *key.bytes(),
                timezone,
            },
            formats: Formats { given: map, candidates: presets::candidates().into(), timezone },
            event_keys: EventKeys::with_seed(task.seed),
            now: task.now,
            before,
            settings,
        })
    }

    /// Returns the settings and the ledger that decide how events are written.
    pub fn write_context(&self) -> WriteContext<'_> {
        WriteContext {
            zone: self.settings.timezone,
            timeout: self.settings.session_timeout,
            ledger: &self.ledger,
            suppression: self.suppression.as_ref(),
            counted: None,
            now: self.now,
        }
    }
}

/// Reads the settings of a store from its file and the environment.
///
/// # Errors
/// Fails if a setting is invalid.
pub fn read_settings(store: &std::path::Path) -> Result<Settings> {
    let config = read_config(store)?;
    Ok(config.settings)
}

/// Reads and checks the settings of a store.
///
/// # Errors
/// Fails if a setting is invalid.
pub fn read_config(store: &std::path::Path) -> Result<ResolvedConfig> {
    let config = ResolvedConfig::read(store, &|name| std::env::var(name).ok())?;
    config.check()?;
    config.check_key_file()?;
    Ok(config)
}
