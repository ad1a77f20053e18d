"""Runs the recipes of `docs/tables.md` and the queries of `docs/sql-questions.md`."""

import contextlib
import importlib.metadata
import io
import re
from datetime import date
from pathlib import Path

import chdb
import duckdb

DOCS = Path(__file__).resolve().parents[2] / "docs"
SINCE = date(2026, 11, 1)
"""The first day of the recipes."""
RECIPE = re.compile(r"^## (\w+)\n\n```(python|sql)\n(.*?)```", flags=re.MULTILINE | re.DOTALL)
QUESTION = re.compile(r"^```sql\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", flags=re.MULTILINE | re.DOTALL)


def check(wa, trends):
    """Runs each recipe, and checks that its output contains the session counts of `trends`."""
    page = (DOCS / "tables.md").read_text(encoding="utf-8")
    for name, library in [("DuckDB", "duckdb"), ("Polars", "polars"), ("pandas", "pandas"),
                          ("pyarrow", "pyarrow"), ("ClickHouse (chDB)", "chdb")]:
        version = importlib.metadata.version(library)
        assert f"| {name} | {version} |" in page, f"docs/tables.md does not name version {version} of {name}"
    expected = [(day, sessions) for day, sessions, *_ in trends if day >= SINCE]
    assert expected, "no sessions since the first day of the recipes"
    recipes = RECIPE.findall(page)
    assert len(recipes) == 5, [name for name, *_ in recipes]
    for name, language, code in recipes:
        with contextlib.chdir(wa.store.parent), contextlib.redirect_stdout(io.StringIO()) as output:
            if language == "python":
                exec(code, {})
            elif name == "DuckDB":
                print(duckdb.sql(code).fetchall())
            else:
                print(chdb.query(code))
        counts = [str(sessions) for _, sessions in expected]
        # Find every count, in order, at any position of the output.
        text = re.sub(r"\d{4}-\d\d-\d\d|datetime\.date\([\d, ]+\)", "", output.getvalue())
        pattern = r"\b" + r"\b.*?\b".join(counts) + r"\b"
        assert re.search(pattern, text, flags=re.DOTALL), f"{name}: {counts} are not in\n{output.getvalue()}"


def check_questions(wa, update):
    """Runs each query on the views. Compares the documented result with the query's result, or replaces it."""
    path = DOCS / "sql-questions.md"
    page = path.read_text(encoding="utf-8")
    database = duckdb.connect()
    database.sql("set timezone = 'UTC'")
    database.execute(wa.run("views", "--for", "duckdb"))
    assert len(QUESTION.findall(page)) == 10

    def answer(match):
        query, documented = match.groups()
        result = table(database.sql(query))
        assert update or result == documented, f"{query}\n{result}\ninstead of\n{documented}"
        return f"```sql\n{query}```\n\n```text\n{result}```\n"

    answered = QUESTION.sub(answer, page)
    if update:
        path.write_text(answered, encoding="utf-8")


def table(result):
    """Returns a result as text, one row per line."""
    rows = [result.columns, *result.fetchall()]
    cells = [[str(cell).removesuffix("+00:00") for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    assert len(lines) > 1, f"a query has no rows: {result.columns}"
    return "\n".join(lines) + "\n"
