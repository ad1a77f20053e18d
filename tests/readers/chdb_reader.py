"""Reader for ClickHouse, embedded as the library chDB."""

import json
from datetime import date, datetime, timezone

import chdb

from sql_reader import SqlReader

KINDS = {"String": "text", "Int32": "int32", "Int64": "int64", "Float64": "float", "Bool": "bool",
         "DateTime64(6, 'UTC')": "timestamp", "Date32": "date", "Date": "date"}


class ChDb(SqlReader):
    version = chdb.__version__
    day_first_seen = "toDate(v.first_seen_at)"

    def __init__(self, store):
        self.store = store

    def table(self, name):
        return f"file('{self.store}/{name}/*/*.parquet', Parquet)"

    def run(self, text, format):
        return chdb.query(f"{text} settings {SETTINGS}", format)

    def query(self, text):
        result = json.loads(str(self.run(text, "JSONCompact")))
        kinds = [kind(column["type"]) for column in result["meta"]]
        return [[value(cell, kind) for cell, kind in zip(row, kinds)] for row in result["data"]]

    def types(self, table):
        return {row[0]: kind(row[1]) for row in self.query(f"describe {self.table(table)}")}

    def write(self, table, format, path):
        name = {"csv": "CSVWithNames", "parquet": "Parquet"}[format]
        result = chdb.query(f"select * from {self.table(table)} settings {SETTINGS}", name)
        path.write_bytes(result.bytes())

    def names(self, values):
        return f"(select c1 as chatbot_id, c2 as name from values({values})) n"


SETTINGS = "use_hive_partitioning = 1, output_format_json_quote_64bit_integers = 0"


def kind(type):
    """Returns the type of a column's values. Other types, such as UInt64 of counts, are returned unchanged."""
    for wrapper in ("LowCardinality(", "Nullable("):
        type = type.removeprefix(wrapper)
    type = type[:-1] if type.endswith("))") or type.endswith(")") and "(" not in type else type
    return KINDS.get(type, type)


def value(cell, kind):
    if cell is None:
        return None
    if kind == "timestamp":
        return datetime.fromisoformat(cell).replace(tzinfo=timezone.utc)
    return date.fromisoformat(cell) if kind == "date" else cell


READERS = {"chdb": ChDb}
