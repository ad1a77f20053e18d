"""Checks that the views of `wa views` have the rows and the column types of the tables."""

import importlib.util

import chdb.session

import cells
from chdb_reader import SETTINGS, ChDb
from duckdb_reader import DuckDb
from wa import TABLES, Wa

STORE = "it's a [store]"
"""A folder name with a quote, and with characters that are special in glob patterns."""


class DuckDbViews(DuckDb):
    engine = "duckdb"

    def create(self, text):
        self.database.execute(text)

    def table(self, name):
        return name


class ChDbViews(ChDb):
    engine = "clickhouse"

    def __init__(self, store):
        super().__init__(store)
        self.session = chdb.session.Session()
        # The views must work without this setting.
        self.session.query("set use_hive_partitioning = 0")

    def create(self, text):
        for statement in statements(text):
            self.session.query(statement)

    def run(self, text, format):
        return self.session.query(f"{text} settings {SETTINGS.split(', ')[1]}", format)

    def table(self, name):
        return name


READERS = [DuckDbViews, ChDbViews]
if importlib.util.find_spec("pyspark"):
    from spark_reader import SparkViews

    READERS.append(SparkViews)


def check(wa, expected, folder):
    """Creates the views in each library and compares them with the reports."""
    link = folder / STORE
    link.symlink_to(wa.store)
    empty = Wa(wa.program, folder / "empty")
    empty.run("init", "--timezone", "UTC")
    for reader in READERS:
        reader = reader(wa.store)
        reader.create(Wa(wa.program, link).run("views", "--for", reader.engine))
        for table in TABLES:
            assert reader.types(table) == cells.types(table), (reader.engine, table, reader.types(table))
            assert reader.count(table) == expected.rows[table], (reader.engine, table)
        first, last = expected.days
        assert reader.summary(first, last) == expected.summary, reader.engine
        assert reader.trends(first, last) == expected.trends, reader.engine
        reader.create(empty.run("views", "--for", reader.engine))
        for table in TABLES:
            assert reader.count(table) == 0, (reader.engine, table)
            assert reader.types(table) == cells.types(table), (reader.engine, table, reader.types(table))
        print(f"views in {reader.engine}: passed")


def statements(text):
    """Splits a string into SQL statements."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement for statement in "\n".join(lines).split(";\n") if statement.strip()]
