//! Reads the settings of a store, and the origin of each value.
//!
//! A flag overrides an environment variable, which overrides `wa.toml` in the store, which
//! overrides the default.
//!
//! - `keys` lists the settings, `quantity` parses and formats their values;
//! - [`file`] parses `wa.toml`, `template` writes it; `definitions` reads its goals, funnels and
//!   segments, `annotations` its notes on days;
//! - `origin` describes where a value comes from.

mod annotations;
mod definitions;
mod file;
mod keys;
mod origin;
pub(crate) mod quantity;
mod template;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use annotations::Annotation;
pub use definitions::{Definition, WrittenEvent};
pub use keys::{KEYS, Key};
pub use origin::Origin;
use quantity::format_retention;

use crate::error::{Error, Result};
use crate::regular_file::{self, is_absent};
use crate::settings::{Retention, Settings};
use crate::store::Store;
use crate::store::file_system::FileSystem;
use crate::store::paths::STAGING_DIR;

/// The name of the settings file in a store.
pub(crate) const FILE_NAME: &str = "wa.toml";

/// The maximum size of a settings file, in bytes. An untrusted store can contain a larger one.
const MAX_FILE: u64 = 1 << 20;

/// A function that returns the value of an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings of a store, and the origin of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedConfig {
    /// The values.
    pub settings: Settings,
    /// The origin of each setting, in the order of [`KEYS`].
    pub origins: Vec<Origin>,
    /// The goals, funnels, segments and events of conversations that `wa.toml` defines.
    pub definitions: Vec<Definition>,
    /// The notes on days, ordered by day.
    pub annotations: Vec<Annotation>,
}

impl Default for ResolvedConfig {
    fn default() -> Self {
        ResolvedConfig {
            settings: Settings::default(),
            origins: KEYS.iter().map(|_| Origin::Default).collect(),
            definitions: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

impl From<Settings> for ResolvedConfig {
    /// Returns settings whose origins are all [`Origin::Default`].
    fn from(settings: Settings) -> Self {
        ResolvedConfig { settings, ..ResolvedConfig::default() }
    }
}

impl ResolvedConfig {
    /// Reads the settings of the store in `dir` from `wa.toml`, if it exists, and from the
    /// environment. Call [`ResolvedConfig::set_flag`] for each flag, and [`ResolvedConfig::check`]
    /// at the end.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an invalid setting, with its line or
    /// variable; [`ErrorKind::Failed`](crate::ErrorKind::Failed) if the file cannot be read.
    pub fn read(dir: &Path, environment: Environment<'_>) -> Result<ResolvedConfig> {
        let mut config = ResolvedConfig::default();
        let path = dir.join(FILE_NAME);
        match regular_file::read(&path, MAX_FILE) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|e| {
                    Error::usage(format!("{} is not UTF-8 text", path.display()))
                        .caused_by(e)
                        .hint("save the file as UTF-8, or restore it from a backup of the store")
                })?;
                config.apply_file(&path, &text, dir)?;
            }
            // If the path of the store is a file, it contains no settings either. Opening the store
            // then fails with a better error.
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(Error::io("read the settings in", &path, e)),
        }
        config.apply_environment(environment)?;
        Ok(config)
    }

    fn apply_file(&mut self, path: &Path, text: &str, base: &Path) -> Result<()> {
        let contents = file::parse(path, text)?;
        self.definitions = contents.definitions;
        self.annotations = contents.annotations;
        for entry in contents.entries {
            let line = entry.line;
            let origin = Origin::File { path: path.to_owned(), line };
            self.set(entry.key, &entry.value, base, origin).map_err(|reason| {
                let name = entry.key.name;
                Error::usage(format!("{}, line {line}: `{name}`: {reason}", path.display()))
                    .hint(entry.key.example_line())
            })?;
        }
        Ok(())
    }

