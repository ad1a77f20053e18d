//! Lays out one session: the facts about it, and its events.

use super::sessions::{first_text, local_time, text};
use super::{Column, Section};
use crate::json::lenient::{each_member, string_value};
use crate::render::numbers::{
    format_duration, format_local_time, format_metric, format_value, group_digits, pluralize,
};
use crate::render::text::escape_control;
use crate::report::answer::session_page::{SessionEntry, TimelineEvent};
use crate::report::metric::values::Millis;
use crate::report::metric::{AsMetric, Metric, Unit};
use crate::store::frame::{Record, Value};
use crate::time::{Micros, SECOND, Zone};

/// Returns a section with the facts about a session, and a section with its events.
pub(super) fn sections(entry: &SessionEntry, zone: Zone) -> [Section; 2] {
    [facts(&entry.session, zone), events(entry, zone)]
}

/// Lays out the facts about a session, one per row. Unknown facts are omitted.
fn facts(session: &Record, zone: Zone) -> Section {
    let mut section = Section::new([Column::text(""), Column::wrapped("")]);
    section.hide_header = true;
    section.heading = Some(format!("Session started {}", local_time(session, "started_at", zone)));
    let number = |name| session.number(name).unwrap_or(0);
    let flag = |name| session.get(name) == &Value::Bool(true);
    let duration = format_duration(number("duration_seconds"));
    let counts = |sent: &str, received: &str| {
        let count = |name| group_digits(number(name));
        format!("{} {sent}, {} {received}", count("messages_sent"), count("messages_received"))
    };
    let errors = match number("error_count") {
        0 => String::new(),
        errors => format!(", {}", pluralize(errors.unsigned_abs(), "error", "errors")),
    };
    let response = session.number("avg_response_time_ms");
    let rows = [
        ("Session", text(session, "session_id")),
        ("Id", text(session, "id")),
        ("Chatbot", text(session, "chatbot_id")),
        ("Visitor", text(session, "anonymous_id")),
        ("User", text(session, "user_id")),
        ("Name", text(session, "user_name")),
        ("Email", text(session, "user_email")),
        ("Metadata", members(session.text("user_metadata").unwrap_or(""), "")),
        ("Ended", format!("{} (after {duration})", local_time(session, "ended_at", zone))),
        ("Channel", first_text(session, &["channel"])),
        ("Campaign", joined(session, &["utm_source", "utm_medium", "utm_campaign"], " / ")),
        ("Referrer", text(session, "referrer")),
        ("Landing page", text(session, "landing_page")),
        ("Opened by", text(session, "triggered_by")),
        ("Device", device(session)),
        ("Location", joined(session, &["city", "country_code"], ", ")),
        ("IP address", text(session, "ip_address")),
        ("Messages", counts("sent", "received")),
        ("Average response", response.map(|ms| format_millis(Some(ms))).unwrap_or_default()),
        ("Form", if flag("completed_pre_chat_form") { "completed".to_owned() } else { String::new() }),
        ("Events", format!("{}{errors}", group_digits(number("event_count")))),
        ("Bot", if flag("is_bot") { "yes".to_owned() } else { String::new() }),
    ];
    for (label, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
        section.push([label.to_owned(), value]);
    }
    section
}

/// Lays out the events of a session, one per row.
fn events(entry: &SessionEntry, zone: Zone) -> Section {
    let timeline = entry.timeline.as_deref().unwrap_or_default();
    let mut section = Section::new([
        Column::time("Time"),
        Column::number("Gap").drop_priority(3),
        Column::name("Event"),
        Column::number("Response").drop_priority(1),
        Column::path("Page").drop_priority(4),
        Column::text("Details").drop_priority(2),
    ]);
    let origin = common_origin(timeline);
    section.heading = Some(heading(entry, timeline.len() as u64, origin));
    let times = timeline.iter().filter_map(|event| event.event.number("timestamp"));
    let days: Vec<_> = times.map(|time| zone.day(time)).collect();
    // The heading of the session shows the day.
    let is_one_day = days.windows(2).all(|pair| pair[0] == pair[1]);
    for TimelineEvent { event, gap, response } in timeline {
        let time = event.number("timestamp").map_or(String::new(), |time| format_local_time(time, zone));
        let time = if is_one_day { time.split_at_checked(11).map_or("", |(_, time)| time) } else { &time };
        let shown = response.map_or("", |_| "response_time_ms");
        section.push([
            time.to_owned(),
            gap.map_or(String::new(), format_gap),
            text(event, "event_name"),
            response.map_or(String::new(), |time| format_millis(Millis::from_micros(time).value())),
            page(event, origin),
            members(event.text("properties").unwrap_or(""), shown),
        ]);
    }
    section
}

