"""A night: a day's log into a store that holds a year, and a run over a folder that did not change."""

import os
import shutil

from measure import MB, Failed, clear, median, remove, settle, table
from programs import Wa, rows

YEAR = 365


def night(bench):
    """Builds a store of a year and times what a night costs, beside an empty store."""
    data, about = bench.workload(bench.given.per_day * YEAR, YEAR, bench.given.day_events)
    *year, day = sorted(data.glob("*.ndjson"))
    wa = Wa(bench.given.wa, about)
    held = bench.work / "year"
    clear(held)
    built = wa.ingest(held / "store", year, bench.scratch)
    print(f"A year: {YEAR} days, {rows(held / 'store')['events']:,} events, taken in at once in {built.seconds:.2f} s. "
          f"The day after: {day.stat().st_size / MB:,.1f} MB. A warm-up and {bench.given.runs} runs each, in turn.")
    kinds = {
        "the day into an empty store": (None, [day]),
        "the day into the year": (held, [day]),
        "the folder of the year and the day": (held, [*year, day]),
        "the folder again, nothing new": (held, year),
    }
    times = {name: [] for name in kinds}
    for number in range(bench.given.runs + 1):
        for name, (before, files) in kinds.items():
            seconds = once(bench, wa, before, files)
            bench.say(f"round {number}: {name} {seconds * 1000:.0f} ms")
            if number:
                times[name].append(seconds)
    agree(bench, wa, held, day)
    empty = median(times["the day into an empty store"])
    header = ["what", "ms", "aim", "least to most", "to the empty store", "more, ms"]
    print(table(header, [line(name, runs, empty) for name, runs in times.items()]))
    remove(held)
    remove(bench.work / "out")


def once(bench, wa, before, files):
    """Times one ingest into a copy of a store, or a new one, in seconds."""
    place(bench, before)
    return wa.ingest(bench.work / "out" / "store", files, bench.scratch).seconds


def place(bench, before):
    """Puts a copy of a store where the run will find it, or nothing."""
    clear(bench.work / "out")
    if before:
        shutil.copytree(before / "store", bench.work / "out" / "store", copy_function=link)
    settle()


def link(source, copy):
    """Makes a second name for a file of a table, which is never changed once it is written; copies any other."""
    if source.endswith(".parquet"):
        os.link(source, copy)
    else:
        shutil.copy2(source, copy)


def agree(bench, wa, held, day):
    """Checks that the day alone and the whole folder leave the same rows in the year's store.

    Raises Failed where they do not.
    """
    place(bench, held)
    wa.ingest(bench.work / "out" / "store", [day], bench.scratch)
    alone = rows(bench.work / "out" / "store")
    wa.ingest(bench.work / "out" / "store", sorted(day.parent.glob("*.ndjson")), bench.scratch)
    whole = rows(bench.work / "out" / "store")
    if alone != whole or alone["events"] != wa.about["events"]:
        raise Failed(f"the day alone leaves {alone}, the whole folder {whole}; the workload has {wa.about['events']} events")
    print(f"Both ways leave {whole['events']:,} events and {whole['sessions']:,} sessions.")


def line(name, runs, empty):
    """Makes a row: median, spread, and what it is beside the empty store."""
    middle = median(runs)
    aimed = f"{aim(empty) * 1000:.0f}" if "the year" in name else ""
    return [name, f"{middle * 1000:.0f}", aimed, f"{min(runs) * 1000:.0f} to {max(runs) * 1000:.0f}", f"{middle / empty:.2f}",
            f"{(middle - empty) * 1000:+.0f}"]


def aim(empty):
    """Returns what a day may cost in a store that holds a year, where it costs so much in an empty one, in seconds."""
    return max(empty * 1.2, empty + 0.1)
