"""The ingest of `wa` on Apache Spark."""

from ._job import ingest

__all__ = ["ingest"]
