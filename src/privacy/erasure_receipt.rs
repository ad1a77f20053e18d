//! The receipt of an erasure: what, how many, when; never who.

use serde::Serialize;

/// What an erasure did, or would do. It names nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasureReceipt {
    /// Nothing was changed.
    pub dry_run: bool,
    /// When it was done, RFC 3339: lines from up to then stay out from now on.
    pub erased_at: String,
    /// What was looked for.
    pub identifiers: SearchStats,
    /// Rows that went.
    pub erased: Erased,
    /// Rows of others in which the identifier stood as a value, and does not any more.
    pub redacted: Redacted,
    /// Days whose statistics were worked out again.
    pub days_recomputed: u64,
    /// Files that were written anew or removed.
    pub files_replaced: u64,
    /// What was not touched.
    pub source_logs: &'static str,
}

/// What a receipt says of the source logs.
pub const SOURCE_LOGS: &str = "untouched: delete or edit them yourself; if they are taken in again, lines of these persons up to \
     erased_at stay out";

/// How many identifiers were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchStats {
    /// Those that were named.
    pub named: u64,
    /// Anonymous ids found with them and erased as well.
    pub followed: u64,
    /// Anonymous ids found with them and left, since other users used them too.
    pub shared: u64,
}

/// Rows that went, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: u64,
    /// Entries of the first-seen index.
    pub visitors: u64,
    /// Refused lines.
    pub rejects: u64,
    /// Entries of the lists of older daily statistics.
    pub daily_stats_entries: u64,
}

/// Rows in which a value was replaced, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Redacted {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: u64,
    /// Names of logs, in what is kept of them.
    pub log_names: u64,
}
