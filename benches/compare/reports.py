"""Mode `reports`: whole-process times of each report and of DuckDB's command line."""

import json
import shutil
from pathlib import Path

from measure import MB, Failed, clear, median, remove, table
from programs import Wa, rows

WINDOWED = ["summary", "trends", "events", "sources", "devices", "sessions", "performance", "pages", "locations",
            "visitors", "all"]
RUNS = 20
WARM_UP = 3
TARGETS = {"wa --version": 5, "summary": 10, "trends": 10, "performance": 100, "summary, as JSON": 10}
"""Targets in milliseconds, over 30 days of the default workload. `OTHERS` is the target of all other reports."""
OTHERS = 20
DUCKDB = "summary, by DuckDB"
"""The row of DuckDB. Times of reports are also shown relative to it."""
SUMMARY = """
select count(*), count(distinct (chatbot_id, coalesce(anonymous_id, user_id, session_id))),
       count(*) filter (messages_sent > 0), avg(duration_seconds), sum(messages_sent), sum(messages_received)
from read_parquet('{store}/sessions/*/*.parquet', hive_partitioning = true)
where session_date between '{start}' and '{end}' and not is_bot
"""


def reports(bench):
    """Builds a store, unless one is given, and prints the median time of each report."""
    store, about, is_built = measured_store(bench, "reported")
    tell(bench, Wa(bench.given.wa, about), store, bench.given.window or [30])
    if is_built:
        remove(store.parent)


def measured_store(bench, name):
    """Returns the store to measure, its description, and whether it was built.

    Without a given store, one is built from the workload in a folder with that name.
    """
    if bench.given.store is not None:
        return bench.given.store, {"end": bench.given.as_of}, False
    data, about = bench.workload(bench.given.events * bench.given.scale, bench.given.days)
    store = bench.work / name / "store"
    clear(store.parent)
    Wa(bench.given.wa, about).ingest(store, sorted(data.glob("*.ndjson")), bench.scratch)
    return store, about, True


def tell(bench, wa, store, windows):
    """Prints a table of all reports for each window, in days."""
    held = rows(store)
    print(f"A store with {held['events']:,} events and {held['sessions']:,} sessions; median of {RUNS} runs, "
          "whole process.")
    duckdb = program(bench.given.python)
    if duckdb is None:
        bench.say("DuckDB's command line is skipped: cannot find `duckdb` (pip install duckdb-cli).")
    for number, days in enumerate(windows):
        print(f"\nOver {days} days:\n")
        timed = [(name, time(bench, name, arguments)) for name, arguments in cases(wa, store, days, number == 0)]
        arguments = duckdb and by_duckdb(bench, wa, duckdb, store, days)
        peer = arguments and time(bench, DUCKDB, arguments)
        if peer:
            timed.append((DUCKDB, peer))
        lines = [line(name, runs, peer, days == 30) for name, runs in timed]
        print(table(["report", "ms", "target", "vs DuckDB", "range", "peak MB"], lines))


def program(python):
    """Returns the path of DuckDB's command line, next to a Python or in PATH; or None."""
    neighbour = Path(shutil.which(python) or python).parent / "duckdb"
    return shutil.which(neighbour) or shutil.which("duckdb")


def by_duckdb(bench, wa, duckdb, store, days):
    """Returns DuckDB's command line for most figures of the summary; None if sessions are pruned.

    Raises Failed if its result differs from the result of `wa`.
    """
    summary = command(wa, store, "summary", "--days", days, "--as-of", "latest", "--format", "json")
    answer = json.loads(bench.run_well(summary).out)
    if answer["summary"]["unique_visitors"] is None:
        return None
    text = SUMMARY.format(store=str(store).replace("'", "''"), start=answer["from"], end=answer["to"])
    arguments = [duckdb, "-csv", "-noheader", "-c", text]
    agree(answer["summary"], bench.run_well(arguments).out)
    return arguments


def agree(summary, printed):
    """Checks that DuckDB and `wa` agree on sessions, visitors, conversations and messages."""
    found = printed.strip().split(",")
    names = ["total_sessions", "unique_visitors", "total_conversations", None, "total_messages_sent",
             "total_messages_received"]
    wrong = [f"{name}: {summary[name]:,} and {figure}" for name, figure in zip(names, found)
             if name and str(summary[name]) != figure]
    if wrong or len(found) != len(names):
        raise Failed(f"wa and DuckDB do not agree on the summary: {'; '.join(wrong) or printed}")


def cases(wa, store, days, windowless=True):
    """Yields name and command line of each measured command, optionally including those without a window."""
    if windowless:
        yield "wa --version", [wa.path, "--version"]
    for name in WINDOWED:
        yield name, command(wa, store, name, "--days", days, "--as-of", "latest")
    if windowless:
        yield "active", command(wa, store, "active")
        yield "summary, as JSON", command(wa, store, "summary", "--days", days, "--as-of", "latest", "--format", "json")


def command(wa, store, *arguments):
    """Returns the command line of a report, with the clock of the workload if there is one."""
    if wa.about["end"] is None:
        return [wa.path, "--store", store, "report", *arguments]
    return wa.command(store, "report", *arguments)


def time(bench, name, arguments):
    """Runs a command several times. Returns the runs after the warm-up."""
    runs = [bench.run_well(arguments) for _ in range(RUNS + WARM_UP)][WARM_UP:]
    bench.say(f"{name} {milliseconds(runs):.1f} ms")
    return runs


def milliseconds(runs):
    """Returns the median time of runs in milliseconds."""
    return median(run.seconds for run in runs) * 1000


def line(name, runs, duckdb, has_target):
    """Returns a row for the runs of a command, compared with DuckDB's runs if there are any."""
    times = [run.seconds * 1000 for run in runs]
    share = f"{milliseconds(runs) / milliseconds(duckdb):.2f}" if duckdb else ""
    peak = max(run.peak for run in runs) / MB
    return [name, f"{milliseconds(runs):.1f}", target(name) if has_target else "", share,
            f"{min(times):.1f} to {max(times):.1f}", f"{peak:,.0f}"]


def target(name):
    """Returns the target of a report; empty for `all` and for other programs."""
    return "" if name in ("all", DUCKDB) else str(TARGETS.get(name, OTHERS))
