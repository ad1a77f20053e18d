//! Reads the values of flags; what is wrong with one is said in words.

use std::time::Duration;

use clap::ValueEnum;

use super::window::{AsOf, MOST_DAYS};
use crate::config;
use crate::time::{Day, Micros, parse_human};

/// 9999-12-31.
const LAST_DAY: Day = Day(2_932_896);

/// How an account or an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON, with the keys that `docs/` describes.
    Json,
    /// CSV with a header, one row an item.
    Csv,
    /// Markdown, to be pasted.
    Markdown,
}

/// How raw events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EventFormat {
    /// A table for people.
    #[default]
    Table,
    /// NDJSON, which `wa ingest` takes back.
    Ndjson,
    /// CSV with a header.
    Csv,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// NDJSON, which `wa ingest` takes back.
    #[default]
    Ndjson,
    /// CSV with a header.
    Csv,
}

/// Reads a time.
pub fn time(text: &str) -> Result<Micros, String> {
    parse_human(text).ok_or_else(|| "write a time like 2026-01-31T12:00:00Z".to_owned())
}

/// Reads a day that can be counted from: times before 1970 or after 9999 are none of a log's.
fn parse_day(text: &str) -> Option<Day> {
    Day::parse(text).filter(|day| (Day(0)..=LAST_DAY).contains(day))
}

/// Reads the day on which a window ends.
pub fn as_of(text: &str) -> Result<AsOf, String> {
    match text {
        "today" => Ok(AsOf::Today),
        "yesterday" => Ok(AsOf::Yesterday),
        "latest" => Ok(AsOf::Latest),
        other => parse_day(other)
            .map(AsOf::Day)
            .ok_or_else(|| "write a day as YYYY-MM-DD, or as one of today, yesterday, latest".to_owned()),
    }
}

/// Reads how long to wait: `0s`, `30s`, `5m`.
pub fn wait(text: &str) -> Result<Duration, String> {
    let micros = config::parse_duration(text)?;
    u64::try_from(micros).map(Duration::from_micros).map_err(|_| format!("`{text}` is too long"))
}

/// Reads the length of a window.
pub fn window_days(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("a window has a day at least: today alone is 1".to_owned()),
        Ok(days) if days <= MOST_DAYS => Ok(days),
        Ok(_) => Err(format!("write at most {MOST_DAYS}, which is a century")),
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
            Err(format!("write at most {MOST_DAYS}, which is a century"))
        }
        Err(_) => Err("write a number of days, such as 30".to_owned()),
    }
}

/// Reads the number of a page.
pub fn page(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("pages count from 1".to_owned()),
        Ok(page) => Ok(page),
        Err(_) => Err("write a number, such as 2".to_owned()),
    }
}

/// Reads a number of days: `30d`, `1y`.
pub fn days(text: &str) -> Result<u32, String> {
    config::parse_days(text)
}

/// Reads a chatbot's id: not empty, up to 256 bytes.
pub fn chatbot(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("a chatbot's id is not empty".to_owned()),
        1..=256 => Ok(text.to_owned()),
        n => Err(format!("a chatbot's id has up to 256 bytes, this has {n}")),
    }
}

/// Reads an id or a name that is not empty.
pub fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}
