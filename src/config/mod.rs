//! The settings in force: defaults, `wa.toml` in the store, the environment, flags, the later ones
//! winning; and where each value comes from.

mod file;
mod keys;
mod origin;
pub mod quantity;
mod template;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

pub use keys::{KEYS, Key};
pub use origin::Origin;
pub use quantity::{
    format_days, format_duration, format_retention, format_size, parse_days, parse_duration, parse_retention,
    parse_size,
};

use crate::error::{Error, Result};
use crate::settings::{Retention, Settings};
use crate::store::Store;
use crate::store::file_system::FileSystem;
use crate::store::transaction::STAGING_DIR;

/// The name of the settings file in a store.
pub const FILE_NAME: &str = "wa.toml";

/// The environment as a value: a variable's name to its value.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings in force, and where each comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedConfig {
    /// The values.
    pub settings: Settings,
    /// Where they come from, in the order of [`KEYS`].
    pub origins: Vec<Origin>,
}

impl Default for ResolvedConfig {
    fn default() -> Self {
        ResolvedConfig {
            settings: Settings::default(),
            origins: KEYS.iter().map(|_| Origin::Default).collect(),
        }
    }
}

impl ResolvedConfig {
    /// Reads the settings of the store in `dir`: `wa.toml` where there is one, and the environment.
    /// Flags come after that: [`ResolvedConfig::set_flag`], then [`ResolvedConfig::check`].
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] with the line, or the variable, that makes no sense;
    /// [`crate::ErrorKind::Failed`] where the file cannot be read.
    pub fn read(dir: &Path, environment: Environment<'_>) -> Result<ResolvedConfig> {
        let mut resolved = ResolvedConfig::default();
        let path = dir.join(FILE_NAME);
        match fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|e| {
                    Error::usage(format!("{} is not UTF-8 text", path.display())).caused_by(e)
                })?;
                resolved.take_file(&path, &text, dir)?;
            }
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(Error::io("read the settings in", &path, e)),
        }
        resolved.take_environment(environment)?;
        Ok(resolved)
    }

    fn take_file(&mut self, path: &Path, text: &str, base: &Path) -> Result<()> {
        for entry in file::parse(path, text)? {
            let line = entry.line;
            let origin = Origin::File { path: path.to_owned(), line };
            self.set(entry.key, &entry.value, base, origin).map_err(|why| {
                Error::usage(format!("{}, line {line}: `{}`: {why}", path.display(), entry.key.name))
            })?;
        }
        Ok(())
    }

    fn take_environment(&mut self, environment: Environment<'_>) -> Result<()> {
        for key in KEYS {
            // An empty variable is the same as none: the way to switch one off in a unit file.
            if let Some(variable) = key.variable
                && let Some(value) = environment(variable).filter(|value| !value.is_empty())
            {
                self.set(key, &value, Path::new(""), Origin::Environment { variable })
                    .map_err(|why| Error::usage(format!("the environment variable {variable}: {why}")))?;
            }
        }
        Ok(())
    }

    /// Sets the setting `name` to what a flag says.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the value makes no sense.
    pub fn set_flag(&mut self, name: &str, value: &str, flag: &'static str) -> Result<()> {
        let key = Key::find(name).ok_or_else(|| Error::failed(format!("there is no setting `{name}`")))?;
        self.set(key, value, Path::new(""), Origin::Flag { flag })
            .map_err(|why| Error::usage(format!("{flag}: {why}")))
    }

    fn set(&mut self, key: &'static Key, value: &str, base: &Path, origin: Origin) -> Result<(), String> {
        key.set(&mut self.settings, value, base)?;
        if let Some(at) = KEYS.iter().position(|other| other.name == key.name)
            && let Some(slot) = self.origins.get_mut(at)
        {
            *slot = origin;
        }
        Ok(())
    }

    /// Returns where the value of a setting comes from.
    pub fn origin(&self, name: &str) -> &Origin {
        let at = KEYS.iter().position(|key| key.name == name);
        at.and_then(|at| self.origins.get(at)).unwrap_or(&Origin::Default)
    }

    /// Checks what several settings say together: what is made of other rows is kept at least as long as
    /// these, sessions as events, daily statistics as sessions. Else reports would contradict each other.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`], with both values and where they come from.
    pub fn check(&self) -> Result<()> {
        let Settings { event_retention, session_retention, daily_stats_retention, .. } = self.settings;
        let events = ("events", "events", event_retention);
        let sessions = ("sessions", "sessions", session_retention);
        let daily_stats = ("daily statistics", "daily_stats", daily_stats_retention);
        self.check_kept(sessions, events)?;
        self.check_kept(daily_stats, sessions)
    }

    /// Checks that one kind of row, given by words, name and retention, is kept at least as long as another.
    fn check_kept(&self, longer: (&str, &str, Retention), shorter: (&str, &str, Retention)) -> Result<()> {
        let ((what, name, keep), (than, other, least)) = (longer, shorter);
        let enough = match (keep, least) {
            (Retention::Forever, _) => true,
            (Retention::Days(_), Retention::Forever) => false,
            (Retention::Days(keep), Retention::Days(least)) => keep >= least,
        };
        if enough {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{what} would be kept for {} ({}), {than} for {} ({}): {what} have to be kept at least as long as {than}",
            format_retention(keep),
            self.origin(&format!("retention.{name}")),
            format_retention(least),
            self.origin(&format!("retention.{other}")),
        ))
        .hint(format!(
            "keep {what} longer (retention.{name}, --keep-{}) or {than} shorter",
            name.replace('_', "-")
        )))
    }
}