/// Returns the scheme and the host that the pages of all events share; `None` if they differ or are
/// unknown, or if there are no pages.
fn common_origin(timeline: &[TimelineEvent]) -> Option<&str> {
    let mut origins = timeline.iter().filter_map(|event| event.event.text("page_url")).map(origin);
    let first = origins.next()??;
    origins.all(|other| other == Some(first)).then_some(first)
}

/// Returns the scheme and the host of a URL, such as `https://shop.example`; `None` without a path.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + "://".len();
    let path = host + url.get(host..)?.find('/')?;
    url.get(..path)
}

/// Returns the page of an event, without the origin that the heading shows.
fn page(event: &Record, origin: Option<&str>) -> String {
    let url = event.text("page_url").unwrap_or("");
    let path = origin.and_then(|origin| url.strip_prefix(origin)).unwrap_or(url);
    escape_control(path).into_owned()
}

/// Returns the heading of the events: their origin, and the number of events that are not listed.
fn heading(entry: &SessionEntry, listed: u64, origin: Option<&str>) -> String {
    let on_pages = origin.map_or(String::new(), |origin| format!(" on {}", escape_control(origin)));
    let all = entry.session.number("event_count").unwrap_or(0).max(0).unsigned_abs();
    match all.saturating_sub(listed) {
        _ if entry.is_truncated => {
            format!("Events{on_pages} (the first {} of {})", group_digits(listed), group_digits(all))
        }
        0 => format!("Events{on_pages}"),
        pruned => format!("Events{on_pages} ({} of {} are pruned)", group_digits(pruned), group_digits(all)),
    }
}

fn format_millis(value: Option<i64>) -> String {
    format_metric(Metric { unit: Unit::Millis, value })
}

/// Formats the time since the previous event, rounded down to seconds.
fn format_gap(gap: Micros) -> String {
    match gap / SECOND {
        0 => String::new(),
        seconds => format!("+{}", format_duration(seconds)),
    }
}

fn device(session: &Record) -> String {
    let parts = [
        text(session, "device_type"),
        joined(session, &["browser_name", "browser_version"], " "),
        joined(session, &["os_name", "os_version"], " "),
        joined(session, &["screen_width", "screen_height"], " × "),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Joins the values of the columns that are not empty.
fn joined(record: &Record, names: &[&str], separator: &str) -> String {
    let values = names.iter().map(|name| text(record, name)).filter(|value| !value.is_empty());
    values.collect::<Vec<_>>().join(separator)
}

/// Formats the members of a JSON object, except one, as `key=value`, separated by commas.
fn members(object: &str, hidden: &str) -> String {
    let mut members = Vec::new();
    let end = each_member(object, |key, value| {
        if key != hidden {
            members.push(format!("{key}={}", string_value(value).unwrap_or(value.into())));
        }
    });
    let text = if end.is_some() { members.join(", ") } else { format_value(&Value::Json(object.to_owned())) };
    escape_control(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_scheme_and_host() {
        assert_eq!(origin("https://shop.example/a/b?c=d"), Some("https://shop.example"));
        assert_eq!(origin("https://shop.example/"), Some("https://shop.example"));
        // A URL without a path would leave nothing to show as the page.
        for url in ["https://shop.example", "/a/b", "", "://", "https://"] {
            assert_eq!(origin(url), None, "{url}");
        }
    }

    #[test]
    fn members_are_shown_without_json_punctuation() {
        let object = r#"{"button":"Send \"now\"","count":2,"response_time_ms":5,"tags":["a",1]}"#;
        assert_eq!(members(object, ""), r#"button=Send "now", count=2, response_time_ms=5, tags=["a",1]"#);
        assert_eq!(members(object, "response_time_ms"), r#"button=Send "now", count=2, tags=["a",1]"#);
        assert_eq!((members("", ""), members("{}", "")), (String::new(), String::new()));
        assert_eq!(members("{\"a\":\"\\u001b[2J\"}", ""), "a=\\u{1b}[2J");
    }
}
