"""The ingest and the reports of `wa` on Apache Spark."""

from ._job import ingest
from ._report import report

__all__ = ["ingest", "report"]
