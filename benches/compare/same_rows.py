"""Compares the tables of stores with those of the first store: `python3 same_rows.py STORE STORE…`.

For each further store, prints the tables that differ, and the number of rows that only one of the
two stores has. `created_at` and `updated_at` are not compared: they depend on the time of the ingest.
"""

import json
import sys

import duckdb

TABLES = {"events": ["created_at"], "sessions": ["created_at", "updated_at"],
          "daily_stats": ["created_at", "updated_at"], "visitors": []}
"""The tables, and their columns that are not compared."""


def only(table, here, there):
    """Returns the number of rows that one store has more often than another."""
    left_out = f"exclude ({', '.join(TABLES[table])})" if TABLES[table] else ""
    sides = [f"select * {left_out} from read_parquet('{store}/{table}/*/*.parquet', hive_partitioning = true)"
             for store in (here, there)]
    return duckdb.sql(f"select count(*) from ({sides[0]} except all {sides[1]})").fetchall()[0][0]


def differences(first, other):
    """Returns the tables that differ, with the rows only in the first and only in the other."""
    found = {table: [only(table, first, other), only(table, other, first)] for table in TABLES}
    return {table: counts for table, counts in found.items() if any(counts)}


def main():
    """Prints the differences as JSON, by store."""
    first, *others = sys.argv[1:]
    print(json.dumps({other: differences(first, other) for other in others}))


if __name__ == "__main__":
    main()
