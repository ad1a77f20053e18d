"""Reports: how long each takes, as a whole process, and what the summary takes DuckDB's command line."""

import json
import shutil
from pathlib import Path

from measure import MB, Failed, clear, median, remove, table
from programs import Wa, rows

WINDOWED = ["summary", "trends", "events", "sources", "devices", "sessions", "performance", "pages", "places",
            "visitors", "all"]
RUNS = 20
WARM_UP = 3
AIMS = {"wa --version": 5, "summary": 10, "trends": 10, "performance": 100, "summary, as JSON": 10}
"""Milliseconds that each should take at most, over 30 days of the usual workload; `OTHERS` where it is not named."""
OTHERS = 20
DUCKDB = "summary, by DuckDB"
"""The line beside those of `wa`: each is told as a share of it too."""
SUMMARY = """
select count(*), count(distinct (chatbot_id, coalesce(anonymous_id, user_id, session_id))),
       count(*) filter (messages_sent > 0), avg(duration_seconds), sum(messages_sent), sum(messages_received)
from read_parquet('{store}/sessions/*/*.parquet', hive_partitioning = true)
where session_date between '{start}' and '{end}' and not is_bot
"""


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
    duckdb = program(bench.given.python)
    if duckdb is None:
        bench.say("DuckDB's command line is left out: there is no program `duckdb` (pip install duckdb-cli).")
    for number, days in enumerate(windows):
        print(f"\nOver {days} days:\n")
        timed = [(name, time(bench, name, arguments)) for name, arguments in cases(wa, store, days, number == 0)]
        arguments = duckdb and by_duckdb(bench, wa, duckdb, store, days)
        beside = arguments and time(bench, DUCKDB, arguments)
        if beside:
            timed.append((DUCKDB, beside))
        lines = [line(name, runs, beside, days == 30) for name, runs in timed]
        print(table(["report", "ms", "aim", "of DuckDB's", "least to most", "peak MB"], lines))


def program(python):
    """Returns DuckDB's command line, beside a Python or wherever programs are; None where there is none."""
    beside = Path(shutil.which(python) or python).parent / "duckdb"
    return shutil.which(beside) or shutil.which("duckdb")


def by_duckdb(bench, wa, duckdb, store, days):
    """Returns the command line by which DuckDB tells most of the summary; None where sessions are pruned.

    Raises Failed where its figures are others than those of `wa`.
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
    """Checks that DuckDB printed what the summary of `wa` says of sessions, visitors, conversations and messages."""
    found = printed.strip().split(",")
    names = ["total_sessions", "unique_visitors", "total_conversations", None, "total_messages_sent",
             "total_messages_received"]
    wrong = [f"{name}: {summary[name]:,} and {figure}" for name, figure in zip(names, found)
             if name and str(summary[name]) != figure]
    if wrong or len(found) != len(names):
        raise Failed(f"wa and DuckDB do not agree on the summary, so nothing is compared: {'; '.join(wrong) or printed}")


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


def time(bench, name, arguments):
    """Runs a command as often as it takes for a median."""
    runs = [bench.run_well(arguments) for _ in range(RUNS + WARM_UP)][WARM_UP:]
    bench.say(f"{name} {milliseconds(runs):.1f} ms")
    return runs


def milliseconds(runs):
    """Returns the median time of some runs."""
    return median(run.seconds for run in runs) * 1000


def line(name, runs, beside, aimed):
    """Makes a row of the runs of a command; `beside` are those of DuckDB's summary, where there are some."""
    times = [run.seconds * 1000 for run in runs]
    share = f"{milliseconds(runs) / milliseconds(beside):.2f}" if beside else ""
    peak = max(run.peak for run in runs) / MB
    return [name, f"{milliseconds(runs):.1f}", aim(name) if aimed else "", share,
            f"{min(times):.1f} to {max(times):.1f}", f"{peak:,.0f}"]


def aim(name):
    """Says what a report should take at most; nothing of `all`, which is many reports, and of others' programs."""
    return "" if name in ("all", DUCKDB) else str(AIMS.get(name, OTHERS))
