"""Measures how long mapped formats take per byte, compared with native lines.

    python3 formats.py WA FOLDER [--events 200000] [--runs 3] [--reader PROGRAM]

Writes the events of the workload in the formats of PostHog, Segment, GA4 and nginx, and as CSV, and
ingests each format into a new store. `nginx_native` has the entries of nginx as native lines, which
no map reads: it shows how much of the time depends on the contents. The table shows the medians of
the CPU time of all threads and of the wall time, and the CPU time per byte compared with native
lines. The target is at most 1.5 for the formats in JSON.

If the module `duckdb` is installed, DuckDB reads the CSV file too, in turn with `wa`: it counts the
values of all columns, and stores the rows in a table in memory and in a file. It also does the whole
job of `wa ingest`, see `peers/duckdb_csv_peer.py`; both must find the same number of events and
sessions. Python's startup is not measured.

`--reader` names the example program `read_events` of `wa`, which reads a file up to the rows of the
events, without sessions and a store. The table then also shows its times for all formats.
"""

import argparse
import csv
import importlib.util
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from programs import rows

HERE = Path(__file__).resolve().parent
JOB = "duckdb: whole job"
MAP = """reader = "csv"
[event]
event_name = "/event_name"
event_id = "/event_id"
timestamp = "/timestamp"
session_id = "/session_id"
anonymous_id = "/anonymous_id"
user_id = "/user_id"
page_url = "/page_url"
referrer = "/referrer"
user_agent = "/user_agent"
ip_address = "/ip_address"
[properties]
response_time_ms = "/response_time_ms"
"""
# Arguments: the database, the file and the statement. Prints the CPU time and the wall time.
DUCKDB = """
import sys, time, duckdb
start = time.process_time(), time.monotonic()
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("SET enable_progress_bar = false")
    connection.execute(sys.argv[3].format(file=sys.argv[2])).fetchall()
print(time.process_time() - start[0], time.monotonic() - start[1])
"""
DUCKDB_STATEMENTS = {
    "duckdb: count of all columns": (":memory:", "SELECT count(COLUMNS(*)) FROM read_csv('{file}')"),
    "duckdb: table in memory": (":memory:", "CREATE TABLE t AS SELECT * FROM read_csv('{file}')"),
    "duckdb: table in a file": ("file", "CREATE TABLE t AS SELECT * FROM read_csv('{file}')"),
}
COLUMNS = ["event_name", "event_id", "timestamp", "session_id", "anonymous_id", "user_id", "page_url", "referrer",
           "user_agent", "ip_address", "response_time_ms"]


def field(event, name, default=None):
    """Returns the value of a field whose key is in snake case or camel case."""
    camel = "".join(part.title() if i else part for i, part in enumerate(name.split("_")))
    return event.get(name, event.get(camel, default))


def micros(event):
    """Returns the time of an event in microseconds."""
    value = field(event, "timestamp") or field(event, "received_at") or field(event, "client_timestamp")
    if isinstance(value, (int, float)):
        return int(value * 1000) if value > 1e11 else int(value * 1_000_000)
    return int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() * 1_000_000)


