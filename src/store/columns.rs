//! The columns of the tables: the one definition behind the Parquet schema, the CSV header and
//! `docs/columns.md`.

use crate::time::Day;

/// The type of a column, in a table and in Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// A UUID as lower-case text.
    Uuid,
    /// JSON as text.
    Json,
    /// A 32-bit signed integer.
    Int32,
    /// A 64-bit signed integer.
    Int64,
    /// A 64-bit float, rounded to two decimal places.
    Float,
    /// True or false.
    Bool,
    /// Microseconds since 1970 UTC.
    Timestamp,
    /// A calendar day.
    Date,
}

impl ColumnType {
    /// Returns the name used in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Uuid => "text (UUID)",
            ColumnType::Json => "text (JSON)",
            ColumnType::Int32 => "int32",
            ColumnType::Int64 => "int64",
            ColumnType::Float => "float64",
            ColumnType::Bool => "boolean",
            ColumnType::Timestamp => "timestamp (µs, UTC)",
            ColumnType::Date => "date",
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: ColumnType,
    /// Whether it can be null.
    pub nullable: bool,
    /// What it holds: units, source, rule.
    pub doc: &'static str,
}

const fn col(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, doc }
}

const fn opt(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

use ColumnType::*;

/// The columns of `events`, in order.
pub static EVENTS: &[Column] = &[
    col(
        "id",
        Uuid,
        "The event's id: the log's where that is a UUID, else version 5 of chatbot and the log's id, else (no id in the log) version 8 of the line's content and its ordinal among identical lines of its file.",
    ),
    opt("event_id", Text, "The log's id, where it is not a UUID."),
    col("chatbot_id", Text, "The chatbot (site, app or widget)."),
    opt("session_id", Text, "The log's session id."),
    opt("anonymous_id", Text, "The visitor's id; `ipua-…` where it was made of address and user agent."),
    opt("user_id", Text, "The identified user."),
    opt("user_email", Text, "The user's e-mail address."),
    opt("user_name", Text, "The user's name."),
    opt("user_metadata", Json, "What else the log says about the user: an object."),
    col("event_name", Text, "The event's name."),
    opt(
        "event_category",
        Text,
        "`engagement`, `performance`, `error`, `system` or the log's own; from the table of standard events where the log gives none.",
    ),
    opt("properties", Json, "The event's properties: an object."),
    opt("page_url", Text, "The page's address."),
    opt("page_title", Text, "The page's title."),
    col("timestamp", Timestamp, "The event's time."),
    opt("client_timestamp", Timestamp, "The time on the visitor's clock."),
    opt("sent_at", Timestamp, "When the visitor's device sent the event, by its clock."),
    opt("received_at", Timestamp, "When the server received the event."),
    opt("referrer", Text, "The referring page, as logged."),
    opt(
        "referrer_domain",
        Text,
        "The referrer's domain, lower case, without `www.`; null where there is none or it is the page's own site.",
    ),
    opt(
        "channel",
        Text,
        "The channel (`docs/enrichment.md`) that the event's own source stands for; null where it names none.",
    ),
    opt("landing_page", Text, "The landing page, as logged."),
    opt("utm_source", Text, "The campaign's source, from the log or the page's address."),
    opt("utm_medium", Text, "The campaign's medium, likewise."),
    opt("utm_campaign", Text, "The campaign's name, likewise."),
    opt("user_agent", Text, "The user agent."),
    opt("browser_name", Text, "The browser, from the user agent."),
    opt("browser_version", Text, "Its version."),
    opt("os_name", Text, "The operating system, from the user agent."),
    opt("os_version", Text, "Its version."),
    opt(
        "device_type",
        Text,
        "`desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`; null without a user agent.",
    ),
    col("is_bot", Bool, "The user agent is a known robot."),
    opt("screen_width", Int32, "Width of the screen in pixels."),
    opt("screen_height", Int32, "Height of the screen in pixels."),
    opt("ip_address", Text, "The visitor's address, as the settings allow."),
    opt("country_code", Text, "Country, ISO 3166-1 alpha-2, from the log or the address."),
    opt("city", Text, "City, likewise."),
    opt(
        "extra",
        Json,
        "An object of the line's fields that have no column, and of values of the wrong type.",
    ),
    col("created_at", Timestamp, "When the event was stored."),
];

/// The columns of `sessions`, in order.
pub static SESSIONS: &[Column] = &[
    col(
        "id",
        Uuid,
        "Version 5 UUID of session key and `started_at`; it changes when a late event makes the session start earlier.",
    ),
    col("chatbot_id", Text, "The chatbot."),
    opt(
        "session_id",
        Text,
        "The log's session id; null where the session is held together by the visitor's or user's id.",
    ),
    opt("anonymous_id", Text, "The visitor's id, from the first event that has one."),
    opt("user_id", Text, "The identified user, from the last event that has one."),
    opt(
        "user_email",
        Text,
        "E-mail address; with name and metadata from the last event that has any of them and names no other user.",
    ),
    opt("user_name", Text, "Name, likewise."),
    opt("user_metadata", Json, "Metadata, likewise."),
    col("started_at", Timestamp, "Time of the first event."),
    col("ended_at", Timestamp, "Time of the last event."),
    col("duration_seconds", Int64, "Whole seconds from the first to the last event."),
    opt(
        "referrer",
        Text,
        "The referring page; with campaign and channel from the first event that names a source.",
    ),
    opt("referrer_domain", Text, "The referrer's domain; null where the visit was direct."),
    opt("channel", Text, "The channel; null where no event names a source, which reports show as Direct."),
    opt(
        "landing_page",
        Text,
        "From the first event that has a `landing_page`, else the path of the first `page_url`.",
    ),
    opt("utm_source", Text, "The campaign's source."),
    opt("utm_medium", Text, "The campaign's medium."),
    opt("utm_campaign", Text, "The campaign's name."),
    opt("user_agent", Text, "The user agent, from the first event that has one."),
    opt("browser_name", Text, "The browser."),
    opt("browser_version", Text, "Its version."),
    opt("os_name", Text, "The operating system."),
    opt("os_version", Text, "Its version."),
    opt(
        "device_type",
        Text,
        "`desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`; null without a user agent.",
    ),
    col("is_bot", Bool, "The user agent is a known robot: left out of daily stats and reports."),
    opt("screen_width", Int32, "Width of the screen in pixels, from the first event with a screen size."),
    opt("screen_height", Int32, "Height of the screen in pixels."),
    opt("ip_address", Text, "Address; with the place from the first event that has any of them."),
    opt("country_code", Text, "Country, ISO 3166-1 alpha-2."),
    opt("city", Text, "City."),
    col("messages_sent", Int64, "Number of `message_sent`."),
    col("messages_received", Int64, "Number of `message_received`."),
    col("widget_opened_count", Int64, "Number of `widget_opened`."),
    col("widget_minimized_count", Int64, "Number of `widget_minimized`."),
    col("widget_loads", Int64, "Number of `widget_loaded`."),
    col("page_views", Int64, "Number of `page_viewed` and `page_view`."),
    col("error_count", Int64, "Number of events of category `error`."),
    col("event_count", Int64, "Number of events."),
    col("event_counts", Json, "Number of events by name: an object, names in order."),
    opt(
        "avg_response_time_ms",
        Int64,
        "Mean of `properties.response_time_ms` over `message_received`, rounded half up; null without any.",
    ),
    col("response_time_sum_us", Int64, "Sum of the response times in microseconds."),
    col("response_time_count", Int64, "Number of response times."),
    col("had_conversation", Bool, "At least one message was sent."),
    col("completed_pre_chat_form", Bool, "A `pre_chat_form_submitted` happened."),
    opt("triggered_by", Text, "The first `properties.triggered_by` of a `widget_opened`."),
    col("first_event_id", Uuid, "Id of the first event (least time, then id)."),
    opt(
        "merge_state",
        Json,
        "What is needed to merge the session with late events and cannot be told from the other columns; null where there is no such thing (`docs/storage.md`).",
    ),
    col("created_at", Timestamp, "When the session was first stored."),
    col("updated_at", Timestamp, "When it last changed."),
];

/// The columns of `daily_stats`, in order; one row per chatbot and day, robots left out.
pub static DAILY_STATS: &[Column] = &[
    col("id", Uuid, "Version 5 UUID of chatbot and day."),
    col("chatbot_id", Text, "The chatbot."),
    col("stat_date", Date, "The day, in the store's time zone, on which the sessions started."),
    col("total_sessions", Int64, "Number of sessions."),
    col("unique_visitors", Int64, "Number of different visitors."),
    col("new_visitors", Int64, "Visitors first seen on this day, and those known only by a session key."),
    col("returning_visitors", Int64, "The other visitors."),
    col("total_conversations", Int64, "Sessions with at least one `message_sent`."),
    col("total_messages_sent", Int64, "Number of `message_sent`."),
    col("total_messages_received", Int64, "Number of `message_received`."),
    col("avg_messages_per_session", Float, "Messages sent and received per session, 2 decimals."),
    col("avg_session_duration_seconds", Int64, "Mean duration in seconds, rounded half up."),
    col("widget_loads", Int64, "Number of `widget_loaded`."),
    col("widget_opens", Int64, "Number of `widget_opened`."),
    col("conversion_rate", Float, "100 × conversations / sessions, 2 decimals."),
    opt(
        "avg_response_time_ms",
        Int64,
        "Mean response time over messages, rounded half up; null without any.",
    ),
    col("error_count", Int64, "Number of events of category `error`."),
    col(
        "top_referrers",
        Json,
        "The 10 most frequent referrer domains, `direct` among them: [{\"domain\":…,\"count\":…}].",
    ),
    col("top_landing_pages", Json, "The 10 most frequent landing pages: [{\"page\":…,\"count\":…}]."),
    col(
        "utm_sources",
        Json,
        "All campaign sources: [{\"source\":…,\"count\":…}]; sessions without one are left out.",
    ),
    col("desktop_sessions", Int64, "Sessions on desktops."),
    col("mobile_sessions", Int64, "Sessions on phones."),
    col("tablet_sessions", Int64, "Sessions on tablets."),
    col("bot_sessions", Int64, "Sessions of robots, which no other column counts."),
    col("session_duration_sum_seconds", Int64, "Sum of the durations in seconds."),
    col("response_time_sum_us", Int64, "Sum of the response times in microseconds."),
    col("response_time_count", Int64, "Number of response times."),
    col("created_at", Timestamp, "When the row was first stored."),
    col("updated_at", Timestamp, "When it last changed."),
];

/// The columns of `visitors`, the first-seen index; one row per chatbot and id.
pub static VISITORS: &[Column] = &[
    col("chatbot_id", Text, "The chatbot."),
    col("id_kind", Text, "`anonymous` or `user`."),
    col("visitor_id", Text, "The anonymous id or user id."),
    col("first_seen_at", Timestamp, "Time of the earliest event with this id; only ever moves earlier."),
    col("hash_high", Int64, "Upper half of the hash by which the id is found."),
    col("hash_low", Int64, "Lower half."),
    opt(
        "counted_new_on",
        Date,
        "The day that counts it as a new visitor by sessions that are pruned: so the count can still be put right.",
    ),
];

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// One row per event.
    Events,
    /// One row per session.
    Sessions,
    /// One row per chatbot and day.
    DailyStats,
    /// The first-seen index.
    Visitors,
}

