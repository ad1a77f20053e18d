//! The settings of a job, and the context that each task opens with them.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::config::ResolvedConfig;
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::ingest::batch::WriteContext;
use crate::ingest::batch::stored_ids::EventKeys;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::input::records::formats::Formats;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::ingest::input::sources::Sources;
use crate::ingest::map::presets;
use crate::ingest::pipeline::read_rules;
use crate::ingest::{Map, ParseOptions, SharedMap};
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
    /// Whether to read files even if they are unchanged.
    pub force: bool,
}

/// The settings of a job that its tasks need, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskSettings {
    /// The folder of the store, or of a copy of its small files, on the machine of the task.
    pub store: PathBuf,
    /// The options of the job.
    pub options: JobOptions,
    /// The text of the map, if it is a file.
    pub map_text: Option<String>,
    /// The current time.
    pub now: Micros,
    /// When the job began, by the clock of the store's file system.
    pub began_at: Micros,
    /// The seed of the event keys.
    pub seed: u64,
}

impl JobOptions {
    /// Returns the time zone of times without an offset.
    ///
    /// # Errors
    /// Fails if the zone is unknown.
    pub(super) fn zone(&self) -> Result<Option<Zone>> {
        let zone = |name: &String| {
            Zone::parse(name).ok_or_else(|| Error::usage(format!("unknown time zone {name:?}")))
        };
        self.timezone.as_ref().map(zone).transpose()
    }
}

impl TaskSettings {
    /// Returns the map that reads all files.
    ///
    /// # Errors
    /// Fails if the map is invalid, or if there is no map of that name.
    pub(super) fn map(&self) -> Result<Option<SharedMap>> {
        Ok(match (&self.options.map, &self.map_text) {
            (Some(name), Some(text)) => Some(Map::parse(name, text)?.into()),
            (Some(name), None) => Some(presets::named(name).ok_or_else(|| {
                Error::usage(format!("there is no map {name:?}")).hint("list the maps with `wa formats`")
            })?),
            (None, _) => None,
        })
    }
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
    /// The pruned days and the forgotten identifiers.
    pub ledger: Ledger,
    /// Finds the events that contain forgotten identifiers.
    pub suppression: Option<Suppression>,
    /// The keys of events.
    pub event_keys: EventKeys,
    /// The current time.
    pub now: Micros,
    /// When the job began, by the clock of the store's file system.
    pub(super) began_at: Micros,
    /// Whether to read files even if they are unchanged.
    force: bool,
    /// The files that were ingested before, once a task needs them.
    sources: OnceLock<Sources>,
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
        let (timezone, map) = (task.options.zone()?, task.map()?);
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
            began_at: task.began_at,
            force: task.options.force,
            sources: OnceLock::new(),
            before,
            settings,
        })
    }

    /// Returns the files that were ingested before, and how files are compared with them.
    ///
    /// # Errors
    /// Fails if the list of ingested files cannot be read.
    pub(super) fn sources(&self) -> Result<&Sources> {
        if let Some(sources) = self.sources.get() {
            return Ok(sources);
        }
        let ParseOptions { chatbot, timezone, .. } = &self.parse_options;
        let sources = Sources {
            registry: SourceRegistry::load(&self.before)?,
            force: self.force,
            rules: read_rules(&self.settings, chatbot.as_deref(), *timezone, self.formats.given.as_ref()),
            began_at: self.began_at,
        };
        Ok(self.sources.get_or_init(|| sources))
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
