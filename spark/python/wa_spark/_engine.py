"""What Spark and Sail have in common, and where they differ."""

import os

# Tasks per core that read files, if the input is small. Each task opens the store, so more would not
# pay off.
TASKS_PER_CORE = 4


def is_classic(spark):
    """Returns whether the session is Spark's own in this process, and not one of Spark Connect."""
    return hasattr(spark, "sparkContext") and "connect" not in type(spark).__module__


def cores_of(spark):
    """Returns the number of cores, as far as the session tells it."""
    return spark.sparkContext.defaultParallelism if is_classic(spark) else os.cpu_count()


def spread(spark, rows, schema, partitions):
    """Returns rows in `partitions` partitions."""
    return spark.createDataFrame([tuple(row) for row in rows], schema).repartition(partitions)
