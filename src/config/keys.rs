//! The settings there are: the one list behind the reader of `wa.toml`, the file that `wa init`
//! writes, `wa config` and the check of `docs/settings.md`.

use std::path::{Path, PathBuf};

use super::quantity::{
    format_days, format_duration, format_retention, format_size, parse_days, parse_duration, parse_retention,
    parse_size,
};
use crate::settings::{IpPolicy, Settings};
use crate::time::{DAY, SECOND, Zone};

/// The least budget of memory: what `wa` itself takes, and a batch.
const LEAST_MEMORY: u64 = 256 << 20;

/// A setting.
pub struct Key {
    /// Its name in `wa.toml`, with its table: `retention.events`.
    pub name: &'static str,
    /// The environment variable that sets it.
    pub variable: Option<&'static str>,
    /// What it says, in a sentence or two: the comment in `wa.toml`.
    pub doc: &'static str,
    /// A value to show where the default is none.
    pub example: &'static str,
    set: fn(&mut Settings, &str, &Path) -> Result<(), String>,
    show: fn(&Settings) -> Option<String>,
}

impl Key {
    /// Returns the setting of this name.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Sets the value; a relative path is taken from `base`.
    ///
    /// # Errors
    /// Says in words what is wrong with the value.
    pub fn set(&self, settings: &mut Settings, value: &str, base: &Path) -> Result<(), String> {
        (self.set)(settings, value, base)
    }

    /// Returns the value in force as it would stand in `wa.toml`; `None` where there is none.
    pub fn show(&self, settings: &Settings) -> Option<String> {
        (self.show)(settings)
    }
}

/// All settings, in the order of the file.
pub static KEYS: &[Key] = &[
    Key {
        name: "timezone",
        variable: None,
        doc: "The time zone in which days are counted: an IANA name such as \"Europe/Berlin\".\n\
              After a change, run `wa rebuild`.",
        example: "Europe/Berlin",
        set: |settings, value, _| {
            settings.timezone = Zone::parse(value).ok_or_else(|| {
                format!("there is no time zone `{value}`: write an IANA name such as UTC or Europe/Berlin")
            })?;
            Ok(())
        },
        show: |settings| Some(settings.timezone.name().to_owned()),
    },
    Key {
        name: "session_timeout",
        variable: None,
        doc: "A gap longer than this starts a new session: from \"1s\" to \"1d\".\n\
              After a change, run `wa rebuild`.",
        example: "30m",
        set: |settings, value, _| {
            let timeout = parse_duration(value)?;
            if !(SECOND..=DAY).contains(&timeout) {
                return Err(format!("`{value}` is out of range: a session's timeout is from 1s to 1d"));
            }
            settings.session_timeout = timeout;
            Ok(())
        },
        show: |settings| Some(format_duration(settings.session_timeout)),
    },
    Key {
        name: "geoip",
        variable: Some("WA_GEOIP"),
        doc: "A database in MaxMind's format (.mmdb) that says in which country and city an address is.\n\
              A relative path counts from the store.",
        example: "/usr/share/GeoIP/GeoLite2-City.mmdb",
        set: |settings, value, base| {
            settings.geoip = Some(path(value, base)?);
            Ok(())
        },
        show: |settings| settings.geoip.as_deref().map(show_path),
    },
    Key {
        name: "memory",
        variable: Some("WA_MEMORY"),
        doc: "How much memory an ingest may take: 256M or more.",
        example: "512M",
        set: |settings, value, _| {
            let memory = parse_size(value)?;
            if memory < LEAST_MEMORY {
                return Err(format!("`{value}` is too little: at least 256M"));
            }
            settings.memory = memory;
            Ok(())
        },
        show: |settings| Some(format_size(settings.memory)),
    },
    Key {
        name: "retention.events",
        variable: None,
        doc: "Events older than this are pruned by `wa gc`: a number of days, counting today, or \"forever\".",
        example: "90d",
        set: |settings, value, _| parse_retention(value).map(|keep| settings.event_retention = keep),
        show: |settings| Some(format_retention(settings.event_retention)),
    },
    Key {
        name: "retention.sessions",
        variable: None,
        doc: "The same for sessions, by the day of their last event; at least as long as events.",
        example: "1y",
        set: |settings, value, _| parse_retention(value).map(|keep| settings.session_retention = keep),
        show: |settings| Some(format_retention(settings.session_retention)),
    },
    Key {
        name: "retention.daily_stats",
        variable: None,
        doc: "The same for daily statistics; at least as long as sessions.",
        example: "forever",
        set: |settings, value, _| parse_retention(value).map(|keep| settings.daily_stats_retention = keep),
        show: |settings| Some(format_retention(settings.daily_stats_retention)),
    },
    Key {
        name: "privacy.ip",
        variable: None,
        doc: "What is stored of an address: \"keep\" it, \"truncate\" it (IPv4 to /24, IPv6 to /48) or \"drop\" it.",
        example: "keep",
        set: |settings, value, _| {
            settings.ip = match value {
                "keep" => IpPolicy::Keep,
                "truncate" => IpPolicy::Truncate,
                "drop" => IpPolicy::Drop,
                _ => return Err(format!("`{value}` is none of keep, truncate, drop")),
            };
            Ok(())
        },
        show: |settings| {
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
        doc: "`wa gc` removes the addresses of events, sessions and refused lines older than this; \"never\" keeps them.",
        example: "30d",
        set: |settings, value, _| {
            settings.anonymize_after_days = match value {
                "never" => None,
                other => Some(parse_days(other).map_err(|why| format!("{why} (or never)"))?),
            };
            Ok(())
        },
        show: |settings| Some(settings.anonymize_after_days.map_or("never".to_owned(), format_days)),
    },
    Key {
        name: "privacy.key_file",
        variable: Some("WA_KEY_FILE"),
        doc: "Where the secret key of visitors without an id lies, if not in the store.\n\
              Whoever has the key can test which address a visitor had.",
        example: "/etc/wa/key",
        set: |settings, value, base| {
            settings.key_file = Some(path(value, base)?);
            Ok(())
        },
        show: |settings| settings.key_file.as_deref().map(show_path),
    },
];

/// Takes a path, a relative one from `base`.
fn path(value: &str, base: &Path) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(base.join(value))
}

fn show_path(path: &Path) -> String {
    path.display().to_string()
}
