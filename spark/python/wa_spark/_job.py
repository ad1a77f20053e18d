"""The job: runs the tasks on a Spark session, and commits their results."""

import json
import os
import time

from . import _tasks
from ._engine import TASKS_PER_CORE, cores_of, is_classic, local_path, spread
from ._objects import EVENT, REPORT, SPARK_SCHEMA, Job

# Input bytes per partition of the shuffles.
PARTITION_BYTES = 128 << 20


def ingest(
    spark,
    inputs,
    store,
    *,
    chatbot=None,
    map=None,
    timezone=None,
    force=False,
    partitions=None,
    now=None,
    lock_timeout=600,
):
    """Ingests logs into a store, and returns the ingest summary as a dictionary.

    Files that an earlier job or ingest read are recognized, and not read again unless `force` is set.
    `inputs` are files, folders and globs. The inputs and the store must be mounted at the same path
    on the driver and on all executors. `partitions` is the number of partitions of the shuffles; by
    default there is one for 128 MiB of input, and at least one per core. `now` is the current time in
    microseconds since 1970.

    A job that fails leaves the store unchanged.
    """
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    now = time.time_ns() // 1000 if now is None else now
    options = {
        "chatbot": chatbot,
        "map": None if map is None else os.fspath(map),
        "timezone": timezone,
        "force": force,
    }
    paths = [local_path(path) for path in inputs]
    job = Job(local_path(store), paths, options, now, lock_timeout)
    try:
        _run_tasks(spark, job, partitions)
    except BaseException:
        job.abandon()
        raise
    summary, _ = job.commit()
    return summary


def _run_tasks(spark, job, partitions):
    settings = job.task_settings()
    files = job.files()
    if not files:
        return
    has_sort = is_classic(spark)
    cores = cores_of(spark)
    parts = -(-sum(os.path.getsize(path) for _, path, _ in files) // PARTITION_BYTES)
    if partitions is None:
        partitions = max(parts, cores)
    tasks = min(len(files), max(parts, TASKS_PER_CORE * cores))
    table = spread(spark, files, "file int, path string, name string", tasks)
    parsed = table.mapInArrow(_tasks.parse(settings), SPARK_SCHEMA)
    if has_sort:
        from pyspark import StorageLevel

        parsed = parsed.persist(StorageLevel.DISK_ONLY)
    try:
        for row in parsed.filter(f"kind = {REPORT}").select("payload").collect():
            job.add_parsed(bytes(row.payload))
        events = parsed.filter(f"kind = {EVENT}")
        stored = job.stored_event_files()
        if stored:
            paths = [(path,) for path in stored]
            table = spread(spark, paths, "path string", min(len(paths), partitions))
            events = events.union(table.mapInArrow(_tasks.stored(settings), SPARK_SCHEMA))
        # Spark sorts on disk. Sail drops the order before `mapInArrow`, so the tasks sort in memory.
        unique = events.repartition(partitions, "key")
        if has_sort:
            unique = unique.sortWithinPartitions("key", "kind", "time", "file", "position")
        unique = unique.mapInArrow(_tasks.dedupe(settings, has_sort), SPARK_SCHEMA)
        sessions = job.stored_session_files()
        if sessions:
            rows = [(json.dumps(stored),) for stored in sessions]
            table = spread(spark, rows, "payload string", min(len(rows), partitions))
            unique = unique.union(table.mapInArrow(_tasks.stored_sessions(settings), SPARK_SCHEMA))
        by_session = unique.repartition(partitions, "key")
        if has_sort:
            by_session = by_session.sortWithinPartitions("key", "kind", "time", "id")
        written = by_session.mapInArrow(_tasks.sessions(settings, has_sort), SPARK_SCHEMA)
        for row in written.select("payload").collect():
            job.add_written(bytes(row.payload))
    finally:
        if has_sort:
            parsed.unpersist()
    rewrites = job.rewrites()
    if rewrites:
        rows = [(json.dumps(rewrite),) for rewrite in rewrites]
        table = spread(spark, rows, "payload string", min(len(rows), partitions))
        rewritten = table.mapInArrow(_tasks.rewrite(settings), SPARK_SCHEMA)
        for row in rewritten.select("payload").collect():
            job.add_rewritten(bytes(row.payload))
