//! The settings of a store, validated: what `wa.toml`, the environment and flags came to.

use std::path::PathBuf;

use crate::time::{Micros, SECOND, Zone};

/// How long the rows of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// This many days, today the last of them.
    Days(u32),
    /// For ever.
    Forever,
}

/// What is stored of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpPolicy {
    /// The address.
    Keep,
    /// Its network: /24 of an IPv4 address, /48 of an IPv6 address.
    Truncate,
    /// Nothing.
    Drop,
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The time zone in which days are counted.
    pub timezone: Zone,
    /// The longest gap within a session, in microseconds.
    pub session_timeout: Micros,
    /// Retention of events, by the UTC date of their time.
    pub keep_events: Keep,
    /// Retention of sessions, by the day of their last event.
    pub keep_sessions: Keep,
    /// Retention of daily statistics.
    pub keep_daily_stats: Keep,
    /// What is stored of addresses.
    pub ip: IpPolicy,
    /// After how many days `gc` sets addresses to null.
    pub anonymize_after_days: Option<u32>,
    /// A database in MaxMind's format, for places.
    pub geoip: Option<PathBuf>,
    /// Budget of memory for an ingest, in bytes.
    pub memory: u64,
    /// Where the key of visitors without an id lies, if not in the store.
    pub key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            timezone: Zone::UTC,
            session_timeout: 30 * 60 * SECOND,
            keep_events: Keep::Days(90),
            keep_sessions: Keep::Days(365),
            keep_daily_stats: Keep::Forever,
            ip: IpPolicy::Keep,
            anonymize_after_days: None,
            geoip: None,
            memory: 512 << 20,
            key_file: None,
        }
    }
}