def iso(at):
    time = datetime.fromtimestamp(at / 1e6, timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at // 1000 % 1000:03d}Z"


def posthog(event, at, number):
    properties = {
        "$current_url": field(event, "page_url"), "$session_id": field(event, "session_id"),
        "$device_id": field(event, "anonymous_id"), "$raw_user_agent": field(event, "user_agent"),
        "$referrer": field(event, "referrer") or "$direct", "$lib": "web", "$lib_version": "1.290.0",
        "$os": "Windows", "$browser": "Chrome", "$browser_version": 142, "$host": "shop.example.com",
        "$screen_width": 1920, "$screen_height": 1080, "$ip": field(event, "ip_address"), "$time": at / 1e6,
        "title": field(event, "page_title"), "token": "phc_EXAMPLE", **(event.get("properties") or {})}
    return {"uuid": f"01a1aaef-ba80-7b85-88c0-{number:012x}", "event": field(event, "event_name"),
            "properties": properties, "distinct_id": field(event, "anonymous_id") or f"u{number}",
            "person_id": "0d5faba3-8605-5135-803c-a55c83245744", "timestamp": iso(at), "created_at": iso(at + 1000)}


def segment(event, at, number):
    page = {"url": field(event, "page_url"), "title": field(event, "page_title"), "referrer": field(event, "referrer"),
            "path": "/plants", "search": ""}
    return {"anonymousId": field(event, "anonymous_id") or f"a{number}", "channel": "client",
            "context": {"ip": field(event, "ip_address"), "library": {"name": "analytics.js", "version": "next-1.81.0"},
                        "locale": "en-GB", "page": page, "sessionId": 1793696400, "timezone": "Europe/Berlin",
                        "userAgent": field(event, "user_agent")},
            "integrations": {}, "messageId": f"ajs-next-{number:032x}", "originalTimestamp": iso(at),
            "projectId": "pEXAMPLE0001", "receivedAt": iso(at + 180_000), "sentAt": iso(at + 160_000),
            "timestamp": iso(at), "type": "track", "event": field(event, "event_name"),
            "userId": field(event, "user_id"), "version": 2, "properties": event.get("properties") or {}}


def ga4(event, at, number):
    texts = {"page_location": field(event, "page_url"), "page_title": field(event, "page_title"),
             "page_referrer": field(event, "referrer")}
    parameters = [{"key": "ga_session_id", "value": {"int_value": str(abs(hash(field(event, "session_id"))) % 10**10)}},
                  {"key": "ga_session_number", "value": {"int_value": "1"}}]
    parameters += [{"key": key, "value": {"string_value": value}} for key, value in texts.items() if value]
    return {"event_date": "20260101", "event_timestamp": str(at), "event_name": field(event, "event_name"),
            "event_params": parameters, "event_bundle_sequence_id": str(number),
            "user_pseudo_id": field(event, "anonymous_id") or f"a{number}",
            "privacy_info": {"analytics_storage": "Yes", "ads_storage": "Yes", "uses_transient_token": "No"},
            "user_properties": [], "user_ltv": {"revenue": 0.0, "currency": "EUR"},
            "device": {"category": "desktop", "operating_system": "Windows", "language": "en-gb",
                       "web_info": {"browser": "Chrome", "browser_version": "142.0.0.0", "hostname": "shop.example.com"}},
            "geo": {"city": "Bremen", "country": "Germany", "continent": "Europe", "region": "(not set)"},
            "stream_id": "5550001111", "platform": "WEB", "items": [], "is_active_user": True,
            "batch_event_index": str(number), "batch_page_id": str(at), "batch_ordering_id": "1"}


def nginx(event, at, number):
    page = urlsplit(field(event, "page_url") or "/")
    path = (page.path or "/") + ("?" + page.query if page.query else "")
    return {"time_iso8601": iso(at), "msec": f"{at / 1e6:.3f}", "request_id": f"{number:032x}",
            "remote_addr": "192.0.2.1", "http_x_forwarded_for": field(event, "ip_address") or "192.0.2.7",
            "request_method": "GET", "request_uri": path, "host": "shop.example.com", "status": "200",
            "body_bytes_sent": "5120", "request_time": "0.012", "http_referer": field(event, "referrer") or "",
            "http_user_agent": field(event, "user_agent") or "Mozilla/5.0"}


def nginx_native(event, at, number):
    """Returns the entry of `nginx` as a native line, with the other fields under names that match no map."""
    entry = nginx(event, at, number)
    columns = {"event_id": entry.pop("request_id"), "timestamp": float(entry.pop("msec")),
               "ip_address": entry.pop("http_x_forwarded_for"), "user_agent": entry.pop("http_user_agent"),
               "referrer": entry.pop("http_referer"), "event_name": "page_view",
               "page_url": f"https://{entry['host']}{entry['request_uri']}"}
    return {**columns, **{f"x_{name}": value for name, value in entry.items()}}


FORMATS = {"posthog": posthog, "segment": segment, "ga4": ga4, "nginx": nginx, "nginx_native": nginx_native}


def write(folder, events):
    """Writes the workload in each format. Returns the files."""
    native = folder / "native"
    subprocess.run([sys.executable, HERE / "workload.py", native, "--events", str(events)], check=True)
    files = {name: [folder / f"{name}.ndjson"] for name in FORMATS} | {"csv": [folder / "csv.csv"]}
    files["native"] = sorted(native.glob("*.ndjson"))
    out = {name: open(paths[0], "w") for name, paths in files.items() if name != "native"}
    rows = csv.writer(out["csv"])
    rows.writerow(COLUMNS)
    number = 0
    for path in files["native"]:
        for line in open(path):
            event = json.loads(line)
            at, number = micros(event), number + 1
            for name, convert in FORMATS.items():
                out[name].write(json.dumps(convert(event, at, number), separators=(",", ":")) + "\n")
            values = [field(event, name) for name in COLUMNS]
            values[1], values[2] = f"r-{number}", iso(at)
            values[-1] = (event.get("properties") or {}).get("response_time_ms")
            rows.writerow(["" if value is None else value for value in values])
    for file in out.values():
        file.close()
    (folder / "map.toml").write_text(MAP)
    return files


def measure_ingest(wa, folder, name, paths):
    """Returns the CPU time and the wall time of an ingest into a new store, in seconds."""
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    return measure([wa, "--store", store, "--quiet", "ingest", "--chatbot", "b", *map_of(folder, name), *paths])


def map_of(folder, name):
    """Returns the options for the map of a format."""
    return ["--map", folder / "map.toml"] if name == "csv" else []


def measure(command):
    """Returns the CPU time and the wall time of a program, in seconds."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def measure_duckdb(folder, name, path):
    """Returns the CPU time and the wall time of a statement, in seconds."""
    database, statement = DUCKDB_STATEMENTS[name]
    if database == "file":
        database = folder / "duckdb.db"
        database.unlink(missing_ok=True)
    command = [sys.executable, "-c", DUCKDB, database, path, statement]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    cpu, wall = map(float, output.split())
    return cpu, wall


def measure_job(folder, path):
    """Returns the CPU time and the wall time of DuckDB for the whole job, in seconds.

    Checks the numbers of events and sessions against the store of the last ingest (the CSV file).
    """
    command = [sys.executable, HERE / "peers" / "duckdb_csv_peer.py", folder / "duckdb", "2", path]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    stored = rows(folder / "store")
    if (found["events"], found["sessions"]) != (stored["events"], stored["sessions"]):
        sys.exit(f"DuckDB found {found['events']} events and {found['sessions']} sessions, and wa {stored}")
    return found["cpu_seconds"], found["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wa", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--reader", type=Path)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    files = write(folder, options.events)
    duckdb = list(DUCKDB_STATEMENTS) if importlib.util.find_spec("duckdb") else []
    readers = {f"read: {name}": name for name in files} if options.reader else {}
    jobs = [JOB] if duckdb else []
    times = {name: [] for name in [*files, *readers, *duckdb, *jobs]}
    # The programs alternate, so that slow phases of the machine affect all of them.
    for _ in range(options.runs):
        for name, paths in files.items():
            times[name].append(measure_ingest(options.wa.resolve(), folder, name, paths))
            if name == "csv" and jobs:
                times[JOB].append(measure_job(folder, paths[0]))
        for label, name in readers.items():
            command = [options.reader.resolve(), *map_of(folder, name), *files[name]]
            times[label].append(measure(command))
        for name in duckdb:
            times[name].append(measure_duckdb(folder, name, files["csv"][0]))
    shutil.rmtree(folder / "store", ignore_errors=True)
    shutil.rmtree(folder / "duckdb", ignore_errors=True)
    size = {name: sum(path.stat().st_size for path in paths) / 1e6 for name, paths in files.items()}
    size |= dict.fromkeys([*duckdb, *jobs], size["csv"]) | {label: size[name] for label, name in readers.items()}
    median = {name: [statistics.median(each) for each in zip(*runs)] for name, runs in times.items()}
    native = median["native"][0] / size["native"]
    print(f"{'':28} {'MB':>7} {'CPU s':>7} {'wall s':>7} {'per byte':>8}")
    for name, (cpu, wall) in sorted(median.items()):
        print(f"{name:28} {size[name]:7.1f} {cpu:7.2f} {wall:7.2f} {cpu / size[name] / native:8.2f}")


if __name__ == "__main__":
    main()