/// Tells whether a file is not there; a store that is itself a file has no settings in it either,
/// and its own error comes later.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Refuses to go by the defaults where the `wa.toml` of a store that holds data has gone, or is empty: they
/// may keep less than was meant, and more of addresses.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where it is so.
pub fn check_file(store: &Store) -> Result<()> {
    let path = store.dir().join(FILE_NAME);
    let what = match fs::read(&path) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => "empty",
        Err(e) if is_absent(&e) => "gone",
        _ => return Ok(()),
    };
    if store.snapshot().map_or(true, |snapshot| snapshot.manifest().is_empty()) {
        // There is nothing to lose; or no store, which has its own error.
        return Ok(());
    }
    Err(Error::usage(format!("the settings of the store are {what}: {}", path.display())).hint(
        "put the file back from a copy; where there is none, say with `wa init` and its flags what is meant \
         (an empty file has to go first)",
    ))
}

/// Writes `wa.toml` with defaults and comments into a store that has none; a file that is there
/// stays as it is. Returns the path where it was written. Call it with the writer's lock held.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where a folder or the file cannot be made.
pub fn write_default(disk: &dyn FileSystem, dir: &Path) -> Result<Option<PathBuf>> {
    write(disk, dir, &ResolvedConfig::default())
}

/// Writes `wa.toml` with the settings in force into a store that has none; a file that is there
/// stays as it is. Returns the path where it was written. Call it with the writer's lock held.
///
/// The text goes to the staging folder first, so that a crash leaves no half of a settings file; the
/// next writer removes the draft.
///
/// # Errors
/// [`crate::ErrorKind::Failed`] where a folder or the file cannot be made.
pub fn write(disk: &dyn FileSystem, dir: &Path, resolved: &ResolvedConfig) -> Result<Option<PathBuf>> {
    let path = dir.join(FILE_NAME);
    let entries = disk.list(dir).map_err(|e| Error::io("list the store", dir, e))?;
    if entries.iter().any(|entry| entry.name == FILE_NAME) {
        return Ok(None);
    }
    let staging = dir.join(STAGING_DIR);
    let is_at_work = entries.iter().any(|entry| entry.name == STAGING_DIR);
    disk.create_dir_all(&staging).map_err(|e| Error::io("create the folder", &staging, e))?;
    let draft = staging.join(FILE_NAME);
    // What an interrupted run left; where it cannot be removed, the write says why.
    let _ = disk.remove_file(&draft);
    disk.write_new(&draft, template::text(resolved).as_bytes())
        .and_then(|()| disk.sync_file(&draft))
        .map_err(|e| Error::io("write", &draft, e))?;
    disk.rename(&draft, &path).map_err(|e| Error::io("write the settings to", &path, e))?;
    if !is_at_work {
        // Whoever finds this folder takes it for that of an interrupted writer.
        disk.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
    }
    disk.sync_dir(dir).map_err(|e| Error::io("sync the folder", dir, e))?;
    Ok(Some(path))
}
