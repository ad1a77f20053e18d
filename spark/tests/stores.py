"""Stores, `wa`, and random logs for the tests."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
WA = os.environ.get("WA", ROOT / "target/release/wa")
TABLES = ["events", "sessions", "daily_stats", "visitors"]
NIGHT = 86_400_000_000
# 2026-12-01T02:00:00Z, after all events.
NOW = 1_796_090_400_000_000


def create(folder, toml='timezone = "Europe/Berlin"\n'):
    """Creates an empty store with a fixed key, so that two stores derive the same ids."""
    folder.mkdir(parents=True)
    (folder / "wa.toml").write_text(toml)
    key = folder / "key"
    key.write_text(bytes(range(32)).hex())
    key.chmod(0o600)
    return folder


def wa(store, *arguments, now=NOW):
    """Runs `wa`, and returns its output. Rejected lines are not a failure."""
    time = __import__("datetime").datetime.fromtimestamp(now / 1e6, __import__("datetime").timezone.utc)
    command = [WA, "--now", time.strftime("%Y-%m-%dT%H:%M:%SZ"), "--store", store, *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in (0, 4):
        raise AssertionError(f"{command}: {result.stderr}")
    return result.stdout


def rows(store, table):
    """Returns the rows of a table as JSON strings, sorted."""
    found = []
    for path in sorted(store.glob(f"{table}/*/*.parquet")):
        partition = path.parent.name
        for row in pq.ParquetFile(path).read().to_pylist():
            found.append(json.dumps([partition, row], default=str, sort_keys=True))
    return sorted(found)


def rejects(store):
    """Returns the rejected lines, sorted."""
    lines = [line for path in store.glob("rejects/*.ndjson") for line in path.read_text().splitlines()]
    return sorted(lines)


def sources(store):
    """Returns the entries of the source registry, sorted by path.

    Omits the status of the files, which is recorded only if the file is older than the ingest.
    """
    manifest = json.loads((store / "manifest.json").read_text())["manifest"]
    files = json.loads((store / manifest["sources"]["path"]).read_text())["files"]
    files = [{key: value for key, value in file.items() if key != "status"} for file in files]
    return sorted(files, key=lambda file: file["path"])


def sample_logs():
    """Returns the sample data."""
    return sorted(str(path) for path in (ROOT / "sample-data").glob("*.ndjson*"))


def format_logs():
    """Returns a log of each format and wrapping, and damaged logs."""
    return [str(ROOT / folder) for folder in ("tests/data/formats", "tests/data/wrappings", "sample-data/bad")]


def workload_logs(folder):
    """Writes a small workload of the benchmarks, and returns its files by night."""
    program = ROOT / "benches/compare/workload.py"
    command = [sys.executable, program, folder, "--events", "2000", "--days", "4"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    files = sorted(str(path) for path in folder.glob("*.ndjson"))
    return [files[:2], files[2:]]


def random_logs(folder, seed, nights=3, events=1500):
    """Writes the logs of several nights, and returns their files by night.

    Sessions continue from file to file and from night to night, events are repeated and late, and
    many lines have no id.
    """
    rng = random.Random(seed)
    start = NOW // 1_000_000 - (nights + 5) * 86_400
    lines = [[] for _ in range(nights)]
    clocks = {}
    for number in range(events):
        visitor = rng.randrange(40)
        night = min(number * nights // events, nights - 1)
        clock = clocks.get(visitor, start)
        # A gap of exactly the session timeout does not split a session.
        clock += rng.choice([0, 1, 60, 1799, 1800, 1801, 9000])
        if clock < start + night * 86_400:
            clock = start + night * 86_400 + rng.randrange(3600)
        clocks[visitor] = clock
        event = {
            "chatbot_id": f"bot-{visitor % 3}",
            "event_name": rng.choice(["widget_loaded", "widget_opened", "message_sent", "message_received"]),
            "timestamp": clock,
            "page_url": f"https://shop.example/{rng.randrange(5)}?utm_source=s{rng.randrange(3)}",
        }
        if visitor % 4:
            event["session_id"] = f"s-{visitor}"
        if visitor % 2:
            event["anonymous_id"] = f"v-{visitor // 2}"
        if visitor % 5 == 0 or len(event) == 4:
            event["user_id"] = f"u-{visitor}"
        if rng.random() < 0.5:
            event["event_id"] = f"e-{number}"
        if rng.random() < 0.2:
            event["user_agent"] = rng.choice(["Mozilla/5.0 (iPhone) Safari/604.1", "Googlebot/2.1", "curl/8.0"])
        if event["event_name"] == "message_received":
            event["properties"] = {"response_time_ms": rng.randrange(5000)}
        line = json.dumps(event)
        # Late events arrive the next night.
        arrival = min(night + 1, nights - 1) if rng.random() < 0.1 else night
        lines[arrival].append(line)
        if rng.random() < 0.1:
            lines[min(arrival + 1, nights - 1)].append(line)
        if rng.random() < 0.02:
            lines[arrival].append('{"event_name": "no key"}')
    files = []
    for night, of_night in enumerate(lines):
        rng.shuffle(of_night)
        paths = [folder / f"night-{night}-{part}.ndjson" for part in range(3)]
        for part, path in enumerate(paths):
            path.write_text("".join(line + "\n" for line in of_night[part::3]))
        files.append([str(path) for path in paths])
    return files
