"""Mode `night`: ingesting one day into a store of a year, and ingesting an unchanged folder."""

import os
import shutil

from measure import MB, Failed, clear, median, remove, settle, table
from programs import Wa, rows

YEAR = 365


def night(bench):
    """Builds a store of a year and measures a nightly ingest, compared with an empty store."""
    data, about = bench.workload(bench.given.per_day * YEAR, YEAR, bench.given.day_events)
    *year, day = sorted(data.glob("*.ndjson"))
    wa = Wa(bench.given.wa, about)
    year_store = bench.work / "year"
    clear(year_store)
    built = wa.ingest(year_store / "store", year, bench.scratch)
    print(f"A year: {YEAR} days, {rows(year_store / 'store')['events']:,} events, ingested in one run in {built.seconds:.2f} s. "
          f"The next day: {day.stat().st_size / MB:,.1f} MB. A warm-up and {bench.given.runs} runs each, in turn.")
    kinds = {
        "the day into an empty store": (None, [day]),
        "the day into the year": (year_store, [day]),
        "the folder of the year and the day": (year_store, [*year, day]),
        "the unchanged folder": (year_store, year),
    }
    times = {name: [] for name in kinds}
    for number in range(bench.given.runs + 1):
        for name, (before, files) in kinds.items():
            seconds = once(bench, wa, before, files)
            bench.say(f"round {number}: {name} {seconds * 1000:.0f} ms")
            if number:
                times[name].append(seconds)
    agree(bench, wa, year_store, day)
    empty = median(times["the day into an empty store"])
    header = ["ingest", "ms", "target", "range", "ratio to empty", "more, ms"]
    print(table(header, [line(name, runs, empty) for name, runs in times.items()]))
    remove(year_store)
    remove(bench.work / "out")


def once(bench, wa, before, files):
    """Returns the seconds of one ingest into a copy of a store, or into a new store."""
    place(bench, before)
    return wa.ingest(bench.work / "out" / "store", files, bench.scratch).seconds


def place(bench, before):
    """Copies a store to the output folder, or leaves the folder empty."""
    clear(bench.work / "out")
    if before:
        shutil.copytree(before / "store", bench.work / "out" / "store", copy_function=link)
    settle()


def link(source, copy):
    """Hard-links a table file, which is immutable; copies any other file."""
    if source.endswith(".parquet"):
        os.link(source, copy)
    else:
        shutil.copy2(source, copy)


def agree(bench, wa, year_store, day):
    """Checks that ingesting the whole folder after the day adds nothing.

    Raises Failed if it does.
    """
    place(bench, year_store)
    wa.ingest(bench.work / "out" / "store", [day], bench.scratch)
    alone = rows(bench.work / "out" / "store")
    wa.ingest(bench.work / "out" / "store", sorted(day.parent.glob("*.ndjson")), bench.scratch)
    whole = rows(bench.work / "out" / "store")
    if alone != whole or alone["events"] != wa.about["events"]:
        raise Failed(f"rows differ: {alone} for the day alone, {whole} for the folder; expected {wa.about['events']} events")
    print(f"The day alone, and the whole folder after it, result in {whole['events']:,} events and {whole['sessions']:,} sessions.")


def line(name, runs, empty):
    """Returns a row: median, target, range, and the comparison with the empty store."""
    middle = median(runs)
    limit = f"{target(empty) * 1000:.0f}" if "the year" in name else ""
    return [name, f"{middle * 1000:.0f}", limit, f"{min(runs) * 1000:.0f} to {max(runs) * 1000:.0f}", f"{middle / empty:.2f}",
            f"{(middle - empty) * 1000:+.0f}"]


def target(empty):
    """Returns the target in seconds, given the time of an ingest into an empty store."""
    return max(empty * 1.2, empty + 0.1)
