"""Mode `filters`: reports with filters and breakdowns, and the same query in DuckDB and Polars."""

import csv
import io
import json
import sys
from dataclasses import dataclass

from measure import MB, Failed, median, remove, table
from programs import HERE, Wa, installed, rows
from reports import command, measured_store, milliseconds, program

sys.path.insert(0, str(HERE / "peers"))
from questions import FIGURES, QUESTIONS, sql

WARM_UP = 1
ENGINES = {"DuckDB": "duckdb", "Polars": "polars"}
TARGETS = {"session": 20, "property": 100}
"""Targets in milliseconds over 30 days, for reports on sessions and for reports that need events."""
OF_EVENTS = ["performance", "funnel", "conversations", "paths", "goals"]
"""Reports that read events even without a filter."""
REPORTS = ["summary", "trends", "visitors", "sources", "pages", "locations", "devices", "events", "heatmap", "retention",
           "sessions", *OF_EVENTS, "all"]
UNBROKEN = ["sessions"]
"""Reports that do not support a breakdown."""
SELECTIONS = {
    "session filter": ["--where", "device_type=mobile"],
    "property filter": ["--where", "properties.response_time_ms>2000"],
    "session breakdown": ["--by", "browser_name"],
    "property breakdown": ["--by", "properties.triggered_by"],
}
GOALS = """
[goals]
talked = "message_received"
slow = "message_received where properties.response_time_ms>2000"
"""


@dataclass
class Answered:
    """One run of a query: seconds, CPU seconds and peak memory."""

    seconds: float
    processor: float
    peak: int


def filters(bench):
    """Builds a store, unless one is given. Prints a table of questions and a table of reports."""
    store, about, is_built = measured_store(bench, "filtered")
    if is_built:
        with (store / "wa.toml").open("a") as settings:
            settings.write(GOALS)
    wa = Wa(bench.given.wa, about)
    held = rows(store)
    print(f"A store with {held['events']:,} events and {held['sessions']:,} sessions; median of {bench.given.runs} runs.")
    for days in bench.given.window or [30]:
        print(f"\nQuestions over {days} days:\n")
        compare(bench, wa, store, days)
        print(f"\nReports over {days} days, whole process, ms and peak MB:\n")
        measure_reports(bench, wa, store, days)
    if is_built and not bench.given.keep:
        remove(store.parent)


def compare(bench, wa, store, days):
    """Prints the time of each question for `wa`, DuckDB's command line and the installed engines."""
    peers, missing = installed(bench.given.python, bench.threads, bench.scratch)
    engines = {peer.name: ENGINES[name] for name in ENGINES for peer in peers if peer.name.startswith(name)}
    for sentence in missing:
        if sentence.split()[0] in ENGINES:
            bench.say(sentence)
    duckdb = program(bench.given.python)
    if duckdb is None:
        bench.say("DuckDB's command line is skipped: cannot find `duckdb` (pip install duckdb-cli).")
    header = ["question", "wa, ms", "CPU ms", "peak MB"]
    header += ["DuckDB, ms", "CPU ms", "peak MB", "ratio"] if duckdb else []
    for name in engines:
        header += [f"query alone in {name}, ms", "CPU ms", "peak MB"]
    lines = []
    for question in QUESTIONS:
        arguments = ["summary", "--days", days, "--as-of", "latest", "--format", "json", *question.flags()]
        answer, runs = by_wa(bench, command(wa, store, *arguments))
        line = [question.name, *cells(runs)]
        if duckdb:
            found, peer_runs = by_duckdb(bench, duckdb, question, store, answer)
            agree(f"{question.name}, DuckDB", figures(answer), found)
            line += [*cells(peer_runs), f"{milliseconds(runs) / milliseconds(peer_runs):.2f}"]
        for name, engine in engines.items():
            found, peer_runs = by_engine(bench, engine, question, store, answer)
            agree(f"{question.name}, {name}", figures(answer), found)
            line += cells(peer_runs)
        bench.say(" ".join(line))
        lines.append(line)
    print(table(header, lines))


