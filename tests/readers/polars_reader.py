"""Reader for Polars."""

from datetime import timezone

import polars as pl
from polars import col

from summary import MISSING, summary

KINDS = {pl.String: "text", pl.Int32: "int32", pl.Int64: "int64", pl.Float64: "float", pl.Boolean: "bool",
         pl.Date: "date"}


class Polars:
    version = pl.__version__

    def __init__(self, store):
        self.store = store

    def table(self, name):
        return pl.scan_parquet(self.store / name / "*" / "*.parquet", hive_partitioning=True)

    def types(self, table):
        time = pl.Datetime("us", "UTC")
        schema = self.table(table).collect_schema()
        return {name: "timestamp" if kind == time else KINDS[kind] for name, kind in schema.items()}

    def count(self, table):
        return self.table(table).select(pl.len()).collect().item()

    def sessions(self, first, last):
        return self.table("sessions").filter(~col("is_bot"), col("session_date").is_between(first, last))

    def summary(self, first, last):
        id = tagged("a anonymous_id", "u user_id", "s session_id")
        totals = self.sessions(first, last).select(
            pl.len(), pl.struct("chatbot_id", id).n_unique().alias("visitors"),
            col("had_conversation").sum(), col("messages_sent").sum(), col("messages_received").sum(),
            col("error_count").sum(), col("duration_seconds").sum(), col("response_time_sum_us").sum(),
            col("response_time_count").sum()).collect().row(0)
        bots = self.table("sessions").filter(col("is_bot"), col("session_date").is_between(first, last))
        bots = bots.select(pl.len()).collect().item()
        return summary(totals, self.new_visitors(first, last), bots)

    def trends(self, first, last):
        messages = (col("messages_sent") + col("messages_received")).sum()
        grouped = self.sessions(first, last).group_by("session_date")
        days = grouped.agg(pl.len(), col("had_conversation").sum(), messages.alias("messages"))
        return days.sort("session_date").collect().rows()

    def daily_stats(self, first, last):
        messages = (col("total_messages_sent") + col("total_messages_received")).sum().alias("messages")
        data = self.table("daily_stats").filter(col("stat_date").is_between(first, last))
        sums = data.group_by("stat_date").agg(col("total_sessions").sum(), col("total_conversations").sum(), messages)
        return sums.filter(col("total_sessions") > 0).sort("stat_date").collect().rows()

    def group(self, column, first, last):
        value = col(column).fill_null(MISSING.get(column, "unknown"))
        counts = self.sessions(first, last).group_by(value).agg(pl.len())
        return counts.sort(["len", column], descending=[True, False]).collect().rows()

    def latest_events(self, count):
        events = self.table("events").sort(["timestamp", "id"], descending=True).head(count)
        rows = events.select("timestamp", "event_name").collect().rows()
        return [(time.astimezone(timezone.utc), name) for time, name in rows]

    def events(self, first, last):
        key = tagged("s session_id", "a anonymous_id", "u user_id").alias("key")
        events = self.table("events").select("chatbot_id", "event_name", "timestamp", key)
        sessions = self.sessions(first, last).select("chatbot_id", "id", "started_at", "ended_at", key)
        joined = events.join(sessions, on=["chatbot_id", "key"])
        joined = joined.filter(col("timestamp").is_between("started_at", "ended_at"))
        counts = joined.group_by("event_name").agg(pl.len(), col("id").n_unique())
        return counts.sort(["len", "event_name"], descending=[True, False]).collect().rows()

    def new_visitors(self, first, last):
        sessions = self.sessions(first, last)
        kind = pl.when(col("anonymous_id").is_not_null()).then(pl.lit("anonymous")).otherwise(pl.lit("user"))
        known = sessions.select("chatbot_id", kind.alias("id_kind"),
                                pl.coalesce("anonymous_id", "user_id").alias("visitor_id"))
        known = known.drop_nulls("visitor_id").unique()
        joined = known.join(self.table("visitors"), on=["chatbot_id", "id_kind", "visitor_id"])
        new = joined.filter(col("first_seen_at").dt.date().is_between(first, last))
        unknown = sessions.filter(col("anonymous_id").is_null(), col("user_id").is_null())
        keys = unknown.select("chatbot_id", "session_id").unique()
        return sum(frame.select(pl.len()).collect().item() for frame in (new, keys))

    def join_names(self, names, first, last):
        names = pl.LazyFrame(names, schema=["chatbot_id", "name"], orient="row")
        joined = names.join(self.sessions(first, last), on="chatbot_id")
        return joined.group_by("name").agg(pl.len()).sort("name").collect().rows()

    def write(self, table, kind, path):
        data = self.table(table).collect()
        data.write_csv(path) if kind == "csv" else data.write_parquet(path)


def tagged(*columns):
    """Returns the first value that is not null, prefixed with the letter of its column."""
    columns = (column.split() for column in columns)
    return pl.coalesce(*(letter + col(name) for letter, name in columns)).alias("id")


READERS = {"polars": Polars}
