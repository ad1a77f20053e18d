//! The list of all settings, used by the parser of `wa.toml`, the file that `wa init` writes, `wa
//! config` and the test of `docs/settings.md`.

use std::path::{Path, PathBuf};

use super::quantity::{
    format_days, format_duration, format_retention, format_size, parse_days, parse_duration, parse_retention,
    parse_size,
};
use crate::settings::{IpPolicy, Settings};
use crate::time::{DAY, SECOND, Zone};

/// The minimum memory budget: enough for the base memory of an ingest and one batch.
const MIN_MEMORY: u64 = 256 << 20;

/// A setting.
pub struct Key {
    /// The name in `wa.toml` with its table: `retention.events`.
    pub name: &'static str,
    /// The environment variable that overrides the file.
    pub variable: Option<&'static str>,
    /// The comment in `wa.toml`.
    pub(super) doc: &'static str,
    /// An example for messages. `wa.toml` also shows it if there is no default.
    pub(super) example: &'static str,
    parse: fn(&mut Settings, &str, &Path) -> Result<(), String>,
    format: fn(&Settings) -> Option<String>,
}

impl Key {
    /// Returns the setting with this name.
    pub(super) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Parses a value into `settings`. Relative paths are relative to `base`.
    ///
    /// # Errors
    /// The reason why the value is invalid.
    pub(super) fn parse(&self, settings: &mut Settings, value: &str, base: &Path) -> Result<(), String> {
        (self.parse)(settings, value, base)
    }

    /// Returns a hint with an example of the setting in `wa.toml`.
    pub(super) fn example_line(&self) -> String {
        format!("write it like {} = \"{}\"", last_part(self.name), self.example)
    }

    /// Returns the value as written in `wa.toml`; `None` for an optional path that is not set.
    pub(crate) fn format(&self, settings: &Settings) -> Option<String> {
        (self.format)(settings)
    }
}

/// Returns the name of a setting without its table.
pub(super) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// All settings, in the order of the file.
pub static KEYS: &[Key] = &[
    Key {
        name: "timezone",
        variable: None,
        doc: "The time zone of days: an IANA name such as \"Europe/Berlin\".\n\
              After a change, run `wa rebuild`.",
        example: "Europe/Berlin",
        parse: |settings, value, _| {
            settings.timezone = Zone::parse(value).ok_or_else(|| {
                format!("unknown time zone `{value}`: write an IANA name such as UTC or Europe/Berlin")
            })?;
            Ok(())
        },
        format: |settings| Some(settings.timezone.name().to_owned()),
    },
    Key {
        name: "session_timeout",
        variable: None,
        doc: "A longer gap between two events starts a new session: \"1s\" to \"1d\".\n\
              After a change, run `wa rebuild`.",
        example: "30m",
        parse: |settings, value, _| {
            let timeout = parse_duration(value)?;
            if !(SECOND..=DAY).contains(&timeout) {
                return Err(format!("`{value}` is out of range: write 1s to 1d"));
            }
            settings.session_timeout = timeout;
            Ok(())
        },
        format: |settings| Some(format_duration(settings.session_timeout)),
    },
    Key {
        name: "geoip",
        variable: Some("WA_GEOIP"),
        doc: "A MaxMind-format database (.mmdb) that maps IP addresses to country and city.\n\
              A relative path is relative to the store.",
        example: "/usr/share/GeoIP/GeoLite2-City.mmdb",
        parse: |settings, value, base| {
            settings.geoip = Some(parse_path(value, base)?);
            Ok(())
        },
        format: |settings| settings.geoip.as_deref().map(format_path),
    },
    Key {
        name: "memory",
        variable: Some("WA_MEMORY"),
        doc: "The memory budget of an ingest or a merge: \"256M\" or more.",
        example: "512M",
        parse: |settings, value, _| {
            let memory = parse_size(value)?;
            if memory < MIN_MEMORY {
                return Err(format!("`{value}` is too little: write at least 256M"));
            }
            settings.memory = memory;
            Ok(())
        },
        format: |settings| Some(format_size(settings.memory)),
    },
    Key {
        name: "retention.events",
        variable: None,
        doc: "The number of days, including today, for which `wa gc` retains events, or \"forever\".",
        example: "90d",
        parse: |settings, value, _| parse_retention(value).map(|keep| settings.event_retention = keep),
        format: |settings| Some(format_retention(settings.event_retention)),
    },
    Key {
        name: "retention.sessions",
        variable: None,
        doc: "The same for sessions, from the day of their last event. At least as long as for events.",
        example: "1y",
        parse: |settings, value, _| parse_retention(value).map(|keep| settings.session_retention = keep),
        format: |settings| Some(format_retention(settings.session_retention)),
    },
    Key {
        name: "retention.daily_stats",
        variable: None,
        doc: "The same for daily statistics. At least as long as for sessions.",
        example: "forever",
        parse: |settings, value, _| parse_retention(value).map(|keep| settings.daily_stats_retention = keep),
        format: |settings| Some(format_retention(settings.daily_stats_retention)),
    },
    Key {
        name: "privacy.ip",
        variable: None,
        doc: "How IP addresses are stored: \"keep\" them, \"truncate\" them to their network\n\
              (IPv4 /24, IPv6 /48), or \"drop\" them.",
        example: "keep",
        parse: |settings, value, _| {
            settings.ip = match value {
                "keep" => IpPolicy::Keep,
                "truncate" => IpPolicy::Truncate,
                "drop" => IpPolicy::Drop,
                _ => return Err(format!("`{value}` is not one of keep, truncate, drop")),
            };
            Ok(())
        },
        format: |settings| {
            let name = match settings.ip {
                IpPolicy::Keep => "keep",
                IpPolicy::Truncate => "truncate",
                IpPolicy::Drop => "drop",
            };
            Some(name.to_owned())
        },
    },
    Key {
        name: "privacy.anonymize_after",
        variable: None,
        doc: "The age at which `wa gc` removes the IP addresses of events, sessions and rejected lines,\n\
              or \"never\".",
        example: "30d",
        parse: |settings, value, _| {
            settings.anonymize_after_days = match value {
                "never" => None,
                other => Some(parse_days(other).map_err(|why| format!("{why} (or never)"))?),
            };
            Ok(())
        },
        format: |settings| Some(settings.anonymize_after_days.map_or("never".to_owned(), format_days)),
    },
    Key {
        name: "privacy.key_file",
        variable: Some("WA_KEY_FILE"),
        doc: "The file with the secret key that derives ids for visitors without one; by default it is\n\
              in the store. Anyone with the key can test which IP address a visitor had.",
        example: "/etc/wa/key",
        parse: |settings, value, base| {
            settings.key_file = Some(parse_path(value, base)?);
            Ok(())
        },
        format: |settings| settings.key_file.as_deref().map(format_path),
    },
];

/// Parses a path. A relative one is relative to `base`.
fn parse_path(value: &str, base: &Path) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(base.join(value))
}

fn format_path(path: &Path) -> String {
    path.display().to_string()
}
