"""Benchmarks `wa`, alone and compared with other programs. Needs only Python 3.9 or later.

    cargo build --release
    python3 benches/compare/run.py                       # wa and each installed peer
    python3 benches/compare/run.py --scale 4             # four times the input
    python3 benches/compare/run.py --profile             # also the stages of wa
    python3 benches/compare/run.py --memory-curve 1,4,16 # wa alone, over inputs of growing size
    python3 benches/compare/run.py memory                # peak memory by order, with and without ids
    python3 benches/compare/run.py orders                # the same lines shuffled, sharded, reversed, …
    python3 benches/compare/run.py merge                 # merging two stores, and one ingest
    python3 benches/compare/run.py night                 # one day into a store that holds a year
    python3 benches/compare/run.py trickle               # one day in 288 slices
    python3 benches/compare/run.py reports               # every report, whole process
    python3 benches/compare/run.py filters               # reports with filters and breakdowns
    python3 benches/compare/run.py year                  # a year of 50,000 sessions a day, and reports
    python3 benches/compare/run.py worst                 # inputs with the highest cost per byte

Peers: `python3 -m venv venv && venv/bin/pip install duckdb polars chdb duckdb-cli`, then
`--python venv/bin/python`.
Method and results: docs/benchmarks.md.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import compare
import filters
import measure
import memory
import merge
import night
import orders
import reports
import trickle
import workload
import worst
import year

PROJECT = Path(__file__).resolve().parents[2]
MODES = {"compare": compare.compare, "memory": memory.memory, "merge": merge.merge, "night": night.night, "trickle": trickle.trickle,
         "orders": orders.orders, "reports": reports.reports, "filters": filters.filters, "year": year.year,
         "worst": worst.worst}


class Bench:
    """The arguments, folders and cached workloads of a run."""

    def __init__(self, given):
        self.given = given
        self.threads = given.cores or measure.cores()
        self.work = given.work
        self.scratch = given.work / "streams"
        self.scratch.mkdir(parents=True, exist_ok=True)

    def say(self, text):
        """Prints progress on standard error."""
        print(text, file=sys.stderr, flush=True)

    def run_well(self, command):
        """Runs and measures a program. Raises Failed if it fails."""
        return measure.run_well(command, self.scratch)

    def workload(self, events, days, last_day=None):
        """Returns the folder of a workload and its description. Generates it if it is missing.

        A separate process generates it, so that this process stays small.
        """
        name = f"events-{events}-days-{days}-seed-{self.given.seed}" + (f"-last-{last_day}" if last_day else "")
        folder = self.work / "data" / name
        wanted = {"version": workload.VERSION, "sizes": workload.volumes(events, days, last_day), "seed": self.given.seed}
        about = description(folder)
        if about is None or {key: about[key] for key in wanted} != wanted:
            self.say(f"generating a workload of {sum(wanted['sizes']):,} events in {folder}")
            command = [sys.executable, workload.__file__, folder, "--events", events, "--days", days]
            command += ["--seed", self.given.seed] + (["--last-day", last_day] if last_day else [])
            self.run_well(command)
            about = description(folder)
        return folder, about


def description(folder):
    """Returns the description of a workload, or None."""
    path = folder / "about.txt"
    return json.loads(path.read_text()) if path.exists() else None


def sizes(text):
    """Parses a list of positive integers."""
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def count(text):
    """Parses a positive integer."""
    return sizes(text)[0]


def program(text):
    """Parses the path of a program. A bare name stays unchanged, to be found in PATH."""
    return text if "/" not in text else str(Path(text).absolute())


def folder(text):
    """Parses the path of a folder."""
    return Path(text).absolute()


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", choices=MODES, default="compare")
    parser.add_argument("--wa", type=program, default=str(PROJECT / "target/release/wa"),
                        help="the wa binary to measure [target/release/wa]")
    parser.add_argument("--python", type=program, default=sys.executable, help="Python with the peers installed [this one]")
    parser.add_argument("--runs", type=count, default=5, help="runs of each program, after a warm-up [5]")
    parser.add_argument("--cores", type=count, help="limit all programs to N cores (Linux) [all]")
    parser.add_argument("--work", type=folder, default=PROJECT / "target/compare",
                        help="folder for logs and tables [target/compare]")
    parser.add_argument("--events", type=count, default=1_500_000, help="distinct events of the workload [1500000]")
    parser.add_argument("--days", type=count, default=30, help="days of the workload, one file each [30]")
    parser.add_argument("--seed", type=int, default=1, help="seed of the workload [1]")
    parser.add_argument("--scale", type=count, default=1, help="multiply the number of events [1]")
    parser.add_argument("--profile", action="store_true", help="print the stages of wa ingest")
    parser.add_argument("--memory-curve", type=sizes, metavar="N,N…", help="measure wa alone over N times the events")
    parser.add_argument("--memory", metavar="SIZE", help="memory: the budget of wa, such as 256M [its default]")
    parser.add_argument("--keep", action="store_true", help="keep the workloads of --memory-curve and the stores of filters and year")
    parser.add_argument("--per-day", type=count, default=2_000, help="night: events per day of the year [2000]")
    parser.add_argument("--day-events", type=count, default=50_000, help="night: events of the additional day [50000]")
    parser.add_argument("--slices", type=count, default=288, help="trickle: slices of the day [288: one every 5 minutes]")
    parser.add_argument("--nights", type=count, default=365, help="year: days of the store [365]")
    parser.add_argument("--at-once", type=count, default=1, help="year: days per ingest [1]")
    parser.add_argument("--visits", type=count, default=50_000, help="year: visits per day [50000]")
    parser.add_argument("--visit-events", type=count, default=2, help="year: maximum events of a visit [2]")
    parser.add_argument("--window", type=sizes, metavar="N,N…", help="reports, filters, year: days of the reports [30; year: 30,365]")
    parser.add_argument("--megabytes", type=count, default=16, help="worst: size of most logs [16]")
    parser.add_argument("--case", metavar="NAME", help="worst, orders: only the cases whose name contains NAME")
    parser.add_argument("--store", type=folder, help="reports, filters: an existing store [one of the workload]")
    parser.add_argument("--as-of", metavar="TIME",
                        help="reports, filters: the current time for --store, such as 2026-01-31T12:00:00Z [now]")
    return parser.parse_args()


def main():
    """Runs a mode. Returns the exit status."""
    given = arguments()
    if given.mode == "compare" and given.memory_curve:
        mode = compare.memory_curve
    else:
        mode = MODES[given.mode]
    sys.stdout.reconfigure(line_buffering=True)
    try:
        if given.cores:
            measure.use_cores(given.cores)
        if shutil.which(given.wa) is None:
            raise measure.Failed(f"cannot find {given.wa}: run `cargo build --release`, or set --wa")
        if shutil.which(given.python) is None:
            raise measure.Failed(f"cannot find {given.python}: set --python")
        mode(Bench(given))
    except measure.Failed as failure:
        print(f"run.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
