//! Labels of sections and columns for the keys that JSON uses.

/// Returns the heading of a section.
pub(super) fn section(key: &str) -> &str {
    match key {
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
        "frequency" => "Visitors by number of sessions",
        "days" => "Days",
        other => other,
    }
}

/// Returns the title of a column, or the label of a row, for a key of a section.
pub(super) fn column<'a>(section: &str, key: &'a str) -> &'a str {
    match (section, key) {
        (
            "utm_sources" | "referrers" | "channels" | "devices" | "browsers" | "operating_systems",
            "count",
        ) => "Sessions",
        ("slow_responses", "share") => "Share of responses",
        ("slow_responses", "logged") => "slow_response events",
        ("active", "active_sessions") => "Active sessions",
        ("active", "timestamp") => "Time",
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
        (_, "bot_sessions_excluded") => "Bot sessions excluded",
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
