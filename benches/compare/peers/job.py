"""The common part of the peers: arguments, steps, and the JSON line at the end.

    python3 peers/duckdb_peer.py OUTPUT-FOLDER THREADS FILE…

Each peer reads the logs, drops duplicate events, splits sessions at gaps of more than 30 minutes,
and aggregates sessions and days. It writes events, sessions and days as Parquet with Zstandard;
events and sessions are partitioned by day. Each peer uses idiomatic code and works in memory,
without a database on disk.
"""

import json
import shutil
import sys
import time
from pathlib import Path

TEXTS = ["session_id", "anonymous_id", "user_id", "event_name", "event_category", "page_url", "page_title", "referrer",
         "landing_page", "user_agent", "ip_address", "utm_source", "utm_medium", "utm_campaign"]
"""The text fields of the workload. Ids and times may have other types."""

PROPERTIES = {"load_time_ms": int, "response_time_ms": int, "message_length": int, "fields": int, "rating": int,
              "code": int, "triggered_by": str, "source": str, "label": str, "message": str}
"""All keys of `properties` in the workload, for peers that need a schema."""

COUNTED = {"messages_sent": "message_sent", "messages_received": "message_received", "widget_loads": "widget_loaded",
           "widget_opened": "widget_opened", "widget_minimized": "widget_minimized", "page_views": "page_viewed"}
"""The counters of a session, and the events that they count."""

FIRSTS = ["referrer", "landing_page", "utm_source", "utm_medium", "utm_campaign", "user_agent", "ip_address"]
"""The columns of a session that come from its first event."""


class Job:
    """One run of a peer: output folder, threads, input files, and the time of each step."""

    def __init__(self):
        output, threads, *self.files = sys.argv[1:]
        self.output = Path(output).absolute()
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir(parents=True)
        self.threads = int(threads)
        self.steps = {}
        self.began = self.last = time.perf_counter()
        self.cpu_began = time.process_time()

    def step(self, name):
        """Records the time since the last step."""
        now = time.perf_counter()
        self.steps[name], self.last = round(now - self.last, 3), now

    def done(self, events, sessions):
        """Prints the result."""
        seconds = self.last - self.began
        size = sum(file.stat().st_size for file in self.output.rglob("*.parquet"))
        print(json.dumps({"events": int(events), "sessions": int(sessions), "seconds": round(seconds, 3),
                          "cpu_seconds": round(time.process_time() - self.cpu_began, 3), "bytes": size,
                          "steps": self.steps}))