impl Table {
    /// All tables, in the order in which they are documented.
    pub const ALL: [Table; 4] = [Table::Events, Table::Sessions, Table::DailyStats, Table::Visitors];

    /// Returns the name, which is that of its folder too.
    pub fn name(self) -> &'static str {
        match self {
            Table::Events => "events",
            Table::Sessions => "sessions",
            Table::DailyStats => "daily_stats",
            Table::Visitors => "visitors",
        }
    }

    /// Returns the columns.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Events => EVENTS,
            Table::Sessions => SESSIONS,
            Table::DailyStats => DAILY_STATS,
            Table::Visitors => VISITORS,
        }
    }

    /// Returns the names of the columns, in order.
    pub fn column_names(self) -> Vec<&'static str> {
        self.columns().iter().map(|column| column.name).collect()
    }

    /// Returns the key of the table's Hive partitions.
    pub fn partition_key(self) -> &'static str {
        match self {
            Table::Events => "event_date",
            Table::Sessions => "session_date",
            Table::DailyStats => "stat_month",
            Table::Visitors => "first_seen_month",
        }
    }

    /// Returns the folder of the partition that begins with a day, below the store's: of that day, or its month.
    pub fn partition(self, day: Day) -> String {
        let mut value = day.to_string();
        if matches!(self, Table::DailyStats | Table::Visitors) {
            value.truncate("YYYY-MM".len());
        }
        format!("{}/{}={value}", self.name(), self.partition_key())
    }

    /// Returns the columns of the times that a row begins and ends with, which may be one: of `daily_stats`,
    /// its day.
    pub fn times(self) -> [&'static str; 2] {
        match self {
            Table::Events => ["timestamp"; 2],
            Table::Sessions => ["started_at", "ended_at"],
            Table::DailyStats => ["stat_date"; 2],
            Table::Visitors => ["first_seen_at"; 2],
        }
    }
}
