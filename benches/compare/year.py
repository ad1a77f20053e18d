"""Mode `year`: fills a store night by night for a year, and runs reports on it."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

from measure import MB, clear, median, remove, size, table
from programs import Wa, rows
from reports import tell

HERE = Path(__file__).resolve().parent
FEW = 30
"""The number of runs at the start, and at the end, that are compared."""


def year(bench):
    """Ingests a year of logs with a gc after each run. Prints the times of ingests, gc and reports."""
    place = bench.work / "busy"
    clear(place)
    store, nights = place / "store", []
    for paths in groups(logs(bench, place), bench.given.at_once):
        wa = Wa(bench.given.wa, {"end": night_after(paths[-1])})
        if nights:
            # As with cron, gc runs after the reports, so reports read a day that is not compacted yet.
            # With many days per run, gc would require confirmation because of the clock.
            nights[-1]["gc"] = bench.run_well(wa.command(store, "gc", "--quiet", "--yes"))
        read = sum(path.stat().st_size for path in paths)
        nights.append({"bytes": read, "ingest": wa.ingest(store, paths, bench.scratch)})
        for path in paths:
            path.unlink()
        bench.say(f"{paths[-1].name}: {nights[-1]['ingest'].seconds * 1000:.0f} ms")
    held = rows(store)
    read = sum(night["bytes"] for night in nights)
    print(f"{bench.given.nights} days' logs, {bench.given.at_once} at a time, with a gc after each ingest: "
          f"{held['sessions']:,} sessions, {held['events']:,} retained events, "
          f"{size(store, '*.parquet') / MB:,.0f} MB; the logs were {read / 1e9:,.1f} GB.\n")
    print(table(["runs", "ingest, ms", "range", "peak MB", "gc, ms", "range", "peak MB"],
                [row("the first", nights[:FEW]), row("the last", nights[-FEW:])]))
    print()
    tell(bench, wa, store, bench.given.window or [30, 365])
    if bench.given.keep:
        print(f"\nThe store is in {store}; its current time is {wa.about['end']}.")
    else:
        remove(place)


def groups(items, count):
    """Yields lists of consecutive items. The last list may be shorter."""
    group = []
    for item in items:
        group.append(item)
        if len(group) == count:
            yield group
            group = []
    if group:
        yield group


def logs(bench, place):
    """Yields the log of each day. A separate process generates it on demand."""
    given = bench.given
    command = [sys.executable, HERE / "day_by_day.py", place, "--visits", given.visits, "--visit-events",
               given.visit_events, "--days", given.nights, "--seed", given.seed]
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        for line in maker.stdout:
            yield Path(line.rstrip("\n"))
            maker.stdin.write("\n")
            maker.stdin.flush()


def night_after(path):
    """Returns a time in the night after the day in a log's name."""
    return f"{date.fromisoformat(path.stem[-10:]) + timedelta(days=1)}T02:00:00Z"


def row(name, nights):
    """Returns a row: the times of ingest and gc of the given nights."""
    cells = [f"{name} {len(nights)}"]
    for step in ("ingest", "gc"):
        runs = [night[step] for night in nights if step in night]
        times = [run.seconds * 1000 for run in runs]
        if not runs:
            # A year in a single run has no gc.
            cells += ["", "", ""]
            continue
        cells += [f"{median(times):.0f}", f"{min(times):.0f} to {max(times):.0f}",
                  f"{max(run.peak for run in runs) / MB:,.0f}"]
    return cells