def cells(runs):
    """Returns median wall time and CPU time in milliseconds, and peak memory in MB."""
    processor = median(run.processor for run in runs) * 1000
    return [f"{milliseconds(runs):.1f}", f"{processor:.1f}", f"{max(run.peak for run in runs) / MB:,.0f}"]


def measure(bench, arguments):
    """Returns the runs of a command after the warm-up."""
    return [bench.run_well(arguments) for _ in range(bench.given.runs + WARM_UP)][WARM_UP:]


def by_wa(bench, arguments):
    """Returns the answer of `wa` and its runs."""
    runs = measure(bench, arguments)
    return json.loads(runs[-1].out), runs


def by_duckdb(bench, duckdb, question, store, answer):
    """Returns the rows of DuckDB's command line, and its runs as whole processes."""
    text = sql(question, store, answer["from"], answer["to"])
    runs = measure(bench, [duckdb, "-csv", "-noheader", "-c", text])
    return by_values(list(csv.reader(io.StringIO(runs[-1].out)))), runs


def by_engine(bench, engine, question, store, answer):
    """Returns the rows of an engine, and its runs without the start of the process."""
    arguments = [bench.given.python, HERE / "peers" / "questions_peer.py", engine, question.name, store, answer["from"],
                 answer["to"], bench.threads]
    runs, rows_found = [], []
    for measured in measure(bench, arguments):
        told = json.loads(measured.out.strip().splitlines()[-1])
        runs.append(Answered(told["seconds"], told["processor"], measured.peak))
        rows_found = told["rows"]
    return by_values(rows_found), runs


def by_values(found):
    """Returns the figures of rows by their values. The last column is a mean, which is not compared.

    A sum over no rows is missing. DuckDB's command line prints such a sum as NULL.
    """
    count = len(found[0]) - len(FIGURES) - 1 if found else 0
    number = lambda figure: 0 if figure in (None, "", "NULL") else int(figure)
    return {tuple(row[:count]): [number(figure) for figure in row[count:-1]] for row in found}


def figures(answer):
    """Returns the figures of a summary by the values of its breakdown."""
    groups = answer.get("groups") or [answer | {"values": [""]}]
    return {tuple(group["values"]): [group["summary"][name] for name in FIGURES] for group in groups}


def agree(name, expected, found):
    """Checks that the figures of another engine equal those of `wa`. Ignores visitors of pruned sessions.

    Raises Failed if they do not.
    """
    known = {values: [figure for figure in row if figure is not None] for values, row in expected.items()}
    same = {values: [figure for figure, mine in zip(row, expected.get(values, row)) if mine is not None]
            for values, row in found.items()}
    if known != same:
        raise Failed(f"{name}: wa and the other program do not agree\n{known}\n{same}")


def measure_reports(bench, wa, store, days):
    """Prints time and peak memory of each report with each filter and breakdown."""
    lines = []
    for name in REPORTS:
        line = [name]
        for selection, flags in SELECTIONS.items():
            if "breakdown" in selection and name in UNBROKEN:
                line += ["", ""]
                continue
            arguments = command(wa, store, name, "--days", days, "--as-of", "latest", "--format", "json", *flags)
            runs = measure(bench, arguments)
            line += [f"{milliseconds(runs):.1f}", f"{max(run.peak for run in runs) / MB:,.0f}"]
        bench.say(" ".join(line))
        lines.append([*line, target(name, days)])
    header = ["report"]
    for selection in SELECTIONS:
        header += [selection, "MB"]
    print(table([*header, "target"], lines))


def target(name, days):
    """Returns the targets of a report, by session and by property."""
    if days != 30 or name == "all":
        return ""
    return str(TARGETS["property"]) if name in OF_EVENTS else f"{TARGETS['session']}, {TARGETS['property']}"
