"""The job in DuckDB: read_json, window functions, a partitioned COPY."""

from job import COUNTED, FIRSTS, TEXTS, Job

import duckdb

TYPES = {"id": "UUID", "chatbot_id": "UUID", "properties": "JSON", "timestamp": "TIMESTAMP", "client_timestamp": "TIMESTAMP",
         "screen_width": "INTEGER", "screen_height": "INTEGER"} | dict.fromkeys(TEXTS, "VARCHAR")

EVENTS = """
create table events as
with once as (select * from logs qualify row_number() over (partition by id order by "timestamp") = 1),
cut as (
    select *, coalesce("timestamp" - lag("timestamp") over neighbours > interval 30 minutes, false) as starts
    from once window neighbours as (partition by chatbot_id, session_id order by "timestamp", id)
)
select * exclude starts, count(*) filter (starts) over (
    partition by chatbot_id, session_id order by "timestamp", id rows unbounded preceding) as part
from cut
"""

SESSIONS = f"""
create table sessions as
select chatbot_id, session_id, part, min(anonymous_id) anonymous_id, max(user_id) user_id,
    min("timestamp") started_at, max("timestamp") ended_at, count(*) event_count,
    {', '.join(f'arg_min({name}, "timestamp") {name}' for name in FIRSTS)},
    max(screen_width) screen_width, max(screen_height) screen_height,
    {', '.join(f"count(*) filter (event_name = '{event}') {name}" for name, event in COUNTED.items())},
    count(*) filter (event_category = 'error') error_count,
    sum((properties->>'response_time_ms')::bigint) filter (event_name = 'message_received') response_ms
from events group by chatbot_id, session_id, part
"""

DAYS = """
create table days as
select chatbot_id, started_at::date as day, count(*) total_sessions, count(distinct anonymous_id) unique_visitors,
    count(*) filter (messages_sent > 0) total_conversations, sum(messages_sent) messages_sent,
    sum(messages_received) messages_received, sum(epoch_ms(ended_at) - epoch_ms(started_at)) duration_ms,
    sum(widget_loads) widget_loads, sum(widget_opened) widget_opens, sum(response_ms) response_ms,
    sum(error_count) error_count
from sessions group by all
"""


def read(db, job):
    """Reads the logs into a table."""
    columns = ", ".join(f'"{name}": \'{kind}\'' for name, kind in TYPES.items())
    db.execute("create table logs as select * from "
               f"read_json($files, format = 'newline_delimited', columns = {{{columns}}})", {"files": job.files})


def write(db, job):
    """Writes the tables."""
    for table, time in ("events", '"timestamp"'), ("sessions", "started_at"):
        db.execute(f"copy (select *, {time}::date as day from {table}) to '{job.output / table}' "
                   "(format parquet, compression zstd, partition_by (day))")
    db.execute(f"copy days to '{job.output / 'days.parquet'}' (format parquet, compression zstd)")


def main():
    """Runs the job."""
    db = duckdb.connect()
    job = Job()
    db.execute(f"set threads = {job.threads}; set preserve_insertion_order = false")
    read(db, job)
    job.step("read")
    db.execute(EVENTS)
    job.step("deduplicate and sessionize")
    db.execute(SESSIONS)
    job.step("sessions")
    db.execute(DAYS)
    job.step("days")
    write(db, job)
    job.step("write")
    job.done(*db.execute("select (select count(*) from events), (select count(*) from sessions)").fetchone())


main()
