"""Compares the values of tables, independently of the library that read or wrote them."""

import csv
import re
import sys
from collections import Counter
from datetime import date, datetime, timezone
from functools import cache
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

PARTITIONS = {"events": ("event_date", "date"), "sessions": ("session_date", "date"),
              "daily_stats": ("stat_month", "text"), "visitors": ("first_seen_month", "text")}
"""Name and type of each table's partition column."""

DOCUMENTED = {"text": "text", "text (UUID)": "text", "text (JSON)": "text", "int32": "int32",
              "int64": "int64", "float64": "float", "boolean": "bool", "timestamp (µs, UTC)": "timestamp",
              "date": "date"}
"""Maps the types in `docs/columns.md` to their names in these scripts."""

csv.field_size_limit(sys.maxsize)


@cache
def types(table):
    """Returns the type of each column, in order, with the partition column at the end.

    The types come from `docs/columns.md`, the documentation for users."""
    page = Path(__file__).resolve().parents[2] / "docs" / "columns.md"
    section = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    section = next(text for text in section if text.startswith(f"{table}\n"))
    rows = re.findall(r"^- `(\w+)`: (\w+(?: \([^)]*\))?)[.,]", section, flags=re.MULTILINE)
    return dict([*((name, DOCUMENTED[kind]) for name, kind in rows), PARTITIONS[table]])


def read_store(store, table):
    """Returns the rows of a table, as pyarrow reads them."""
    return from_arrow(ds.dataset(store / table, partitioning="hive").to_table(), table)


def read_parquet(path, table):
    """Returns the rows of a Parquet file that a library wrote."""
    # `partitioning=None`: do not read columns from the path of the file.
    return from_arrow(pq.read_table(path, partitioning=None), table)


def read_csv(path, table):
    """Returns the rows of a CSV file that a library wrote."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    header = rows[0]
    assert sorted(header) == sorted(types(table)), f"columns of {path.name}: {header}"
    return rows_of([dict(zip(header, row)) for row in rows[1:]], table)


def from_arrow(data, table):
    return rows_of(data.to_pylist(), table)


def rows_of(rows, table):
    """Counts the occurrences of each row. Values have built-in types of Python."""
    kinds = types(table)
    return Counter(tuple(value(row[name], kind) for name, kind in kinds.items()) for row in rows)


def value(cell, kind):
    """Converts a value from CSV or Arrow to `kind`."""
    # Tables contain neither the empty string nor `\N`, so both are null.
    if cell is None or cell in ("", "\\N") or cell != cell:
        return None
    if kind == "text":
        return str(cell)
    if kind in ("int32", "int64"):
        # pandas converts integers to floats if one of them is null.
        return int(cell) if not str(cell).endswith(".0") else int(float(cell))
    if kind == "float":
        return float(cell)
    if kind == "bool":
        return cell if isinstance(cell, bool) else {"true": True, "false": False}[str(cell).lower()]
    if kind == "date":
        return day(cell)
    return instant(cell)


def day(cell):
    if isinstance(cell, datetime):
        return cell.date()
    return cell if isinstance(cell, date) else date.fromisoformat(str(cell)[:10])


def instant(cell):
    """Returns a time in UTC. A string without an offset is in UTC."""
    if not isinstance(cell, datetime):
        text = re.sub(r"(Z|[+-]00(:?00)?)$", "", str(cell).strip())
        # Some Python versions accept only three or six digits.
        text, _, fraction = text.partition(".")
        cell = datetime.fromisoformat(text).replace(microsecond=int(fraction.ljust(6, "0")[:6] or 0))
    return cell.replace(tzinfo=timezone.utc) if cell.tzinfo is None else cell.astimezone(timezone.utc)


def difference(actual, expected):
    """Returns examples and numbers of the rows that only one side has; `None` if both are equal."""
    missing, extra = expected - actual, actual - expected
    if not missing and not extra:
        return None
    return {"missing": list(missing)[:1], "extra": list(extra)[:1],
            "rows": (sum(missing.values()), sum(extra.values()))}
