"""The job in ClickHouse (chdb): in-memory tables, window functions, a partitioned INSERT."""

import os
import shutil
import tempfile
import time

from job import COUNTED, FIRSTS, TEXTS, Job

from chdb import session

LOW = {"event_name", "event_category", "page_url", "page_title", "referrer", "landing_page", "user_agent",
       "utm_source", "utm_medium", "utm_campaign"}
TYPES = {"id": "UUID", "chatbot_id": "UUID", "properties": "String", "timestamp": "DateTime64(3, 'UTC')",
         "client_timestamp": "DateTime64(3, 'UTC')", "screen_width": "UInt16", "screen_height": "UInt16"} | {
             name: "LowCardinality(String)" if name in LOW else "String" for name in TEXTS}

EVENTS = """
create table w.events engine = Memory as
select * except (starts), sum(starts) over (
    partition by chatbot_id, session_id order by timestamp, id rows between unbounded preceding and current row) as part
from (
    select *, toUnixTimestamp64Milli(timestamp) - toUnixTimestamp64Milli(lagInFrame(timestamp, 1, timestamp) over (
        partition by chatbot_id, session_id order by timestamp, id
        rows between unbounded preceding and unbounded following)) > 1800000 as starts
    from (select * from w.logs limit 1 by id)
)
"""

SESSIONS = f"""
create table w.sessions engine = Memory as
select chatbot_id, session_id, part, min(anonymous_id) as anonymous_id, max(user_id) as user_id,
    min(timestamp) as started_at, max(timestamp) as ended_at, count() as event_count,
    {', '.join(f'argMin({name}, timestamp) as {name}' for name in FIRSTS)},
    max(screen_width) as screen_width, max(screen_height) as screen_height,
    {', '.join(f"countIf(event_name = '{event}') as {name}" for name, event in COUNTED.items())},
    countIf(event_category = 'error') as error_count,
    sumIf(JSONExtractUInt(properties, 'response_time_ms'), event_name = 'message_received') as response_ms
from w.events group by chatbot_id, session_id, part
"""

DAYS = """
create table w.days engine = Memory as
select chatbot_id, toDate(started_at) as day, count() as total_sessions, uniqExact(anonymous_id) as unique_visitors,
    countIf(messages_sent > 0) as total_conversations, sum(messages_sent) as messages_sent_sum,
    sum(messages_received) as messages_received_sum,
    sum(toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at)) as duration_ms,
    sum(widget_loads) as widget_loads_sum, sum(widget_opened) as widget_opens_sum, sum(response_ms) as response_ms_sum,
    sum(error_count) as error_count_sum
from w.sessions group by chatbot_id, day
"""


class Database:
    """A chdb session with a limited number of threads."""

    def __init__(self, threads, folder):
        self.session = session.Session(folder)
        self.settings = (f" settings max_threads = {threads}, max_insert_threads = {threads}, "
                         "date_time_input_format = 'best_effort', input_format_json_read_objects_as_strings = 1, "
                         "output_format_parquet_compression_method = 'zstd'")

    def run(self, sql):
        """Runs a statement with the settings."""
        return self.session.query(sql + self.settings)


def read(db, files):
    """Reads the logs into a table."""
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items()).replace("'", "\\'")
    folder = os.path.commonpath(files) if len(files) > 1 else os.path.dirname(files[0])
    names = ",".join(os.path.relpath(file, folder) for file in files)
    db.run(f"create table w.logs engine = Memory as select * from file('{folder}/{{{names}}}', 'JSONEachRow', '{columns}')")


def write(db, output):
    """Writes the tables."""
    for table, at in ("events", "timestamp"), ("sessions", "started_at"):
        (output / table).mkdir()
        db.run(f"insert into function file('{output}/{table}/{{_partition_id}}.parquet', 'Parquet') "
               f"partition by toDate({at}) select * from w.{table}")
    db.run(f"insert into function file('{output}/days.parquet', 'Parquet') select * from w.days")


def main():
    """Runs the job."""
    job = Job()
    folder = tempfile.mkdtemp()
    db = Database(job.threads, folder)
    db.session.query("create database w engine = Atomic")
    # Starting the server's threads is not part of the job.
    job.began = job.last = time.perf_counter()
    read(db, job.files)
    job.step("read")
    db.run(EVENTS)
    job.step("deduplicate and sessionize")
    db.run(SESSIONS)
    job.step("sessions")
    db.run(DAYS)
    job.step("days")
    write(db, job.output)
    job.step("write")
    counts = db.session.query("select (select count() from w.events), (select count() from w.sessions)", "CSV")
    job.done(*str(counts).strip().split(","))
    db.session.close()
    shutil.rmtree(folder, ignore_errors=True)


main()
