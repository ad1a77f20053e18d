"""Makes logs a day at a time, for stores whose logs would not fit on the disk together.

    python3 day_by_day.py FOLDER --visits 50000 --visit-events 2 --days 365 --seed 1

Writes the file of a day, prints its path, and makes the next one when a line comes on standard input; whoever reads
the path removes the file. The lines are those of workload.py, a visit having at most `--visit-events` of them.
"""

import argparse
import sys
from pathlib import Path

from workload import Maker


def days(folder, visits, visit_events, count, seed):
    """Yields the file of each day after it was written."""
    maker = Maker(seed, count)
    for day in range(count):
        for _ in range(visits):
            maker.visit(day, visit_events)
        path = Path(folder) / f"widget-{maker.date(day)}.ndjson"
        with path.open("w") as file:
            file.writelines(line + "\n" for line in maker.take(day))
        yield path


def main():
    """Reads the arguments and makes a day whenever it is asked to."""
    parser = argparse.ArgumentParser(description="Makes logs of chat widgets, a day at a time.")
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
