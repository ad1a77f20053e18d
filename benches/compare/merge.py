"""Mode `merge`: merging two stores, each with half of the logs, compared with one ingest of all logs."""

import shutil

from measure import MB, Failed, clear, median, remove, settle, table
from programs import Wa, rows


def merge(bench):
    """Measures merges of two stores and one ingest of all their logs, in turn."""
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    files = sorted(data.glob("*.ndjson"))
    wa = Wa(bench.given.wa, about)
    place = bench.work / "merge"
    clear(place)
    half = len(files) // 2
    kinds = {"halves by day": (files[:half], files[half:]), "every other day": (files[::2], files[1::2]),
             "both with all days": (files, files)}
    sources = {}
    for name, parts in kinds.items():
        sources[name] = [place / f"{number} of {name}" for number in (1, 2)]
        for source, part in zip(sources[name], parts):
            share_key(place, source)
            wa.ingest(source, part, bench.scratch)
    print(f"{about['events']:,} events of {bench.given.days} days. A warm-up and {bench.given.runs} runs each, in turn.")
    runs = {name: [] for name in ("one ingest", *kinds, "again, nothing new")}
    for number in range(bench.given.runs + 1):
        expected = None
        for name, measured in runs.items():
            store = place / "out"
            if name != "again, nothing new":
                clear(store)
                share_key(place, store)
            settle()
            if name == "one ingest":
                result = wa.ingest(store, files, bench.scratch)
            else:
                stores = sources.get(name, sources["both with all days"])
                result = bench.run_well(wa.command(store, "merge", "--quiet", *stores))
            bench.say(f"round {number}: {name} {result.seconds:.2f} s, {result.peak / MB:.0f} MB")
            expected = agree(name, rows(store), expected, about["events"])
            if number:
                measured.append(result)
    print(table(["job", "s", "ratio to one ingest", "peak, MB"], lines(runs)))
    print(f"All result in {expected['events']:,} events and {expected['sessions']:,} sessions.")
    remove(place)


def share_key(place, store):
    """Gives a new store the key of the first store, since stores with different keys cannot be merged."""
    key = place / "key"
    if not key.exists():
        key.write_text("".join(f"{byte:02x}" for byte in range(32)))
        key.chmod(0o600)
    clear(store)
    shutil.copy2(key, store / "key")


def agree(name, found, expected, events):
    """Returns the numbers of rows of a store.

    Raises Failed if they differ from those of the other stores.
    """
    if found["events"] != events or expected not in (None, found):
        raise Failed(f"rows differ: {name} results in {found}, not in {expected or events}")
    return found


def lines(runs):
    """Returns the lines of the table of results."""
    seconds = {name: median([run.seconds for run in measured]) for name, measured in runs.items()}
    ingest = seconds["one ingest"]
    peak = {name: max(run.peak for run in measured) for name, measured in runs.items()}
    return [[name, f"{seconds[name]:.2f}", f"{seconds[name] / ingest:.2f}", f"{peak[name] / MB:.0f}"] for name in runs]
