"""Computes the expected values from the reports of `wa`."""

import json
import subprocess
from dataclasses import dataclass
from datetime import date, datetime

import cells

TABLES = ["events", "sessions", "daily_stats", "visitors"]
CLOCK = "2026-11-10T02:00:00Z"
"""A day after the end of the sample data."""
WINDOW = ["--days", "30", "--as-of", "latest"]


@dataclass
class Expected:
    """The results that every reader must find."""

    days: tuple
    """First and last day."""
    rows: dict
    """Number of rows by table."""
    summary: dict
    trends: list
    """Day, sessions, conversations and messages, by day."""
    groups: dict
    """For a column of `sessions`, the number of sessions by value, in descending order."""
    events: list
    """Event name, number of events and number of sessions, most frequent event first."""
    new_visitors: int
    latest: list
    """Time and name of the latest events, newest first."""
    names: list
    """A table to join with: the ids of two chatbots, each with a name."""
    names_with_sessions: list
    """Each of these names with its number of sessions."""
    cells: dict
    """All values by table, as pyarrow reads them."""


class Wa:
    """The program `wa` with a store."""

    def __init__(self, program, store):
        self.program = program
        self.store = store

    def run(self, *arguments):
        """Runs a command and returns its output."""
        command = [self.program, "--now", CLOCK, "--store", self.store, *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout

    def ingest(self, logs):
        """Ingests logs into the store in two runs, so that some partitions have two files."""
        self.run("ingest", "--quiet", *logs[::2])
        self.run("ingest", "--quiet", *logs[1::2])

    def report(self, name, *options):
        """Returns a report as JSON."""
        window = WINDOW if "--days" not in options else WINDOW[2:]
        return json.loads(self.run("report", name, *window, *options, "--format", "json"))

    def expected(self):
        """Returns the expected results."""
        summary = self.report("summary")
        first, last = (date.fromisoformat(summary[end]) for end in ("from", "to"))
        trends = [(date.fromisoformat(row["stat_date"]),
                   *(row[name] for name in ("sessions", "conversations", "messages")))
                  for row in self.report("trends")["trends"]]
        status = json.loads(self.run("status", "--format", "json"))
        events = [(row["event_name"], row["event_count"], row["unique_sessions"])
                  for row in self.report("events", "--limit", "100")["events"]]
        chatbots = ["city-library", "harbor-coffee"]
        sessions = [self.report("summary", "--chatbot", chatbot)["summary"]["total_sessions"]
                    for chatbot in chatbots]
        names = [(chatbot, chatbot.replace("-", " ").title()) for chatbot in chatbots]
        return Expected(
            days=(first, last),
            rows={table["table"]: table["rows"] for table in status["tables"]},
            summary=summary["summary"],
            # Omit days without sessions from `trends`.
            trends=[row for row in trends if row[1]],
            groups=self.groups(),
            events=ordered(events),
            new_visitors=self.report("visitors")["visitors"]["new_visitors"],
            latest=self.latest(25),
            names=names,
            names_with_sessions=[(name, count) for (_, name), count in zip(names, sessions)],
            cells={table: cells.read_store(self.store, table) for table in TABLES},
        )

    def groups(self):
        devices, sources = self.report("devices"), self.report("sources", "--limit", "100")
        countries = self.report("locations", "--limit", "100")["countries"]
        return {
            "device_type": ordered((row["type"], row["count"]) for row in devices["devices"]),
            "browser_name": ordered((row["name"], row["count"]) for row in devices["browsers"]),
            "referrer_domain": ordered((row["domain"], row["count"]) for row in sources["referrers"]),
            "channel": ordered((row["channel"], row["count"]) for row in sources["channels"]),
            "utm_source": ordered((row["source"], row["count"]) for row in sources["utm_sources"]),
            "country_code": ordered((row["country_code"], row["sessions"]) for row in countries),
        }

    def latest(self, count):
        lines = self.run("events", *WINDOW, "--limit", str(count), "--format", "ndjson").splitlines()
        events = [json.loads(line) for line in lines]
        return [(datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")), event["event_name"])
                for event in events]


def ordered(rows):
    """Sorts rows of a name and counts by descending count, then by name."""
    return sorted(rows, key=lambda row: (-row[1], row[0]))
