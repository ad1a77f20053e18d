//! The tables and their columns. The Parquet schema, the CSV header and `docs/columns.md` are
//! derived from these definitions.

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
    /// A boolean.
    Bool,
    /// Microseconds since 1970 UTC.
    Timestamp,
    /// A calendar day.
    Date,
}

impl ColumnType {
    /// Returns the name for the documentation.
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
    /// Column name.
    pub name: &'static str,
    /// Column type.
    pub kind: ColumnType,
    /// Whether the column can be null.
    pub nullable: bool,
    /// Contents of the column, for the documentation.
    pub doc: &'static str,
}

/// Defines a column that cannot be null.
const fn col(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, doc }
}

/// Defines a column that can be null.
const fn opt(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

use ColumnType::*;

/// The columns of `events`, in order.
pub(crate) static EVENTS: &[Column] = &[
    col(
        "id",
        Uuid,
        "Event id: the log's id if that is a UUID, else a version 5 UUID of the chatbot and the log's \
         id. Without an id in the log, a version 8 UUID of the line's content and its ordinal among \
         identical lines of its file.",
    ),
    opt("event_id", Text, "The log's id, if it is not a UUID."),
    col("chatbot_id", Text, "Chatbot: the site, app or widget."),
    opt("session_id", Text, "The log's session id."),
    opt(
        "anonymous_id",
        Text,
        "Visitor id; `ipua-…` if it was derived from the IP address and the user agent.",
    ),
    opt("user_id", Text, "Id of the identified user."),
    opt("user_email", Text, "Email address of the user."),
    opt("user_name", Text, "Name of the user."),
    opt("user_metadata", Json, "Other fields of the user: an object."),
    col("event_name", Text, "Event name."),
    opt(
        "event_category",
        Text,
        "`engagement`, `performance`, `error`, `system` or the log's own; without one in the log, the \
         category of the standard event.",
    ),
    opt("properties", Json, "Event properties: an object."),
    opt("page_url", Text, "URL of the page."),
    opt("page_title", Text, "Title of the page."),
    col("timestamp", Timestamp, "Time of the event."),
    opt("client_timestamp", Timestamp, "Time of the event by the visitor's clock."),
    opt("sent_at", Timestamp, "When the visitor's device sent the event, by its clock."),
    opt("received_at", Timestamp, "When the server received the event."),
    opt("referrer", Text, "Referring page, as logged."),
    opt(
        "referrer_domain",
        Text,
        "Domain of the referrer, in lower case, without `www.`; null if there is no referrer or it is the \
         page's own site.",
    ),
    opt(
        "channel",
        Text,
        "Channel of the event's source (`docs/enrichment.md`); null if the event names no source.",
    ),
    opt("landing_page", Text, "Landing page, as logged."),
    opt("utm_source", Text, "Campaign source, from the log or the page URL."),
    opt("utm_medium", Text, "Campaign medium, from the log or the page URL."),
    opt("utm_campaign", Text, "Campaign name, from the log or the page URL."),
    opt("user_agent", Text, "User agent."),
    opt("browser_name", Text, "Browser, from the user agent."),
    opt("browser_version", Text, "Browser version."),
    opt("os_name", Text, "Operating system, from the user agent."),
    opt("os_version", Text, "Version of the operating system."),
    opt(
        "device_type",
        Text,
        "`desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`; null without a user agent.",
    ),
    col("is_bot", Bool, "Whether the user agent is a known bot."),
    opt("screen_width", Int32, "Screen width in pixels."),
    opt("screen_height", Int32, "Screen height in pixels."),
    opt("ip_address", Text, "IP address, as far as `privacy.ip` allows."),
    opt("country_code", Text, "Country (ISO 3166-1 alpha-2), from the log or the IP address."),
    opt("city", Text, "City, from the log or the IP address."),
    opt("extra", Json, "Fields of the line that have no column, and values of the wrong type: an object."),
    col("created_at", Timestamp, "When the event was stored."),
];

/// The columns of `sessions`, in order.
static SESSIONS: &[Column] = &[
    col(
        "id",
        Uuid,
        "Session id: a version 5 UUID of the session key and `started_at`. It changes if a late event \
         makes the session start earlier.",
    ),
    col("chatbot_id", Text, "Chatbot: the site, app or widget."),
    opt(
        "session_id",
        Text,
        "The log's session id; null if the session key is the visitor's or the user's id.",
    ),
    opt("anonymous_id", Text, "Visitor id, from the first event with one."),
    opt("user_id", Text, "Id of the identified user, from the last event with one."),
    opt(
        "user_email",
        Text,
        "Email address of the user. Email address, name and metadata come from the last event with any \
         of them that names no other user.",
    ),
    opt("user_name", Text, "Name of the user."),
    opt("user_metadata", Json, "Other fields of the user: an object."),
    col("started_at", Timestamp, "Time of the first event."),
    col("ended_at", Timestamp, "Time of the last event."),
    col("duration_seconds", Int64, "Whole seconds from the first to the last event."),
    opt(
        "referrer",
        Text,
        "Referring page. Referrer, channel and campaign come from the first event that names a source.",
    ),
    opt("referrer_domain", Text, "Domain of the referrer; null if the visit was direct."),
    opt("channel", Text, "Channel; null if no event names a source, which reports show as Direct."),
    opt(
        "landing_page",
        Text,
        "`landing_page` of the first event with one, else the path of the first `page_url`.",
    ),
    opt("utm_source", Text, "Campaign source."),
    opt("utm_medium", Text, "Campaign medium."),
    opt("utm_campaign", Text, "Campaign name."),
    opt("user_agent", Text, "User agent, from the first event with one."),
    opt("browser_name", Text, "Browser, from the user agent."),
    opt("browser_version", Text, "Browser version."),
    opt("os_name", Text, "Operating system, from the user agent."),
    opt("os_version", Text, "Version of the operating system."),
    opt(
        "device_type",
        Text,
        "`desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`; null without a user agent.",
    ),
    col(
        "is_bot",
        Bool,
        "Whether the user agent is a known bot. Daily statistics and reports exclude bot sessions.",
    ),
    opt("screen_width", Int32, "Screen width in pixels, from the first event with a screen size."),
    opt("screen_height", Int32, "Screen height in pixels."),
    opt(
        "ip_address",
        Text,
        "IP address. IP address, country and city come from the first event with any of them.",
    ),
    opt("country_code", Text, "Country (ISO 3166-1 alpha-2)."),
    opt("city", Text, "City."),
    col("messages_sent", Int64, "Number of `message_sent` events."),
    col("messages_received", Int64, "Number of `message_received` events."),
    col("widget_opened_count", Int64, "Number of `widget_opened` events."),
    col("widget_minimized_count", Int64, "Number of `widget_minimized` events."),
    col("widget_loads", Int64, "Number of `widget_loaded` events."),
    col("page_views", Int64, "Number of `page_viewed` and `page_view` events."),
    col("error_count", Int64, "Number of events of category `error`."),
    col("event_count", Int64, "Number of events."),
    col("event_counts", Json, "Number of events by name: an object, sorted by name."),
    opt(
        "avg_response_time_ms",
        Int64,
        "Mean `properties.response_time_ms` of `message_received` events, rounded half up; null if there \
         are none.",
    ),
    col("response_time_sum_us", Int64, "Sum of the response times in microseconds."),
    col("response_time_count", Int64, "Number of response times."),
    col("had_conversation", Bool, "Whether at least one message was sent."),
    col("completed_pre_chat_form", Bool, "Whether there is a `pre_chat_form_submitted` event."),
    opt("triggered_by", Text, "`properties.triggered_by` of the first `widget_opened` event with one."),
    col("first_event_id", Uuid, "Id of the first event, by time and id."),
    opt(
        "merge_state",
        Json,
        "State for merging late events that the other columns do not contain (`docs/storage.md`); \
         null if there is none.",
    ),
    col("created_at", Timestamp, "When the session was first stored."),
    col("updated_at", Timestamp, "When the session last changed."),
];

/// The columns of `daily_stats`, in order: one row per chatbot and day, bot sessions excluded.
static DAILY_STATS: &[Column] = &[
    col("id", Uuid, "Version 5 UUID of the chatbot and the day."),
    col("chatbot_id", Text, "Chatbot: the site, app or widget."),
    col("stat_date", Date, "Day on which the sessions started, in the store's time zone."),
    col("total_sessions", Int64, "Number of sessions."),
    col("unique_visitors", Int64, "Number of distinct visitors."),
    col(
        "new_visitors",
        Int64,
        "Number of visitors first seen on this day, including all that are known only by a session key.",
    ),
    col("returning_visitors", Int64, "Number of all other visitors."),
    col("total_conversations", Int64, "Number of sessions with at least one `message_sent` event."),
    col("total_messages_sent", Int64, "Number of `message_sent` events."),
    col("total_messages_received", Int64, "Number of `message_received` events."),
    col(
        "avg_messages_per_session",
        Float,
        "Mean number of messages, sent and received, per session; 2 decimal places.",
    ),
    col("avg_session_duration_seconds", Int64, "Mean duration in seconds, rounded half up."),
    col("widget_loads", Int64, "Number of `widget_loaded` events."),
    col("widget_opens", Int64, "Number of `widget_opened` events."),
    col("conversion_rate", Float, "100 × conversations / sessions; 2 decimal places."),
    opt(
        "avg_response_time_ms",
        Int64,
        "Mean response time over all messages, rounded half up; null if there are none.",
    ),
    col("error_count", Int64, "Number of events of category `error`."),
    col(
        "top_referrers",
        Json,
        "The 10 most frequent referrer domains, including `direct`: `[{\"domain\":…,\"count\":…}]`.",
    ),
    col("top_landing_pages", Json, "The 10 most frequent landing pages: `[{\"page\":…,\"count\":…}]`."),
    col(
        "utm_sources",
        Json,
        "All campaign sources: `[{\"source\":…,\"count\":…}]`, without sessions that have none.",
    ),
    col("desktop_sessions", Int64, "Number of sessions on desktops."),
    col("mobile_sessions", Int64, "Number of sessions on phones."),
    col("tablet_sessions", Int64, "Number of sessions on tablets."),
    col("bot_sessions", Int64, "Number of bot sessions, which no other column includes."),
    col("session_duration_sum_seconds", Int64, "Sum of the durations in seconds."),
    col("response_time_sum_us", Int64, "Sum of the response times in microseconds."),
    col("response_time_count", Int64, "Number of response times."),
    col("created_at", Timestamp, "When the row was first stored."),
    col("updated_at", Timestamp, "When the row last changed."),
];

/// The columns of `visitors`, in order: one row per chatbot and visitor id.
static VISITORS: &[Column] = &[
    col("chatbot_id", Text, "Chatbot: the site, app or widget."),
    col("id_kind", Text, "`anonymous` or `user`."),
    col("visitor_id", Text, "The anonymous id or user id."),
    col("first_seen_at", Timestamp, "Time of the earliest event with this id. It only moves earlier."),
    col("hash_high", Int64, "Upper half of the 128-bit hash of chatbot, kind and id."),
    col("hash_low", Int64, "Lower half of the hash."),
    opt(
        "counted_new_on",
        Date,
        "Day whose statistics count the visitor as new because of sessions that have since been pruned. \
         If an earlier event of the visitor is ingested, `wa` corrects that count.",
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
    /// One row per visitor id, with the time of its first event.
    Visitors,
}

impl Table {
    /// All tables, in the order of the documentation.
    pub const ALL: [Table; 4] = [Table::Events, Table::Sessions, Table::DailyStats, Table::Visitors];

    /// Returns the name, which is also the name of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Table::Events => "events",
            Table::Sessions => "sessions",
            Table::DailyStats => "daily_stats",
            Table::Visitors => "visitors",
        }
    }

    /// Returns the columns, in order.
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

    /// Returns the key of the Hive partitions.
    pub fn partition_key(self) -> &'static str {
        match self {
            Table::Events => "event_date",
            Table::Sessions => "session_date",
            Table::DailyStats => "stat_month",
            Table::Visitors => "first_seen_month",
        }
    }

    /// Returns the path of the partition whose first day is `day`, relative to the store. A
    /// partition is a day or a month.
    pub fn partition(self, day: Day) -> String {
        let mut value = day.to_string();
        if matches!(self, Table::DailyStats | Table::Visitors) {
            value.truncate("YYYY-MM".len());
        }
        format!("{}/{}={value}", self.name(), self.partition_key())
    }

    /// Returns the columns that hold the start and the end of a row. They can be the same column:
    /// for `daily_stats`, both are the day.
    pub fn times(self) -> [&'static str; 2] {
        match self {
            Table::Events => ["timestamp"; 2],
            Table::Sessions => ["started_at", "ended_at"],
            Table::DailyStats => ["stat_date"; 2],
            Table::Visitors => ["first_seen_at"; 2],
        }
    }
}