    fn apply_environment(&mut self, environment: Environment<'_>) -> Result<()> {
        for key in KEYS {
            // An empty variable counts as unset, so that a unit file can unset it.
            if let Some(variable) = key.variable
                && let Some(value) = environment(variable).filter(|value| !value.is_empty())
            {
                let origin = Origin::Environment { variable };
                self.set(key, &value, Path::new(""), origin)
                    .map_err(|reason| Error::usage(format!("environment variable {variable}: {reason}")))?;
            }
        }
        Ok(())
    }

    /// Sets a setting to the value of a flag.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the value is invalid.
    pub fn set_flag(&mut self, name: &str, value: &str, flag: &'static str) -> Result<()> {
        let key = Key::find(name).ok_or_else(|| Error::failed(format!("there is no setting `{name}`")))?;
        self.set(key, value, Path::new(""), Origin::Flag { flag })
            .map_err(|reason| Error::usage(format!("{flag}: {reason}")))
    }

    fn set(&mut self, key: &'static Key, value: &str, base: &Path, origin: Origin) -> Result<(), String> {
        key.parse(&mut self.settings, value, base)?;
        if let Some(index) = KEYS.iter().position(|other| other.name == key.name)
            && let Some(slot) = self.origins.get_mut(index)
        {
            *slot = origin;
        }
        Ok(())
    }

    /// Returns the origin of a setting.
    fn origin(&self, name: &str) -> &Origin {
        let index = KEYS.iter().position(|key| key.name == name);
        index.and_then(|index| self.origins.get(index)).unwrap_or(&Origin::Default)
    }

    /// Checks that derived rows are retained at least as long as the rows from which they are
    /// derived: sessions as long as events, and daily statistics as long as sessions. Otherwise,
    /// reports would contradict each other.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), with both values and their origins.
    pub fn check(&self) -> Result<()> {
        let Settings { event_retention, session_retention, daily_stats_retention, .. } = self.settings;
        let events = RetainedTable { rows: "events", name: "events", retention: event_retention };
        let sessions = RetainedTable { rows: "sessions", name: "sessions", retention: session_retention };
        let daily_stats =
            RetainedTable { rows: "daily statistics", name: "daily_stats", retention: daily_stats_retention };
        self.check_retention(sessions, events)?;
        self.check_retention(daily_stats, sessions)
    }

    /// Checks that a key file that `wa.toml` names exists. An untrusted store must not cause files
    /// to be created in other folders, so only the environment can name a file to create.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the file does not exist.
    pub(crate) fn check_key_file(&self) -> Result<()> {
        let (Some(path), Origin::File { .. }) = (&self.settings.key_file, self.origin("privacy.key_file"))
        else {
            return Ok(());
        };
        match path.symlink_metadata() {
            Err(e) if is_absent(&e) => Err(Error::usage(format!(
                "the key file {} does not exist ({})",
                path.display(),
                self.origin("privacy.key_file")
            ))
            .hint("restore it from a backup; for a new store, run the command once with WA_KEY_FILE set to that path")),
            _ => Ok(()),
        }
    }

    fn check_retention(&self, derived: RetainedTable, source: RetainedTable) -> Result<()> {
        let is_long_enough = match (derived.retention, source.retention) {
            (Retention::Forever, _) => true,
            (Retention::Days(_), Retention::Forever) => false,
            (Retention::Days(derived), Retention::Days(source)) => derived >= source,
        };
        if is_long_enough {
            return Ok(());
        }
        let describe = |table: RetainedTable| {
            let origin = self.origin(&format!("retention.{}", table.name));
            format!("{} for {} ({origin})", table.rows, format_retention(table.retention))
        };
        Err(Error::usage(format!(
            "{} must be retained at least as long as {}: {}, {}",
            derived.rows,
            source.rows,
            describe(derived),
            describe(source)
        ))
        .hint(format!(
            "retain {} longer (retention.{}, --keep-{}) or {} shorter",
            derived.rows,
            derived.name,
            derived.name.replace('_', "-"),
            source.rows
        )))
    }
}

/// A table with a retention period.
#[derive(Clone, Copy)]
struct RetainedTable {
    /// The name of its rows in messages.
    rows: &'static str,
    /// The name of the setting in the table `retention`.
    name: &'static str,
    retention: Retention,
}

