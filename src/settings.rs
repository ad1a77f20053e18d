//! The validated settings of a store.
//!
//! [`config`](crate::config) reads them from `wa.toml`, the environment and flags.

use std::path::PathBuf;

use crate::time::{Micros, SECOND, Zone};

/// How long the rows of a table are retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// A number of days, including today.
    Days(u32),
    /// Without limit.
    Forever,
}

/// How an IP address is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpPolicy {
    /// In full.
    Keep,
    /// Truncated to its network: /24 for IPv4, /48 for IPv6.
    Truncate,
    /// Not at all.
    Drop,
}

/// The settings of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The time zone that defines calendar days.
    pub timezone: Zone,
    /// The longest gap between two events of a session, in microseconds.
    pub session_timeout: Micros,
    /// Retention of events, by the UTC date of their time.
    pub event_retention: Retention,
    /// Retention of sessions, by the day of their last event.
    pub session_retention: Retention,
    /// Retention of daily statistics.
    pub daily_stats_retention: Retention,
    /// How IP addresses are stored.
    pub ip: IpPolicy,
    /// The number of days after which `gc` removes IP addresses; `None` for never.
    pub anonymize_after_days: Option<u32>,
    /// A MaxMind-format database of locations.
    pub geoip: Option<PathBuf>,
    /// The memory budget of an ingest or a merge, in bytes.
    pub memory: u64,
    /// The file with the secret key, if it is not in the store.
    pub key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            timezone: Zone::UTC,
            session_timeout: 30 * 60 * SECOND,
            event_retention: Retention::Days(90),
            session_retention: Retention::Days(365),
            daily_stats_retention: Retention::Forever,
            ip: IpPolicy::Keep,
            anonymize_after_days: None,
            geoip: None,
            memory: 512 << 20,
            key_file: None,
        }
    }
}
