"""Readers for pandas, with its own types and with the types of Arrow."""

import pandas as pd

from cells import PARTITIONS
from summary import MISSING, summary


class Pandas:
    version = pd.__version__
    backend = {}

    def __init__(self, store):
        self.store = store

    def table(self, name, columns=None):
        data = pd.read_parquet(self.store / name, columns=columns, **self.backend)
        partition, kind = PARTITIONS[name]
        if partition in data:
            # pandas reads partition values as categories of strings.
            data[partition] = data[partition].astype(str)
            if kind == "date":
                data[partition] = pd.to_datetime(data[partition]).dt.date
        return data

    def types(self, table):
        return {name: self.kind(data) for name, data in self.table(table).items()}

    def kind(self, data):
        dtype = str(data.dtype)
        if dtype == "datetime64[us, UTC]":
            return "timestamp"
        if dtype in ("int32", "int64", "bool"):
            return dtype
        if dtype == "str":
            return "text"
        values = data.dropna()
        if dtype == "float64":
            # pandas reads integers with a null as floats.
            return self.nullable.get(data.name, "float")
        types = {type(value).__name__ for value in values}
        if not types:
            return self.nullable[data.name]
        return {"date": "date", "str": "text", "bool": "bool"}[types.pop()]

    nullable = {"screen_width": "int32", "screen_height": "int32", "avg_response_time_ms": "int64",
                "counted_new_on": "date"}
    """Nullable columns. pandas changes their types, and cannot infer them if all values are null."""

    def count(self, table):
        return len(self.table(table))

    def sessions(self, first, last):
        data = self.table("sessions")
        return data[~data["is_bot"] & data["session_date"].between(first, last)]

    def summary(self, first, last):
        data = self.sessions(first, last)
        everything = self.table("sessions")
        bots = everything[everything["is_bot"] & everything["session_date"].between(first, last)]
        id = self.tagged(data, [("a", "anonymous_id"), ("u", "user_id"), ("s", "session_id")])
        visitors = (data["chatbot_id"] + " " + id).nunique()
        sums = [data[name].sum() for name in ("had_conversation", "messages_sent", "messages_received",
                                              "error_count", "duration_seconds", "response_time_sum_us",
                                              "response_time_count")]
        return summary([len(data), visitors, *sums], self.new_visitors(first, last), len(bots))

    @staticmethod
    def tagged(data, columns):
        """Returns the first value that is not null, prefixed with the letter of its column."""
        values = None
        for letter, name in columns:
            tagged = letter + data[name]
            values = tagged if values is None else values.fillna(tagged)
        return values

    def trends(self, first, last):
        data = self.sessions(first, last)
        data = data.assign(messages=data["messages_sent"] + data["messages_received"])
        days = data.groupby("session_date").agg(
            sessions=("id", "size"), conversations=("had_conversation", "sum"), messages=("messages", "sum"))
        return self.rows(days.sort_index().reset_index())

    def daily_stats(self, first, last):
        data = self.table("daily_stats")
        data = data[data["stat_date"].between(first, last)]
        data = data.assign(messages=data["total_messages_sent"] + data["total_messages_received"])
        days = data.groupby("stat_date")[["total_sessions", "total_conversations", "messages"]].sum()
        return self.rows(days[days["total_sessions"] > 0].sort_index().reset_index())

    def group(self, column, first, last):
        values = self.sessions(first, last)[column].fillna(MISSING.get(column, "unknown"))
        counts = values.value_counts().rename_axis("value").reset_index(name="sessions")
        return self.rows(counts.sort_values(["sessions", "value"], ascending=[False, True]))

    def latest_events(self, count):
        data = self.table("events").sort_values(["timestamp", "id"], ascending=False).head(count)
        return [(time.to_pydatetime(), name) for time, name in zip(data["timestamp"], data["event_name"])]

    def events(self, first, last):
        columns = [("s", "session_id"), ("a", "anonymous_id"), ("u", "user_id")]
        events, sessions = self.table("events"), self.sessions(first, last)
        events, sessions = (data.assign(key=self.tagged(data, columns)) for data in (events, sessions))
        joined = events[["chatbot_id", "key", "event_name", "timestamp"]].merge(
            sessions[["chatbot_id", "key", "id", "started_at", "ended_at"]], on=["chatbot_id", "key"])
        joined = joined[joined["timestamp"].between(joined["started_at"], joined["ended_at"])]
        counts = joined.groupby("event_name").agg(events=("id", "size"), sessions=("id", "nunique"))
        return self.rows(counts.reset_index().sort_values(["events", "event_name"], ascending=[False, True]))

    def new_visitors(self, first, last):
        data = self.sessions(first, last)
        unknown = data[data["anonymous_id"].isna() & data["user_id"].isna()]
        kind = data["anonymous_id"].isna().map({True: "user", False: "anonymous"})
        known = data.assign(id_kind=kind.astype(data["chatbot_id"].dtype),
                            visitor_id=data["anonymous_id"].fillna(data["user_id"]))
        known = known[["chatbot_id", "id_kind", "visitor_id"]].dropna().drop_duplicates()
        joined = known.merge(self.table("visitors"), on=["chatbot_id", "id_kind", "visitor_id"])
        new = joined[joined["first_seen_at"].dt.date.between(first, last)]
        return len(new) + len(unknown[["chatbot_id", "session_id"]].drop_duplicates())

    def join_names(self, names, first, last):
        names = pd.DataFrame(names, columns=["chatbot_id", "name"])
        joined = names.merge(self.sessions(first, last), on="chatbot_id")
        return self.rows(joined.groupby("name").size().sort_index().reset_index())

    @staticmethod
    def rows(data):
        """Returns the rows with built-in numbers of Python."""
        def plain(value):
            return value.item() if hasattr(value, "item") else value
        return [tuple(plain(value) for value in row) for row in data.itertuples(index=False)]

    def write(self, table, kind, path):
        data = self.table(table)
        data.to_csv(path, index=False) if kind == "csv" else data.to_parquet(path)


class PandasArrow(Pandas):
    backend = {"dtype_backend": "pyarrow"}

    def kind(self, data):
        kind = data.dtype.pyarrow_dtype if isinstance(data.dtype, pd.ArrowDtype) else None
        if kind is None:
            # The partition column, which `table` converts.
            return "date" if data.name in ("event_date", "session_date") else "text"
        return ARROW_KINDS[str(kind)]


ARROW_KINDS = {"string": "text", "int32": "int32", "int64": "int64", "double": "float", "bool": "bool",
               "timestamp[us, tz=UTC]": "timestamp", "date32[day]": "date"}

READERS = {"pandas": Pandas, "pandas-arrow": PandasArrow}
