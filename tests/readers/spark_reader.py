"""Reader for Spark, if `pyspark` is installed. It reads only the views."""

from datetime import timezone

import pyspark
from pyspark.sql import SparkSession

from sql_reader import SqlReader

KINDS = {"string": "text", "int": "int32", "bigint": "int64", "double": "float", "boolean": "bool",
         "timestamp": "timestamp", "date": "date"}


class SparkViews(SqlReader):
    engine = "spark"
    version = pyspark.__version__

    def __init__(self, _store):
        settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC",
                    "spark.sql.shuffle.partitions": "2"}
        builder = SparkSession.builder.master("local[2]")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def create(self, text):
        from views import statements

        for statement in statements(text):
            self.session.sql(statement)

    def table(self, name):
        return name

    def query(self, text):
        rows = [list(row) for row in self.session.sql(text).collect()]
        return [[v.astimezone(timezone.utc) if hasattr(v, "astimezone") else v for v in row] for row in rows]

    def types(self, table):
        return {name: KINDS[kind] for name, kind in self.session.table(table).dtypes}
