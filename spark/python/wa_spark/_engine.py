"""Functions for both engines, Spark and Sail."""

import os

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
