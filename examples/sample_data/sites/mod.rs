//! Four sites with different log formats.

mod campus;
mod coffee;
mod help;
mod library;

use super::calendar::{DAY, at};
use super::json::quote;
use super::log::{Line, Log};
use campus::campus;
use coffee::coffee;
use help::help;
use library::library;

/// Generates all logs.
pub fn logs() -> Vec<Log> {
    let (coffee, late) = coffee();
    let (october, november) = split(coffee);
    let (help_october, help_november) = split(help());
    let library = library();
    let mut late = late;
    // A copy of lines without ids in another file adds nothing.
    late.extend(library.iter().skip(40).take(12).cloned());
    vec![
        Log::new(
            "harbor-coffee-2026-10.ndjson",
            "a coffee shop in October; events with UUIDs, context on the first event of a visit, some lines twice",
            october,
        ),
        Log::new(
            "harbor-coffee-2026-11.ndjson",
            "the same in November; one visit continues from the previous file",
            november,
        ),
        Log::new(
            "help-center-2026-10.ndjson",
            "a software help center in October; session, identify and event lines in camelCase, times in milliseconds, ids that are not UUIDs",
            help_october,
        ),
        Log::new("help-center-2026-11.ndjson", "the same in November", help_november),
        Log::new(
            "city-library.ndjson",
            "a library; no event or session ids, times in whole seconds, and some identical lines that are two events",
            library,
        ),
        Log::new(
            "widget-posts.ndjson",
            "a campus app; envelopes as posted by its widget, with clocks that are wrong by minutes",
            campus(),
        ),
        Log::new(
            "late.ndjson.gz",
            "late lines; first, middle and last events of visits to the coffee shop, lines that are in its other files too, and copies of lines of the library",
            late,
        ),
    ]
}

/// Splits lines at the end of the month, when the logs are rotated.
fn split(lines: Vec<Line>) -> (Vec<Line>, Vec<Line>) {
    lines.into_iter().partition(|line| line.written < at(30, DAY))
}

/// Returns a good line, for the files with a defect.
pub fn good_line(file: &str, number: u32) -> String {
    format!(
        "{{\"event_id\":{},\"chatbot_id\":\"samples\",\"session_id\":\"s-1\",\"event_name\":\"page_viewed\",\"timestamp\":\"2026-11-01T12:00:{number:02}Z\"}}",
        quote(&format!("{file}-{number}"))
    )
}
