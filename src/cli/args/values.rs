//! Parsers of flag values.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;

use super::window::{AsOf, MAX_DAYS, Moment};
use crate::config::quantity::{parse_days, parse_duration};
use crate::error::{Error, Result};
use crate::report::MAX_LIMIT;
use crate::time::{Day, Micros, parse_human};

/// The last valid day: 9999-12-31.
const LAST_DAY: Day = Day(2_932_896);

/// Returns the absolute form of a path on the command line. In `wa.toml`, a relative path is
/// relative to the store.
///
/// # Errors
/// Fails if the current folder cannot be determined.
pub(in crate::cli) fn absolute_path(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).map_err(|e| Error::io("find", path, e))?;
    Ok(path.display().to_string())
}

/// The format of a summary, or of the state of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SummaryFormat {
    #[default]
    Table,
    Json,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    #[default]
    Table,
    Json,
    Csv,
    Markdown,
    Html,
}

/// The format of a list of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum EventFormat {
    #[default]
    Table,
    Ndjson,
    Csv,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    #[default]
    Ndjson,
    Csv,
}

/// Parses a time such as `2026-01-31T12:00:00Z`.
pub(in crate::cli) fn time(text: &str) -> Result<Micros, String> {
    parse_human(text).ok_or_else(|| "write a time like 2026-01-31T12:00:00Z".to_owned())
}

/// Parses a day of a window: `today`, `yesterday`, `latest`, or a date from 1970 to 9999.
pub(in crate::cli) fn day(text: &str) -> Result<AsOf, String> {
    match text {
        "today" => Ok(AsOf::Today),
        "yesterday" => Ok(AsOf::Yesterday),
        "latest" => Ok(AsOf::Latest),
        other => Day::parse(other)
            .filter(|day| (Day(0)..=LAST_DAY).contains(day))
            .map(AsOf::Day)
            .ok_or_else(|| "write a day as YYYY-MM-DD, or as one of today, yesterday, latest".to_owned()),
    }
}

/// Parses the time of a report on one point in time: a time, or `latest`.
pub(in crate::cli) fn moment(text: &str) -> Result<Moment, String> {
    if text == "latest" {
        return Ok(Moment::Latest);
    }
    time(text).map(Moment::At).map_err(|message| format!("{message}, or latest"))
}

/// Parses a duration: `0s`, `30s`, `5m`.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    let micros = parse_duration(text)?;
    u64::try_from(micros).map(Duration::from_micros).map_err(|_| format!("`{text}` is too long"))
}

/// Parses the length of a window in days.
pub(in crate::cli) fn window_days(text: &str) -> Result<u32, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(0) => Err("write at least 1 (only today)".to_owned()),
        Ok(days) if days <= MAX_DAYS => Ok(days),
        // The number can also exceed `u32`.
        _ if is_number => Err(format!("write at most {MAX_DAYS} days (a century)")),
        _ => Err("write a number of days, such as 30".to_owned()),
    }
}

/// The number of rows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Limit {
    /// All rows.
    All,
    /// At most this number of rows.
    First(usize),
}

impl Limit {
    /// Returns the maximum number of rows; `None` for all.
    pub(in crate::cli) fn rows(self) -> Option<usize> {
        match self {
            Limit::All => None,
            Limit::First(rows) => Some(rows),
        }
    }
}

/// Parses the maximum number of rows of a list.
pub(in crate::cli) fn limit(text: &str) -> Result<Limit, String> {
    match text.parse() {
        _ if text == "all" => Ok(Limit::All),
        Ok(rows @ 1..=MAX_LIMIT) => Ok(Limit::First(rows)),
        _ => Err(format!("write a number from 1 to {MAX_LIMIT}, or all")),
    }
}

/// Parses the maximum number of events of a list; 0 means `all`.
pub(in crate::cli) fn event_limit(text: &str) -> Result<Limit, String> {
    match text.parse() {
        Ok(0) => Ok(Limit::All),
        _ if text == "all" => Ok(Limit::All),
        Ok(events) => Ok(Limit::First(events)),
        Err(_) => Err("write a number, such as 1000, or all".to_owned()),
    }
}

/// Parses the number of a page.
pub(in crate::cli) fn page(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("the first page is 1".to_owned()),
        Ok(page) => Ok(page),
        Err(_) => Err("write a number, such as 2".to_owned()),
    }
}

/// Parses a number of days: `30d`, `1y`.
pub(in crate::cli) fn days(text: &str) -> Result<u32, String> {
    parse_days(text)
}

/// Parses a chatbot id of 1 to 256 bytes.
pub(in crate::cli) fn chatbot(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("a chatbot id must not be empty".to_owned()),
        1..=256 => Ok(text.to_owned()),
        length => Err(format!("a chatbot id has at most 256 bytes; this one has {length}")),
    }
}

/// Parses an id or a name, which must not be empty.
pub(in crate::cli) fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}
