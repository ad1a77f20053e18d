"""Answers a question in DuckDB or in Polars, and measures the query alone.

    python3 peers/questions_peer.py ENGINE QUESTION STORE START END THREADS

QUESTION is a name from questions.py. Prints a line of JSON: the rows, and the wall and CPU seconds of
the query. Importing the library and opening DuckDB's database are not measured.
"""

import json
import os
import sys
import time

from questions import QUESTIONS, lazy, sql


def by_duckdb(threads):
    """Returns a function that answers a question in DuckDB."""
    import duckdb

    db = duckdb.connect()
    db.execute(f"set threads = {threads}")
    return lambda *question: db.execute(sql(*question)).fetchall()


def by_polars(threads):
    """Returns a function that answers a question with Polars' streaming engine."""
    os.environ["POLARS_MAX_THREADS"] = threads  # read when Polars is imported
    import polars as pl

    return lambda *question: lazy(pl, *question).collect(engine="streaming").rows()


def main(engine, name, store, start, end, threads):
    """Answers the question once."""
    question = next(question for question in QUESTIONS if question.name == name)
    answer = {"duckdb": by_duckdb, "polars": by_polars}[engine](threads)
    began, processor = time.perf_counter(), time.process_time()
    rows = answer(question, store, start, end)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    print(json.dumps({"rows": rows, "seconds": seconds, "processor": processor}))


main(*sys.argv[1:])