/// Returns whether a store has a settings file.
pub(crate) fn has_file(dir: &Path) -> bool {
    dir.join(FILE_NAME).symlink_metadata().is_ok()
}

/// Checks that a store with data has settings. The defaults might prune more data, or store IP
/// addresses in more detail, than the settings that were lost.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if `wa.toml` is missing or empty.
pub(crate) fn check_file(store: &Store) -> Result<()> {
    let path = store.dir().join(FILE_NAME);
    let state = match regular_file::read(&path, MAX_FILE) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => "empty",
        Err(e) if is_absent(&e) => "missing",
        _ => return Ok(()),
    };
    if store.snapshot().map_or(true, |snapshot| snapshot.manifest().is_empty()) {
        // Without data, nothing can be lost. Without a store, opening it fails later.
        return Ok(());
    }
    Err(Error::usage(format!("the settings of the store are {state}: {}", path.display())).hint(
        "restore the file from a backup; without one, delete an empty file and run `wa init` with the flags \
         you want",
    ))
}

/// Writes `wa.toml` into a store that has none, and returns its path. Returns `None` if the file
/// exists, and does not overwrite it. The caller must hold the writer's lock.
///
/// The file is written to the staging folder and then renamed, so that a crash leaves no partial
/// settings. The next writer removes an incomplete file.
///
/// # Errors
/// [`ErrorKind::Failed`](crate::ErrorKind::Failed) if a folder or the file cannot be written.
pub(crate) fn write(
    file_system: &dyn FileSystem,
    dir: &Path,
    config: &ResolvedConfig,
) -> Result<Option<PathBuf>> {
    write_text(file_system, dir, &template::text(config))
}

/// Copies the `wa.toml` of another store into a store that has none, as [`write()`] does.
///
/// # Errors
/// Returns the errors of [`write()`], and [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the file
/// contains a path relative to its store.
pub(crate) fn copy(file_system: &dyn FileSystem, dir: &Path, other: &Path) -> Result<Option<PathBuf>> {
    let path = other.join(FILE_NAME);
    let bytes =
        regular_file::read(&path, MAX_FILE).map_err(|e| Error::io("read the settings in", &path, e))?;
    let text = String::from_utf8_lossy(&bytes);
    let read = |base: &Path| {
        let mut config = ResolvedConfig::default();
        config.apply_file(&path, &text, base).map(|()| config.settings)
    };
    if read(dir)? != read(other)? {
        return Err(Error::usage(format!("{} contains a path relative to its store", path.display()))
            .hint("write absolute paths in that file, or create the store with `wa init` first"));
    }
    write_text(file_system, dir, &text)
}

fn write_text(file_system: &dyn FileSystem, dir: &Path, text: &str) -> Result<Option<PathBuf>> {
    let path = dir.join(FILE_NAME);
    let entries = file_system.list(dir).map_err(|e| Error::io("list the store", dir, e))?;
    if entries.iter().any(|entry| entry.name == FILE_NAME) {
        return Ok(None);
    }
    let staging = dir.join(STAGING_DIR);
    let staging_existed = entries.iter().any(|entry| entry.name == STAGING_DIR);
    file_system.create_dir_all(&staging).map_err(|e| Error::io("create the folder", &staging, e))?;
    let draft = staging.join(FILE_NAME);
    // An interrupted run may have left this file. If it cannot be removed, the write below fails.
    let _ = file_system.remove_file(&draft);
    file_system
        .write_new(&draft, text.as_bytes())
        .and_then(|()| file_system.sync_file(&draft))
        .map_err(|e| Error::io("write", &draft, e))?;
    file_system.rename(&draft, &path).map_err(|e| Error::io("write the settings to", &path, e))?;
    if !staging_existed {
        // If the staging folder remained, the next writer would assume that a writer was
        // interrupted.
        file_system.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
    }
    file_system.sync_dir(dir).map_err(|e| Error::io("sync the folder", dir, e))?;
    Ok(Some(path))
}
