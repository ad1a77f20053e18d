"""Questions for filtered and broken-down summaries: the options of `wa`, and queries in SQL and Polars.

A session satisfies a condition on a property if one of its events does. A session counts for each
value that its events have for a property, or for `unknown` if they have none. An event belongs to
the session with its chatbot and session id whose interval contains its time.
"""

from dataclasses import dataclass

FIGURES = ["total_sessions", "unique_visitors", "total_conversations", "total_messages_sent", "total_messages_received"]
"""The figures to compare, by their names in the report `summary`."""
COLUMNS = ["id", "chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at", "duration_seconds",
           "messages_sent", "messages_received"]
"""The columns of sessions that the queries read."""


@dataclass(frozen=True)
class Question:
    """A filter and a breakdown, each by a session column, a property, both or neither."""

    name: str
    session: tuple = None
    """Column and value, which must be equal."""
    prop: tuple = None
    """A property and the number that it must exceed, or the string that it must equal."""
    by: str = None
    """The session column of the breakdown."""
    by_property: str = None

    def flags(self):
        """Returns the options of `wa report`."""
        flags = []
        if self.session:
            flags += ["--where", "=".join(self.session)]
        if self.prop:
            name, value = self.prop
            flags += ["--where", f"properties.{name}={value}" if is_text(value) else f"properties.{name}>{value}"]
        if self.by:
            flags += ["--by", self.by]
        if self.by_property:
            flags += ["--by", f"properties.{self.by_property}"]
        return flags


QUESTIONS = [
    Question("no condition"),
    Question("session filter", session=("device_type", "mobile")),
    Question("session breakdown", by="browser_name"),
    Question("session filter and breakdown", session=("device_type", "mobile"), by="os_name"),
    Question("rare property", prop=("label", "Opening hours")),
    Question("frequent property", prop=("response_time_ms", 2000)),
    Question("property breakdown", by_property="triggered_by"),
    Question("property filter, session breakdown", prop=("response_time_ms", 2000), by="browser_name"),
    Question("all of them", session=("device_type", "mobile"), prop=("response_time_ms", 2000), by="os_name",
             by_property="triggered_by"),
]


def is_text(value):
    """Returns whether a value of a condition is text."""
    return isinstance(value, str)


def sql(question, store, start, end):
    """Returns the query for DuckDB."""
    columns = ", ".join(COLUMNS + ([question.by] if question.by else []))
    sessions = f"""select {columns} from read_parquet('{quoted(store)}/sessions/*/*.parquet', hive_partitioning = true)
where session_date between '{start}' and '{end}' and not is_bot"""
    if question.session:
        sessions += " and {} = '{}'".format(*question.session)
    tables = [f"s as ({sessions})"]
    events = f"""from read_parquet('{quoted(store)}/events/*/*.parquet', hive_partitioning = true) e
join s on e.chatbot_id = s.chatbot_id and e.session_id = s.session_id
where event_date between '{start}' and date '{end}' + 1 and e."timestamp" between s.started_at and s.ended_at"""
    selected, value = "s", question.by or ""
    if question.prop:
        name, bound = question.prop
        condition = f"= '{bound}'" if is_text(bound) else f"> {bound}"
        text = f"(e.properties ->> '{name}')"
        tables.append(f"met as (select distinct s.id {events} "
                      f"and {text if is_text(bound) else f'try_cast({text} as double)'} {condition})")
        selected += " semi join met using (id)"
    if question.by_property:
        text = f"(e.properties ->> '{question.by_property}')"
        tables.append(f"found as (select distinct s.id, {text} as value {events} and {text} is not null)")
        selected += " left join found using (id)"
        value = ", ".join([*filter(None, [value]), "coalesce(value, 'unknown')"])
    # A query without groups has one row even if no session is selected.
    grouped = f"group by {value}" if value else ""
    return f"""with {", ".join(tables)}
select {value or "''"}, count(*), count(distinct (chatbot_id, coalesce(anonymous_id, user_id, session_id))),
       count(*) filter (messages_sent > 0), sum(messages_sent), sum(messages_received), avg(duration_seconds)
from {selected} {grouped}"""


def quoted(path):
    """Escapes a path for use in an SQL string literal."""
    return str(path).replace("'", "''")


def lazy(pl, question, store, start, end):
    """Returns the query for Polars."""
    days = (pl.lit(start).str.to_date(), pl.lit(end).str.to_date())
    group = [question.by] if question.by else []
    sessions = (pl.scan_parquet(f"{store}/sessions/*/*.parquet", hive_partitioning=True)
                .filter(pl.col("session_date").is_between(*days), ~pl.col("is_bot")))
    if question.session:
        sessions = sessions.filter(pl.col(question.session[0]) == question.session[1])
    sessions = sessions.select(COLUMNS + group)
    events = (pl.scan_parquet(f"{store}/events/*/*.parquet", hive_partitioning=True)
              .filter(pl.col("event_date").is_between(days[0], days[1].dt.offset_by("1d"))))

    def joined(events, *more):
        """Joins events with their sessions, and returns each session id once."""
        events = events.select("chatbot_id", "session_id", "timestamp", *more)
        key = sessions.select("id", "chatbot_id", "session_id", "started_at", "ended_at")
        pairs = key.join(events, on=["chatbot_id", "session_id"])
        pairs = pairs.filter(pl.col("timestamp").is_between(pl.col("started_at"), pl.col("ended_at")))
        return pairs.select("id", *more).unique()

    def at(name):
        """Returns a property as text."""
        return pl.col("properties").str.json_path_match(f"$.{name}")

    selected = sessions
    if question.prop:
        name, bound = question.prop
        met = at(name) == bound if is_text(bound) else at(name).cast(pl.Float64, strict=False) > bound
        selected = selected.join(joined(events.filter(met)), on="id", how="semi")
    if question.by_property:
        value = at(question.by_property)
        found = joined(events.with_columns(value=value).filter(pl.col("value").is_not_null()), "value")
        selected = selected.join(found, on="id", how="left").with_columns(pl.col("value").fill_null("unknown"))
        group = group + ["value"]
    visitor = pl.struct("chatbot_id", pl.coalesce("anonymous_id", "user_id", "session_id"))
    figures = [pl.len().alias("sessions"), visitor.n_unique().alias("visitors"),
               (pl.col("messages_sent") > 0).sum().alias("conversations"), pl.col("messages_sent").sum(),
               pl.col("messages_received").sum(), pl.col("duration_seconds").mean().alias("duration")]
    return selected.group_by(group).agg(figures) if group else selected.select(pl.lit("").alias("value"), *figures)
