//! The words that stand over parts and columns for the keys of JSON.

/// Returns the words for a part of an answer.
pub fn part(name: &str) -> &str {
    match name {
        "utm_sources" => "Campaign sources",
        "referrers" => "Referrers",
        "channels" => "Channels",
        "devices" => "Devices",
        "browsers" => "Browsers",
        "operating_systems" => "Operating systems",
        "countries" => "Countries",
        "cities" => "Cities",
        "response_time_ms" => "Response time",
        "load_time_ms" => "Load time",
        "slow_responses" => "Slow responses (over 3 s)",
        "errors" => "Errors",
        "frequency" => "How often they came",
        "days" => "Days",
        other => other,
    }
}

/// Returns the words for a name or figure of a part.
pub fn figure<'a>(group: &str, name: &'a str) -> &'a str {
    match (group, name) {
        (
            "utm_sources" | "referrers" | "channels" | "devices" | "browsers" | "operating_systems",
            "count",
        ) => "Sessions",
        ("slow_responses", "count") => "Slow",
        ("slow_responses", "share") => "Share of responses",
        ("slow_responses", "logged") => "Events slow_response",
        ("frequency", "sessions") => "Sessions of a visitor",
        ("active", "active_sessions") => "Active sessions",
        ("active", "timestamp") => "At",
        (_, "total_sessions" | "sessions" | "unique_sessions") => "Sessions",
        (_, "unique_visitors" | "visitors") => "Visitors",
        (_, "total_conversations" | "conversations") => "Conversations",
        (_, "avg_session_duration_seconds") => "Average duration",
        (_, "conversion_rate") => "Conversion",
        ("summary" | "visitors", "new_visitors") => "New visitors",
        ("summary" | "visitors", "returning_visitors") => "Returning visitors",
        (_, "new_visitors") => "New",
        (_, "returning_visitors") => "Returning",
        (_, "total_messages_sent") => "Messages sent",
        (_, "total_messages_received") => "Messages received",
        (_, "avg_response_time_ms") => "Average response",
        (_, "error_count") => "Errors",
        (_, "bot_sessions_excluded") => "Robots left out",
        (_, "sessions_per_visitor") => "Sessions per visitor",
        (_, "stat_date") => "Day",
        (_, "messages") => "Messages",
        (_, "event_name") => "Event",
        (_, "event_count" | "count") => "Count",
        (_, "mean") => "Mean",
        (_, "share") => "Share",
        (_, "source") => "Source",
        (_, "domain") => "Domain",
        (_, "channel") => "Channel",
        (_, "type") => "Type",
        (_, "name") => "Name",
        (_, "landing_page") => "Landing page",
        (_, "country_code") => "Country",
        (_, "city") => "City",
        (_, other) => other,
    }
}
