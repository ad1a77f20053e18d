"""Functions for both engines, Spark and Sail."""

import os
import re
from urllib.parse import unquote, urlsplit

# Tasks per core that read files, if the input is small. Each task opens the store, so more tasks
# would take longer.
TASKS_PER_CORE = 4


def is_classic(spark):
    """Returns whether the session runs in this process, and not through Spark Connect."""
    return hasattr(spark, "sparkContext") and "connect" not in type(spark).__module__


def cores_of(spark):
    """Returns the number of cores of the session or, with Spark Connect, of this machine."""
    return spark.sparkContext.defaultParallelism if is_classic(spark) else os.cpu_count()


def spread(spark, rows, schema, partitions):
    """Returns a DataFrame of the rows in `partitions` partitions."""
    return spark.createDataFrame([tuple(row) for row in rows], schema).repartition(partitions)


def local_path(path):
    """Returns the path of a file or folder, which may be a `file:` URL.

    Raises ValueError for other URLs: the Python workers cannot use Spark's file systems.
    """
    path = os.fspath(path)
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
        return path
    url = urlsplit(path)
    if url.scheme.lower() == "file" and url.netloc in ("", "localhost"):
        return unquote(url.path)
    raise ValueError(f"{path} is not a path\nhint: mount the file system on all machines, and pass the path of the mount")
