"""What the peers have in common: arguments, steps, the line of JSON at the end.

    python3 peers/duckdb_peer.py OUTPUT-FOLDER THREADS FILE…

Each reads the logs, drops events that came twice, cuts sessions at gaps of more than 30 minutes,
sums up sessions and days, and writes events, sessions and days as Parquet with Zstandard, the first
two partitioned by day. Each is written the way its own manual would have it, in memory, without a
detour over a database on disk.
"""

import json
import shutil
import sys
import time
from pathlib import Path

TEXTS = ["session_id", "anonymous_id", "user_id", "event_name", "event_category", "page_url", "page_title", "referrer",
         "landing_page", "user_agent", "ip_address", "utm_source", "utm_medium", "utm_campaign"]
"""The fields of the workload that are text (ids and times may have types of their own)."""

PROPERTIES = {"load_time_ms": int, "response_time_ms": int, "message_length": int, "fields": int, "rating": int,
              "code": int, "triggered_by": str, "source": str, "label": str, "message": str}
"""Every key of `properties` in the workload, for those that want to know before they read."""

COUNTED = {"messages_sent": "message_sent", "messages_received": "message_received", "widget_loads": "widget_loaded",
           "widget_opened": "widget_opened", "widget_minimized": "widget_minimized", "page_views": "page_viewed"}
"""The counters of a session, and the event that each counts."""

FIRSTS = ["referrer", "landing_page", "utm_source", "utm_medium", "utm_campaign", "user_agent", "ip_address"]
"""What a session takes from its first event."""


class Job:
    """One run of a peer: where to, how many threads, from what, and how long each step took."""

    def __init__(self):
        output, threads, *self.files = sys.argv[1:]
        self.output = Path(output).absolute()
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir(parents=True)
        self.threads = int(threads)
        self.steps = {}
        self.began = self.last = time.perf_counter()

    def step(self, name):
        """Books the time since the last step."""
        now = time.perf_counter()
        self.steps[name], self.last = round(now - self.last, 3), now

    def done(self, events, sessions):
        """Prints what came of it."""
        seconds = self.last - self.began
        size = sum(file.stat().st_size for file in self.output.rglob("*.parquet"))
        print(json.dumps({"events": int(events), "sessions": int(sessions), "seconds": round(seconds, 3),
                          "bytes": size, "steps": self.steps}))
