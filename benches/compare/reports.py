"""Reports: how long each takes over 30 days, as a whole process."""

from measure import clear, median, remove, table
from programs import Wa, rows

WINDOWED = ["summary", "trends", "events", "sources", "devices", "sessions", "performance", "pages", "places",
            "visitors", "all"]
RUNS = 20
WARM_UP = 3


def reports(bench):
    """Makes a store, unless one is given, and prints the median time of each report."""
    data, about = None, {"end": bench.given.as_of}
    store = bench.given.store
    if store is None:
        data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
        store = bench.work / "reported" / "store"
        clear(store.parent)
        Wa(bench.given.wa, about).ingest(store, sorted(data.glob("*.ndjson")), bench.scratch)
    wa = Wa(bench.given.wa, about)
    held = rows(store)
    print(f"Over 30 days of a store with {held['events']:,} events and {held['sessions']:,} sessions; "
          f"median of {RUNS} runs, whole process.")
    print(table(["report", "ms", "least to most", "peak MB"], [line(bench, *case) for case in cases(wa, store)]))
    if data is not None:
        remove(store.parent)


def cases(wa, store):
    """Lists what is timed: a name, and a command line."""
    yield "wa --version", [wa.path, "--version"]
    for name in WINDOWED:
        yield name, command(wa, store, name, "--days", "30", "--as-of", "latest")
    yield "active", command(wa, store, "active")
    yield "summary, as JSON", command(wa, store, "summary", "--days", "30", "--as-of", "latest", "--format", "json")


def command(wa, store, *arguments):
    """Returns the command line of a report; without a clock given, by the present one."""
    if wa.about["end"] is None:
        return [wa.path, "--store", store, "report", *arguments]
    return wa.command(store, "report", *arguments)


def line(bench, name, arguments):
    """Times a command and makes a row of it."""
    runs = [bench.run_well(arguments) for _ in range(RUNS + WARM_UP)][WARM_UP:]
    times = [run.seconds * 1000 for run in runs]
    bench.say(f"{name} {median(times):.1f} ms")
    peak = max(run.peak for run in runs) / 1e6
    return [name, f"{median(times):.1f}", f"{min(times):.1f} to {max(times):.1f}", f"{peak:,.0f}"]
