"""Mode `trickle`: ingesting a day in small slices, followed by a gc, compared with a single run."""

import json
import shutil
from pathlib import Path

from measure import MB, Failed, clear, median, remove, run, settle, size, table
from programs import HERE, Wa, tables
from reports import RUNS, WARM_UP, WINDOWED, command

FEW = 20
"""The number of runs at the start, and at the end, that are compared."""
SINGLE = "a single run"


def trickle(bench):
    """Builds the stores, checks that they are equal, and measures reports on each."""
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    wa = Wa(bench.given.wa, about)
    place = bench.work / "trickle"
    clear(place)
    *before, day = sorted(data.glob("*.ndjson"))
    stores = {SINGLE: place / "single" / "store"}
    ingest = [wa.ingest(stores[SINGLE], [*before, day], bench.scratch)]
    print(f"{about['events']:,} events in {len(before) + 1} files. The last of them, {day.stat().st_size / MB:,.1f} MB, "
          f"in {bench.given.slices} slices, each followed by `wa ingest` of the whole folder; then `wa gc`.")
    print(f"A single run takes {ingest[0].seconds * 1000:,.0f} ms.\n")
    wa.ingest(place / "before" / "store", before, bench.scratch)
    lines = []
    for name, put in WAYS.items():
        folder = place / put.__name__
        shutil.copytree(place / "before", folder)
        stores[name] = folder / "store"
        times = slices(bench, wa, stores[name], before, day, put)
        if put is append:
            # The state before gc is compared too.
            stores[f"{name}, before gc"] = shutil.copytree(stores[name], folder / "evening" / "store")
        gc = bench.run_well(wa.command(stores[name], "gc", "--quiet"))
        lines.append([name, f"{median(times[:FEW]):.0f}", f"{median(times[-FEW:]):.0f}", f"{max(times):.0f}",
                      f"{sum(times) / 1000:.2f}", f"{gc.seconds * 1000:.0f}"])
    print(table(["slices", f"first {FEW}, ms", f"last {FEW}, ms", "longest, ms", "all, s", "gc, ms"], lines))
    print()
    print(table(["store", *(f"{name}, files" for name in tables(stores[SINGLE])), "MB"],
                [contents(name, store) for name, store in stores.items()]))
    print("\n" + same(bench, wa, stores) + "\n")
    print(f"Reports over 30 days, ms, median of {RUNS} runs, the stores in turn; ratios to {SINGLE}.\n")
    header = ["report", SINGLE, *(cell for name in list(stores)[1:] for cell in (name, "ratio"))]
    print(table(header, [compared(bench, wa, name, stores) for name in WINDOWED]))
    remove(place)


def append(folder, day, number, piece):
    """Appends a slice to the day's log."""
    with (folder / day.name).open("ab") as log:
        log.write(piece)


def add(folder, day, number, piece):
    """Writes a slice to a separate file."""
    (folder / f"{day.stem}-{number:04}.ndjson").write_bytes(piece)


WAYS = {"appended to one file": append, "one file each": add}
"""The ways in which a slice is added to the folder of logs."""


def slices(bench, wa, store, before, day, put):
    """Ingests a day in slices. Returns the milliseconds of each run."""
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
    """Splits a log into slices of whole lines and similar size. Yields the non-empty slices."""
    total = Path(path).stat().st_size
    with Path(path).open("rb") as log:
        for number in range(1, count + 1):
            piece = log.read(max(total * number // count - log.tell(), 0))
            piece += log.readline() if piece else b""
            if piece:
                yield piece


def contents(name, store):
    """Returns a row: the number of files by table, and the total size."""
    return [name, *(str(len(files)) for files in tables(store).values()), f"{size(store, '*.parquet') / MB:,.1f}"]


def same(bench, wa, stores):
    """Checks that all stores have the same rows and reports. Returns a confirmation.

    Rows are compared only if DuckDB is installed. Raises Failed if a row or report differs.
    """
    for name in WINDOWED:
        told = {store: figures(bench, wa, store, name) for store in stores.values()}
        if len(set(told.values())) > 1:
            raise Failed(f"the stores differ in `wa report {name}`: {', '.join(map(str, stores.values()))}")
    said = "All reports are equal"
    found = run([bench.given.python, HERE / "same_rows.py", *stores.values()], bench.scratch)
    if "No module named 'duckdb'" in found.err:
        return f"{said}; rows were not compared, because {bench.given.python} has no module `duckdb`."
    if found.status != 0:
        raise Failed(f"cannot compare the rows of the stores\n{found.err[-3000:]}")
    differing = {store: tables for store, tables in json.loads(found.out).items() if tables}
    if differing:
        raise Failed(f"rows differ from {stores[SINGLE]} (only there, only here): {differing}")
    return f"{said}, and so are the rows of the tables (compared by DuckDB)."


def figures(bench, wa, store, name):
    """Returns a report as JSON."""
    return bench.run_well(command(wa, store, name, "--days", "30", "--as-of", "latest", "--format", "json")).out


def compared(bench, wa, name, stores):
    """Measures a report on each of the stores, in turn. Returns a row."""
    times = {store: [] for store in stores.values()}
    for number in range(RUNS + WARM_UP):
        for store, runs in times.items():
            measured = bench.run_well(command(wa, store, name, "--days", "30", "--as-of", "latest"))
            if number >= WARM_UP:
                runs.append(measured.seconds * 1000)
    first, *others = (median(runs) for runs in times.values())
    bench.say(f"{name} {first:.1f} ms")
    return [name, f"{first:.1f}", *(cell for other in others for cell in (f"{other:.1f}", f"{other / first:.2f}"))]
