"""The job in Polars: a lazy scan, a sort, a cumulative sum of gaps, grouped aggregates."""

import os
import sys

os.environ["POLARS_MAX_THREADS"] = sys.argv[2]  # read when Polars is imported

from job import COUNTED, FIRSTS, PROPERTIES, TEXTS, Job

import polars as pl

KINDS = {int: pl.Int64, str: pl.String}
TIMES = ["timestamp", "client_timestamp"]
# A struct of all keys, because text would have to be parsed again for the response times.
SCHEMA = dict.fromkeys(["id", "chatbot_id", *TEXTS, *TIMES], pl.String) | {
    "screen_width": pl.Int32, "screen_height": pl.Int32,
    "properties": pl.Struct({name: KINDS[kind] for name, kind in PROPERTIES.items()}),
}
KEY = ["chatbot_id", "session_id"]


def read(job):
    """Reads the logs into a data frame."""
    times = pl.col(TIMES).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="us", time_zone="UTC")
    return pl.scan_ndjson(job.files, schema=SCHEMA).with_columns(times).collect()


def cut(logs):
    """Drops duplicates and numbers the sessions of each key."""
    pause = pl.col("timestamp") - pl.col("timestamp").shift(1)
    part = (pause > pl.duration(minutes=30)).fill_null(False).cum_sum().over(KEY)
    return logs.unique("id").sort(*KEY, "timestamp", "id").with_columns(part=part)


def sum_up_sessions(events):
    """Aggregates sessions; the events are sorted by session."""
    return events.group_by(*KEY, "part").agg(
        pl.col("anonymous_id").min(), pl.col("user_id").max(),
        pl.col("timestamp").min().alias("started_at"), pl.col("timestamp").max().alias("ended_at"),
        pl.len().alias("event_count"), pl.col(FIRSTS).first(), pl.col("screen_width", "screen_height").max(),
        *[(pl.col("event_name") == event).sum().alias(name) for name, event in COUNTED.items()],
        (pl.col("event_category") == "error").sum().alias("error_count"),
        pl.col("properties").struct.field("response_time_ms").sum().alias("response_ms"),
    )


def sum_up_days(sessions):
    """Aggregates days."""
    return sessions.group_by("chatbot_id", pl.col("started_at").dt.date().alias("day")).agg(
        pl.len().alias("total_sessions"), pl.col("anonymous_id").n_unique().alias("unique_visitors"),
        (pl.col("messages_sent") > 0).sum().alias("total_conversations"),
        pl.col("messages_sent", "messages_received", "widget_loads", "widget_opened", "response_ms", "error_count").sum(),
        (pl.col("ended_at") - pl.col("started_at")).sum().alias("duration"),
    )


def write(frame, folder, time):
    """Writes a data frame, one file per day."""
    days = frame.with_columns(day=pl.col(time).dt.date()).partition_by("day", as_dict=True, include_key=False)
    for (day,), part in days.items():
        target = folder / f"day={day}"
        target.mkdir(parents=True)
        part.write_parquet(target / "0.parquet", compression="zstd")


def main():
    """Runs the job."""
    job = Job()
    logs = read(job)
    job.step("read")
    events = cut(logs)
    del logs
    job.step("deduplicate and sessionize")
    sessions = sum_up_sessions(events)
    job.step("sessions")
    days = sum_up_days(sessions)
    job.step("days")
    write(events, job.output / "events", "timestamp")
    write(sessions, job.output / "sessions", "started_at")
    days.write_parquet(job.output / "days.parquet", compression="zstd")
    job.step("write")
    job.done(events.height, sessions.height)


main()
