"""Reader for pyarrow."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from cells import PARTITIONS
from summary import MISSING, summary

KINDS = {"string": "text", "int32": "int32", "int64": "int64", "double": "float", "bool": "bool",
         "timestamp[us, tz=UTC]": "timestamp", "date32[day]": "date"}


class PyArrow:
    version = pa.__version__

    def __init__(self, store):
        self.store = store

    def table(self, name, filter=None):
        column, kind = PARTITIONS[name]
        schema = pa.schema([(column, pa.date32() if kind == "date" else pa.string())])
        partitioning = ds.partitioning(schema, flavor="hive")
        return ds.dataset(self.store / name, partitioning=partitioning).to_table(filter=filter)

    def types(self, table):
        return {field.name: KINDS[str(field.type)] for field in self.table(table).schema}

    def count(self, table):
        return ds.dataset(self.store / table, partitioning="hive").count_rows()

    def sessions(self, first, last, bots=False):
        day = ds.field("session_date")
        return self.table("sessions", (ds.field("is_bot") == bots) & (day >= first) & (day <= last))

    def summary(self, first, last):
        data = self.sessions(first, last)
        id = tagged(data, "a anonymous_id", "u user_id", "s session_id")
        visitors = data.select(["chatbot_id"]).append_column("id", id)
        visitors = visitors.group_by(["chatbot_id", "id"]).aggregate([]).num_rows
        sums = [pc.sum(data[name]).as_py() for name in (
            "had_conversation", "messages_sent", "messages_received", "error_count", "duration_seconds",
            "response_time_sum_us", "response_time_count")]
        bots = self.sessions(first, last, bots=True).num_rows
        return summary([data.num_rows, visitors, *sums], self.new_visitors(first, last), bots)

    def trends(self, first, last):
        data = self.sessions(first, last)
        data = data.append_column("messages", pc.add(data["messages_sent"], data["messages_received"]))
        days = data.group_by("session_date").aggregate(
            [([], "count_all"), ("had_conversation", "sum"), ("messages", "sum")])
        return rows(days.sort_by("session_date"),
                    ["session_date", "count_all", "had_conversation_sum", "messages_sum"])

    def daily_stats(self, first, last):
        day = ds.field("stat_date")
        data = self.table("daily_stats", (day >= first) & (day <= last))
        messages = pc.add(data["total_messages_sent"], data["total_messages_received"])
        data = data.append_column("messages", messages)
        names = ["total_sessions", "total_conversations", "messages"]
        days = data.group_by("stat_date").aggregate([(name, "sum") for name in names])
        days = days.filter(pc.field("total_sessions_sum") > 0).sort_by("stat_date")
        return rows(days, ["stat_date", *(f"{name}_sum" for name in names)])

    def group(self, column, first, last):
        values = pc.fill_null(self.sessions(first, last)[column], MISSING.get(column, "unknown"))
        counts = pa.table({"value": values}).group_by("value").aggregate([([], "count_all")])
        counts = counts.sort_by([("count_all", "descending"), ("value", "ascending")])
        return rows(counts, ["value", "count_all"])

    def latest_events(self, count):
        data = self.table("events").sort_by([("timestamp", "descending"), ("id", "descending")])
        return rows(data.slice(0, count), ["timestamp", "event_name"])

    def events(self, first, last):
        events, sessions = self.table("events"), self.sessions(first, last)
        key = ["s session_id", "a anonymous_id", "u user_id"]
        events = events.append_column("key", tagged(events, *key)).select(
            ["chatbot_id", "key", "event_name", "timestamp"])
        sessions = sessions.append_column("key", tagged(sessions, *key)).select(
            ["chatbot_id", "key", "id", "started_at", "ended_at"])
        joined = events.join(sessions, ["chatbot_id", "key"], join_type="inner")
        joined = joined.filter((pc.field("timestamp") >= pc.field("started_at"))
                               & (pc.field("timestamp") <= pc.field("ended_at")))
        counts = joined.group_by("event_name").aggregate([("id", "count"), ("id", "count_distinct")])
        counts = counts.sort_by([("id_count", "descending"), ("event_name", "ascending")])
        return rows(counts, ["event_name", "id_count", "id_count_distinct"])

    def new_visitors(self, first, last):
        data = self.sessions(first, last)
        anonymous = pc.is_valid(data["anonymous_id"])
        known = pa.table({
            "chatbot_id": data["chatbot_id"],
            "id_kind": pc.if_else(anonymous, "anonymous", "user"),
            "visitor_id": pc.coalesce(data["anonymous_id"], data["user_id"]),
            "session_id": data["session_id"],
        })
        unknown = known.filter(pc.field("visitor_id").is_null())
        keys = unknown.group_by(["chatbot_id", "session_id"]).aggregate([])
        columns = ["chatbot_id", "id_kind", "visitor_id"]
        known = known.filter(pc.field("visitor_id").is_valid()).group_by(columns).aggregate([])
        joined = known.join(self.table("visitors"), columns, join_type="inner")
        days = pc.cast(joined["first_seen_at"], pa.date32())
        new = pc.and_(pc.greater_equal(days, pa.scalar(first)), pc.less_equal(days, pa.scalar(last)))
        return joined.filter(new).num_rows + keys.num_rows

    def join_names(self, names, first, last):
        names = pa.table({"chatbot_id": [name[0] for name in names], "name": [name[1] for name in names]})
        joined = names.join(self.sessions(first, last), "chatbot_id", join_type="inner")
        counts = joined.group_by("name").aggregate([([], "count_all")]).sort_by("name")
        return rows(counts, ["name", "count_all"])

    def write(self, table, kind, path):
        data = self.table(table)
        pyarrow.csv.write_csv(data, path) if kind == "csv" else pq.write_table(data, path)


def tagged(data, *columns):
    """Returns the first value that is not null, prefixed with the letter of its column."""
    columns = (column.split() for column in columns)
    return pc.coalesce(*(pc.binary_join_element_wise(letter, data[name], "") for letter, name in columns))


def rows(data, names):
    """Returns the rows of the named columns."""
    return list(zip(*(data[name].to_pylist() for name in names)))


READERS = {"pyarrow": PyArrow}
