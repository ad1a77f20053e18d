"""A day that comes in small pieces, one every five minutes, with gc at night; beside a store made in a single run."""

import json
import shutil
from pathlib import Path

from measure import MB, Failed, clear, median, remove, run, settle, size, table
from programs import HERE, Wa, tables
from reports import RUNS, WARM_UP, WINDOWED, command

FEW = 20
"""Runs at the day's beginning and at its end that are compared."""
SINGLE = "a single run"


def trickle(bench):
    """Makes the stores, checks that they hold the same, and prints what reports take on each."""
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    wa = Wa(bench.given.wa, about)
    place = bench.work / "trickle"
    clear(place)
    *before, day = sorted(data.glob("*.ndjson"))
    stores = {SINGLE: place / "single" / "store"}
    ingest = [wa.ingest(stores[SINGLE], [*before, day], bench.scratch)]
    print(f"{about['events']:,} events in {len(before) + 1} files. The last of them, {day.stat().st_size / MB:,.1f} MB, "
          f"in {bench.given.slices} pieces, each followed by `wa ingest` of the whole folder; then `wa gc`.")
    print(f"In a single run all of it takes {ingest[0].seconds * 1000:,.0f} ms.\n")
    wa.ingest(place / "before" / "store", before, bench.scratch)
    lines = []
    for name, put in WAYS.items():
        folder = place / put.__name__
        shutil.copytree(place / "before", folder)
        stores[name] = folder / "store"
        times = slices(bench, wa, stores[name], before, day, put)
        if put is append:
            # Also as it stands in the evening.
            stores[f"{name}, before gc"] = shutil.copytree(stores[name], folder / "evening" / "store")
        gc = bench.run_well(wa.command(stores[name], "gc", "--quiet"))
        lines.append([name, f"{median(times[:FEW]):.0f}", f"{median(times[-FEW:]):.0f}", f"{max(times):.0f}",
                      f"{sum(times) / 1000:.2f}", f"{gc.seconds * 1000:.0f}"])
    print(table(["pieces", f"first {FEW}, ms", f"last {FEW}, ms", "longest, ms", "all, s", "gc, ms"], lines))
    print()
    print(table(["store", *(f"{name}, files" for name in tables(stores[SINGLE])), "MB"],
                [contents(name, store) for name, store in stores.items()]))
    print("\n" + same(bench, wa, stores) + "\n")
    print(f"Reports over 30 days, ms, median of {RUNS} runs, the stores in turn; beside it the ratio to {SINGLE}.\n")
    header = ["report", SINGLE, *(cell for name in list(stores)[1:] for cell in (name, "ratio"))]
    print(table(header, [compared(bench, wa, name, stores) for name in WINDOWED]))
    remove(place)


def append(folder, day, number, piece):
    """Puts a piece at the end of the day's log."""
    with (folder / day.name).open("ab") as log:
        log.write(piece)


def add(folder, day, number, piece):
    """Puts a piece into a file of its own."""
    (folder / f"{day.stem}-{number:04}.ndjson").write_bytes(piece)


WAYS = {"a log that grows": append, "a log each": add}
"""How a piece comes into the folder of logs."""


def slices(bench, wa, store, before, day, put):
    """Takes a day in by pieces; returns how long each run took, in milliseconds."""
    folder = bench.work / "trickle" / "logs"
    clear(folder)
    times = []
    for number, piece in enumerate(pieces(day, bench.given.slices)):
        put(folder, day, number, piece)
        settle()
        measured = wa.ingest(store, [*before, *sorted(folder.iterdir())], bench.scratch)
        times.append(measured.seconds * 1000)
    bench.say(f"{len(times)} runs, {sum(times) / 1000:.1f} s")
    return times


def pieces(path, count):
    """Yields a log in so many pieces of whole lines and about the same size; none is empty."""
    total = Path(path).stat().st_size
    with Path(path).open("rb") as log:
        for number in range(1, count + 1):
            piece = log.read(max(total * number // count - log.tell(), 0))
            piece += log.readline() if piece else b""
            if piece:
                yield piece


def contents(name, store):
    """Makes a row: a store's files by table, and their bytes."""
    return [name, *(str(len(files)) for files in tables(store).values()), f"{size(store, '*.parquet') / MB:,.1f}"]


def same(bench, wa, stores):
    """Checks that all stores hold the same rows and report the same; returns a sentence that says so.

    The rows are compared where DuckDB is installed. Raises Failed where something differs.
    """
    for name in WINDOWED:
        told = {store: figures(bench, wa, store, name) for store in stores.values()}
        if len(set(told.values())) > 1:
            raise Failed(f"the stores differ in `wa report {name}`: {', '.join(map(str, stores.values()))}")
    said = "All stores report the same"
    found = run([bench.given.python, HERE / "same_rows.py", *stores.values()], bench.scratch)
    if "No module named 'duckdb'" in found.err:
        return f"{said}; their rows were not compared, {bench.given.python} has no module `duckdb`."
    if found.status != 0:
        raise Failed(f"the rows of the stores could not be compared\n{found.err[-3000:]}")
    differing = {store: tables for store, tables in json.loads(found.out).items() if tables}
    if differing:
        raise Failed(f"the stores hold other rows than {stores[SINGLE]} (only there, only here): {differing}")
    return f"{said}, and the rows of their tables are the same (compared by DuckDB)."


def figures(bench, wa, store, name):
    """Returns a report as JSON."""
    return bench.run_well(command(wa, store, name, "--days", "30", "--as-of", "latest", "--format", "json")).out


def compared(bench, wa, name, stores):
    """Times a report on each of the stores, in turn, and makes a row of it."""
    times = {store: [] for store in stores.values()}
    for number in range(RUNS + WARM_UP):
        for store, runs in times.items():
            measured = bench.run_well(command(wa, store, name, "--days", "30", "--as-of", "latest"))
            if number >= WARM_UP:
                runs.append(measured.seconds * 1000)
    first, *others = (median(runs) for runs in times.values())
    bench.say(f"{name} {first:.1f} ms")
    return [name, f"{first:.1f}", *(cell for other in others for cell in (f"{other:.1f}", f"{other / first:.2f}"))]
