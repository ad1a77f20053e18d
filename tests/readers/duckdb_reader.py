"""Reader for DuckDB."""

from datetime import timezone

import duckdb

from sql_reader import SqlReader

KINDS = {"VARCHAR": "text", "INTEGER": "int32", "BIGINT": "int64", "DOUBLE": "float", "BOOLEAN": "bool",
         "TIMESTAMP WITH TIME ZONE": "timestamp", "DATE": "date"}


class DuckDb(SqlReader):
    version = duckdb.__version__

    def __init__(self, store):
        self.store = store
        self.database = duckdb.connect()
        self.database.sql("set timezone = 'UTC'")

    def table(self, name):
        return f"read_parquet('{self.store}/{name}/*/*.parquet', hive_partitioning = true)"

    def query(self, text):
        rows = self.database.sql(text).fetchall()
        # Times have the zone of the connection.
        return [[v.astimezone(timezone.utc) if hasattr(v, "astimezone") else v for v in row] for row in rows]

    def types(self, table):
        return {row[0]: KINDS[row[1]] for row in self.query(f"describe from {self.table(table)}")}

    def write(self, table, kind, path):
        options = {"csv": "format csv, header", "parquet": "format parquet"}[kind]
        self.database.sql(f"copy (from {self.table(table)}) to '{path}' ({options})")


READERS = {"duckdb": DuckDb}
