"""Reports: how long each takes, as a whole process."""

from measure import MB, clear, median, remove, table
from programs import Wa, rows

WINDOWED = ["summary", "trends", "events", "sources", "devices", "sessions", "performance", "pages", "places",
            "visitors", "all"]
RUNS = 20
WARM_UP = 3
AIMS = {"wa --version": 5, "summary": 10, "trends": 10, "performance": 100, "summary, as JSON": 10}
"""Milliseconds that each should take at most, over 30 days of the usual workload; `OTHERS` where it is not named."""
OTHERS = 20


def reports(bench):
    """Makes a store, unless one is given, and prints the median time of each report."""
    data, about = None, {"end": bench.given.as_of}
    store = bench.given.store
    if store is None:
        data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
        store = bench.work / "reported" / "store"
        clear(store.parent)
        Wa(bench.given.wa, about).ingest(store, sorted(data.glob("*.ndjson")), bench.scratch)
    tell(bench, Wa(bench.given.wa, about), store, bench.given.window or [30])
    if data is not None:
        remove(store.parent)


def tell(bench, wa, store, windows):
    """Prints a table of all reports for each of some windows, given in days."""
    held = rows(store)
    print(f"A store with {held['events']:,} events and {held['sessions']:,} sessions; median of {RUNS} runs, "
          "whole process.")
    for number, days in enumerate(windows):
        print(f"\nOver {days} days:\n")
        lines = [line(bench, name, arguments, days == 30) for name, arguments in cases(wa, store, days, number == 0)]
        print(table(["report", "ms", "aim", "least to most", "peak MB"], lines))


def cases(wa, store, days, windowless=True):
    """Lists what is timed: a name, and a command line; `windowless` ones too, which are the same for every window."""
    if windowless:
        yield "wa --version", [wa.path, "--version"]
    for name in WINDOWED:
        yield name, command(wa, store, name, "--days", days, "--as-of", "latest")
    if windowless:
        yield "active", command(wa, store, "active")
        yield "summary, as JSON", command(wa, store, "summary", "--days", days, "--as-of", "latest", "--format", "json")


def command(wa, store, *arguments):
    """Returns the command line of a report; without a clock given, by the present one."""
    if wa.about["end"] is None:
        return [wa.path, "--store", store, "report", *arguments]
    return wa.command(store, "report", *arguments)


def line(bench, name, arguments, aimed):
    """Times a command and makes a row of it."""
    runs = [bench.run_well(arguments) for _ in range(RUNS + WARM_UP)][WARM_UP:]
    times = [run.seconds * 1000 for run in runs]
    bench.say(f"{name} {median(times):.1f} ms")
    peak = max(run.peak for run in runs) / MB
    return [name, f"{median(times):.1f}", aim(name) if aimed else "", f"{min(times):.1f} to {max(times):.1f}",
            f"{peak:,.0f}"]


def aim(name):
    """Says what a report should take at most; nothing of `all`, which is many reports."""
    return "" if name == "all" else str(AIMS.get(name, OTHERS))
