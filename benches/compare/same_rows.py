"""Compares the tables of stores with DuckDB: `python3 same_rows.py STORE STORE…`; the first is what the others should be.

Prints, for each other store, each table whose rows differ, with how many rows only one of the two has. When a row was
stored and last changed is left out: it depends on when the logs came.
"""

import json
import sys

import duckdb

TABLES = {"events": ["created_at"], "sessions": ["created_at", "updated_at"],
          "daily_stats": ["created_at", "updated_at"], "visitors": []}
"""The tables, and their columns that are not compared."""


def only(table, here, there):
    """Counts the rows of a table that one store has and another has not, as often."""
    left_out = f"exclude ({', '.join(TABLES[table])})" if TABLES[table] else ""
    sides = [f"select * {left_out} from read_parquet('{store}/{table}/*/*.parquet', hive_partitioning = true)"
             for store in (here, there)]
    return duckdb.sql(f"select count(*) from ({sides[0]} except all {sides[1]})").fetchall()[0][0]


def differences(first, other):
    """Returns the tables that differ: rows that only the first has, and rows that only the other has."""
    found = {table: [only(table, first, other), only(table, other, first)] for table in TABLES}
    return {table: counts for table, counts in found.items() if any(counts)}


def main():
    """Prints the differences as JSON, by store."""
    first, *others = sys.argv[1:]
    print(json.dumps({other: differences(first, other) for other in others}))


if __name__ == "__main__":
    main()
