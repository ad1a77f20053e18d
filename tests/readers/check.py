#!/usr/bin/env python3
"""Checks that other libraries read the tables of a store.

Ingests sample data into a temporary store. Then every library filters, sorts, groups, joins and
writes all four tables. The results must equal those of `wa report`, and the written files must
contain the same values. The script also checks the recipes of `docs/tables.md` and
`docs/sql-questions.md`, and the views of `wa views`.

Usage: check.py WA LOG... [--reader NAME]... [--update-docs] [--keep]
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

import cells
import recipes
import retention
import views
from wa import TABLES, Wa

READERS = ["pyarrow", "pandas", "pandas-arrow", "duckdb", "polars", "chdb"]


def load(name):
    """Returns the reader class of a library."""
    library = name.split("-")[0]
    module = importlib.import_module(f"{library}_reader")
    return module.READERS[name]


def check(name, actual, expected):
    """Compares a result with the expected result."""
    if actual != expected:
        raise AssertionError(f"{name}:\n  read     {shorten(actual)}\n  expected {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 2000 else text[:2000] + " …"


def check_reader(reader, expected, folder):
    """Runs all queries of a reader, and writes the tables."""
    first, last = expected.days
    for table in TABLES:
        check(f"types of {table}", reader.types(table), cells.types(table))
        check(f"rows of {table}", reader.count(table), expected.rows[table])
    check("summary", reader.summary(first, last), expected.summary)
    check("trends", reader.trends(first, last), expected.trends)
    check("daily_stats", reader.daily_stats(first, last), expected.trends)
    for column, counts in expected.groups.items():
        check(f"sessions by {column}", reader.group(column, first, last), counts)
    check("latest events", reader.latest_events(len(expected.latest)), expected.latest)
    check("events", reader.events(first, last), expected.events)
    check("new visitors", reader.new_visitors(first, last), expected.new_visitors)
    check("chatbots", reader.join_names(expected.names, first, last), expected.names_with_sessions)
    for table in TABLES:
        for kind in ["csv", "parquet"]:
            path = folder / f"{table}.{kind}"
            reader.write(table, kind, path)
            read = cells.read_csv(path, table) if kind == "csv" else cells.read_parquet(path, table)
            check(f"{table} as {kind}", cells.difference(read, expected.cells[table]), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("wa", type=Path)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--reader", action="append", choices=READERS)
    parser.add_argument("--update-docs", action="store_true", help="write results to docs/sql-questions.md")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wa-readers-"))
    failed = 0
    try:
        wa = Wa(options.wa, folder / "wa-store")
        wa.ingest(options.logs)
        expected = wa.expected()
        recipes.check(wa, expected.trends)
        recipes.check_questions(wa, options.update_docs)
        views.check(wa, expected, folder)
        retention.check(wa)
        for name in options.reader or READERS:
            try:
                reader = load(name)(wa.store)
                output = folder / name
                output.mkdir()
                check_reader(reader, expected, output)
                print(f"{name} {reader.version}: passed")
            except Exception as error:  # Libraries raise exceptions of various types.
                failed += 1
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        if options.keep:
            print(f"kept {folder}")
        else:
            shutil.rmtree(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
