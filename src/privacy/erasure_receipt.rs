//! The receipt of an erasure. It contains counts and times, but no identifier.

use serde::Serialize;

/// The result of an erasure or its dry run. It contains no identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasureReceipt {
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// The time of the erasure, RFC 3339. Later ingests suppress events up to this time.
    pub erased_at: String,
    /// The identifiers that were searched for.
    pub identifiers: SearchStats,
    /// The rows that were erased.
    pub erased: ErasedCounts,
    /// The rows of other people in which an identifier was redacted.
    pub redacted: RedactedCounts,
    /// Days whose statistics were recomputed.
    pub days_recomputed: u64,
    /// Files that were rewritten or removed.
    pub files_replaced: u64,
    /// A reminder that the source logs are not changed.
    pub source_logs: &'static str,
}

/// The reminder in every receipt.
pub(super) const SOURCE_LOGS: &str = "unchanged: delete or edit them yourself; if they are ingested again, \
     lines of these people up to erased_at are not stored";

/// The number of identifiers that were searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchStats {
    /// Identifiers named by the user.
    pub named: u64,
    /// Anonymous ids that occurred with the named identifiers and were erased too.
    pub followed: u64,
    /// Anonymous ids that occurred with the named identifiers but were not erased, because other
    /// users used them too.
    pub shared: u64,
}

/// Erased rows, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasedCounts {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: u64,
    /// Rows of the `visitors` table.
    pub visitors: u64,
    /// Rejected lines.
    pub rejects: u64,
    /// Entries of the top lists in `daily_stats`.
    pub daily_stats_entries: u64,
}

/// Rows in which an identifier was replaced, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedactedCounts {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: u64,
    /// Names of ingested files.
    pub log_names: u64,
}
