"""The job in DuckDB for the CSV file of `formats.py`: read_csv, window functions, a partitioned COPY.

The file has fewer columns than the native lines, and names no chatbot.
"""

from job import COUNTED, Job

import duckdb

EVENTS = """
create table events as
with once as (select * from logs qualify row_number() over (partition by event_id order by "timestamp") = 1),
cut as (
    select *, coalesce("timestamp" - lag("timestamp") over neighbours > interval 30 minutes, false) as starts
    from once window neighbours as (partition by session_id order by "timestamp", event_id)
)
select * exclude starts, count(*) filter (starts) over (
    partition by session_id order by "timestamp", event_id rows unbounded preceding) as part
from cut
"""

SESSIONS = f"""
create table sessions as
select session_id, part, min(anonymous_id) anonymous_id, max(user_id) user_id,
    min("timestamp") started_at, max("timestamp") ended_at, count(*) event_count,
    {', '.join(f'arg_min({name}, "timestamp") {name}' for name in ("page_url", "referrer", "user_agent", "ip_address"))},
    {', '.join(f"count(*) filter (event_name = '{event}') {name}" for name, event in COUNTED.items())},
    sum(response_time_ms) filter (event_name = 'message_received') response_ms
from events group by session_id, part
"""

DAYS = """
create table days as
select started_at::date as day, count(*) total_sessions, count(distinct anonymous_id) unique_visitors,
    count(*) filter (messages_sent > 0) total_conversations, sum(messages_sent) messages_sent,
    sum(messages_received) messages_received, sum(epoch_ms(ended_at) - epoch_ms(started_at)) duration_ms,
    sum(widget_loads) widget_loads, sum(widget_opened) widget_opens, sum(response_ms) response_ms
from sessions group by all
"""


def main():
    """Runs the job."""
    db = duckdb.connect()
    job = Job()
    db.execute(f"set threads = {job.threads}; set preserve_insertion_order = false; set timezone = 'UTC'")
    db.execute("create table logs as select * from read_csv($files, types = {'timestamp': 'TIMESTAMP'})",
               {"files": job.files})
    job.step("read")
    db.execute(EVENTS)
    job.step("deduplicate and sessionize")
    db.execute(SESSIONS)
    job.step("sessions")
    db.execute(DAYS)
    job.step("days")
    for table, time in ("events", '"timestamp"'), ("sessions", "started_at"):
        db.execute(f"copy (select *, {time}::date as day from {table}) to '{job.output / table}' "
                   "(format parquet, compression zstd, partition_by (day))")
    db.execute(f"copy days to '{job.output / 'days.parquet'}' (format parquet, compression zstd)")
    job.step("write")
    job.done(*db.execute("select (select count(*) from events), (select count(*) from sessions)").fetchone())


main()
