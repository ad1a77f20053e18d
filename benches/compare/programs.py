"""The compared programs: `wa` and the installed peers."""

import json
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, Measured, run, run_well, size

HERE = Path(__file__).resolve().parent
PEERS = {"DuckDB": ("duckdb", "duckdb_peer.py"), "Polars": ("polars", "polars_peer.py"),
         "ClickHouse (chdb)": ("chdb", "clickhouse_peer.py")}
"""The Python module and the script of each peer."""


@dataclass
class Result:
    """The result of one run of the job."""

    events: int
    sessions: int
    seconds: float
    """Seconds of the whole process for `wa`; for a peer, seconds after the import of its library."""
    bytes: int
    measured: Measured


class Wa:
    """The program `wa`."""

    name = "wa"

    def __init__(self, path, about):
        self.path = path
        self.about = about

    def command(self, store, *arguments):
        """Returns a command line with the clock set to the end of the workload."""
        return [self.path, "--now", self.about["end"], "--store", store, *arguments]

    def ingest(self, store, files, folder, *options):
        """Ingests logs into a store and measures it."""
        return run_well(self.command(store, "ingest", "--quiet", *options, *files), folder)

    def job(self, files, output, folder):
        """Runs the job."""
        store = output / "store"
        measured = self.ingest(store, files, folder)
        counts = rows(store)
        return Result(counts["events"], counts["sessions"], measured.seconds, size(store, "*.parquet"), measured)


class Peer:
    """Another program for the same job."""

    def __init__(self, name, version, python, threads):
        self.name = f"{name} {version}"
        self.script = HERE / "peers" / PEERS[name][1]
        self.python = python
        self.threads = threads

    def job(self, files, output, folder):
        """Runs the job."""
        measured = run_well([self.python, self.script, output / "tables", self.threads, *files], folder)
        told = json.loads(measured.out.strip().splitlines()[-1])
        return Result(told["events"], told["sessions"], told["seconds"], told["bytes"], measured)


def installed(python, threads, folder):
    """Returns the installed peers, and a message for each missing peer."""
    peers, missing = [], []
    for name, (module, _) in PEERS.items():
        found = run([python, "-c", f"import {module}; print({module}.__version__)"], folder)
        if found.status == 0:
            peers.append(Peer(name, found.out.strip(), python, threads))
        else:
            missing.append(f"{name} is skipped: {python} has no module `{module}` (pip install {module}).")
    return peers, missing


def tables(store):
    """Returns the files of each table from a store's manifest."""
    return json.loads((Path(store) / "manifest.json").read_text())["manifest"]["tables"]


def rows(store):
    """Returns the number of rows of each table from a store's manifest."""
    return {name: sum(file["rows"] for file in files) for name, files in tables(store).items()}


COUNT = """
import sys, {module}
print(*({count} for table in ("events", "sessions")))
"""
READERS = {
    "duckdb": '{m}.sql(f"select count(*) from read_parquet(\'{{sys.argv[1]}}/{{table}}/*/*.parquet\')").fetchall()[0][0]',
    "pyarrow.dataset": '{m}.dataset(f"{{sys.argv[1]}}/{{table}}", partitioning="hive").count_rows()',
}


def rows_seen_by_others(python, store, folder):
    """Counts events and sessions of a store with another tool, or with the manifest if there is no tool.

    Returns the tool's name and the two counts.
    """
    for module, count in READERS.items():
        found = run([python, "-c", COUNT.format(module=module, count=count.format(m=module)), store], folder)
        if found.status == 0:
            return module, tuple(int(word) for word in found.out.split())
    counts = rows(store)
    return "the manifest", (counts["events"], counts["sessions"])


def check(results, expected, wa_store, python, folder):
    """Checks that all programs found the same number of events and sessions. Returns a confirmation.

    Raises Failed if the numbers differ.
    """
    found = {name: (result.events, result.sessions) for name, result in results.items()}
    who, counts = rows_seen_by_others(python, wa_store, folder)
    found[f"wa's tables, read by {who}"] = counts
    if len(set(found.values())) > 1 or counts[0] != expected:
        lines = "\n".join(f"  {name}: {counts[0]:,} events, {counts[1]:,} sessions" for name, counts in found.items())
        raise Failed(f"the programs do not agree; the workload has {expected:,} events\n{lines}")
    return f"All agree on {counts[0]:,} events and {counts[1]:,} sessions (wa's tables read by {who})."
