"""Generates logs one day at a time, for workloads that do not fit on the disk as a whole.

    python3 day_by_day.py FOLDER --visits 50000 --visit-events 2 --days 365 --seed 1

Writes the file of a day and prints its path. A line on standard input requests the next day. The caller removes
the files. The lines are those of workload.py, at most `--visit-events` per visit.
"""

import argparse
import sys
from pathlib import Path

from workload import Maker


def days(folder, visits, visit_events, count, seed):
    """Writes and yields the file of each day."""
    maker = Maker(seed, count)
    for day in range(count):
        for _ in range(visits):
            maker.visit(day, visit_events)
        path = Path(folder) / f"widget-{maker.date(day)}.ndjson"
        with path.open("w") as file:
            file.writelines(line + "\n" for line in maker.take(day))
        yield path


def main():
    """Parses the arguments, and writes a day for each line that is read from standard input."""
    parser = argparse.ArgumentParser(description="Generates logs of chat widgets, one day at a time.")
    parser.add_argument("folder")
    for name in ("--visits", "--visit-events", "--days", "--seed"):
        parser.add_argument(name, type=int, required=True)
    given = parser.parse_args()
    for path in days(given.folder, given.visits, given.visit_events, given.days, given.seed):
        print(path, flush=True)
        if not sys.stdin.readline():
            break


if __name__ == "__main__":
    main()
