"""The job: runs the tasks on a Spark session, and commits their results."""

import contextlib
import json
import os
import time

from . import _tasks
from ._engine import TASKS_PER_CORE, cores_of, is_classic, spread
from ._files import FileSystems, is_url, local_path
from ._inputs import list_files, read_files
from ._objects import EVENT, FILE, REPORT, SPARK_SCHEMA, Job
from ._store import open_store

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
    `inputs` are files, folders and globs. Each input and the store is a path, or a URL of a file
    system that the Spark session can reach, such as `hdfs://…` and `s3a://…`. Paths must be mounted
    on the driver and on all executors. `partitions` is the number of partitions of the shuffles; by
    default there is one for 128 MiB of input, and at least one per core. `now` is the current time in
    microseconds since 1970. `lock_timeout` is how long to wait for another writer, in seconds.

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
    paths = [local_path(path) for path in inputs if not is_url(path)]
    urls = [os.fspath(path) for path in inputs if is_url(path)]
    store_url = os.fspath(store) if is_url(store) else None
    with contextlib.ExitStack() as stack:
        listed = []
        if urls or store_url:
            files = FileSystems(spark, store_url or urls[0])
            stack.callback(files.close)
            listed = list_files(files, urls, store_url)
        if store_url is None:
            job = Job(local_path(store), paths, options, now, lock_timeout, listed)
            return _run(spark, job, partitions, listed, None)
        name = f"the Spark job {spark.sparkContext.applicationId}"
        remote = stack.enter_context(open_store(files, store_url, name, lock_timeout))
        job = Job(remote.folder, paths, options, now, 0, listed, remote.requests)
        summary = _run(spark, job, partitions, listed, remote)
        remote.publish()
        return summary


def _run(spark, job, partitions, listed, remote):
    """Runs the tasks, and commits. Returns the summary."""
    try:
        if remote:
            remote.opened()
        _Tasks(spark, job, remote).run(partitions, listed)
    except BaseException:
        job.abandon()
        raise
    summary, _ = job.commit()
    return summary


class _Tasks:
    """The tasks of a job. `remote` is the store if it is at a URL."""

    def __init__(self, spark, job, remote):
        self.spark, self.job, self.remote = spark, job, remote
        self.settings = job.task_settings()
        self.bundle = None
        self.has_sort = is_classic(spark)

    def run(self, partitions, listed):
        """Runs all tasks."""
        try:
            self._run(partitions, listed)
        finally:
            # The bundle contains the secret key, so it must not outlive the job.
            if self.bundle:
                self.bundle.destroy()

    def _run(self, partitions, listed):
        job = self.job
        local, at_urls = job.files(), job.listed_files()
        if not local and not at_urls:
            return
        if self.remote:
            files = {}
            for name, path in job.task_files():
                with open(path, "rb") as file:
                    files[name] = file.read()
            self.bundle = self.spark.sparkContext.broadcast(_tasks.Bundle(self.remote.url, files))
        cores = cores_of(self.spark)
        status = {file.url: file for file in listed}
        total = sum(os.path.getsize(path) for _, path, _ in local)
        total += sum(status[url].bytes for _, url in at_urls)
        parts = -(-total // PARTITION_BYTES)
        if partitions is None:
            partitions = max(parts, cores)
        parsed = []
        if local:
            tasks = min(len(local), max(parts, TASKS_PER_CORE * cores))
            table = spread(self.spark, local, "file int, path string, name string", tasks)
            parsed.append(self._map(table, _tasks.parse))
        if at_urls:
            files = {url: file for file, url in at_urls}
            empty = [status[url] for url in files if status[url].bytes == 0]
            parsed.append(self._map_contents(files, _tasks.parse_contents, empty))
        parsed = parsed[0].union(parsed[1]) if len(parsed) == 2 else parsed[0]
        with self._persisted(parsed) as parsed:
            for row in parsed.filter(f"kind = {REPORT}").select("payload").collect():
                job.add_parsed(bytes(row.payload))
            self._write(parsed.filter(f"kind = {EVENT}"), partitions)
        rewrites = job.rewrites()
        if rewrites:
            files = {rewrite["path"]: rewrite for rewrite in rewrites}
            rows = [(json.dumps(rewrite),) for rewrite in rewrites]
            table = self._stored(
                files, "payload string", rows, partitions, _tasks.rewrite, _tasks.rewrite_contents
            )
            self._collect(table, job.add_rewritten)

    def _write(self, events, partitions):
        """Removes duplicates, and writes events and sessions."""
        job = self.job
        stored = job.stored_event_files()
        if stored:
            files, rows = {path: path for path in stored}, [(path,) for path in stored]
            events = events.union(
                self._stored(files, "path string", rows, partitions, _tasks.stored, _tasks.stored_contents)
            )
        # Spark sorts on disk. Sail drops the order before `mapInArrow`, so the tasks sort in memory.
        unique = events.repartition(partitions, "key")
        if self.has_sort:
            unique = unique.sortWithinPartitions("key", "kind", "time", "file", "position")
        unique = self._map(unique, _tasks.dedupe, self.has_sort)
        sessions = job.stored_session_files()
        if sessions:
            files = {path: (path, argument) for path, argument in sessions}
            rows = [(json.dumps(argument),) for _, argument in sessions]
            tasks = _tasks.stored_sessions, _tasks.stored_session_contents
            unique = unique.union(self._stored(files, "payload string", rows, partitions, *tasks))
        by_session = unique.repartition(partitions, "key")
        if self.has_sort:
            by_session = by_session.sortWithinPartitions("key", "kind", "time", "id")
        self._collect(self._map(by_session, _tasks.sessions, self.has_sort), job.add_written)

    def _map(self, table, task, *arguments):
        return table.mapInArrow(task(self.settings, self.bundle, *arguments), SPARK_SCHEMA)

    def _map_contents(self, files, task, empty=()):
        """Runs a task on the contents of files at URLs. `files` has a value for each URL. `empty` are
        those of 0 bytes."""
        urls = files.keys() - {file.url for file in empty}
        table = read_files(self.spark, sorted(urls), empty)
        return self._map(table, task, self.spark.sparkContext.broadcast(files))

    def _stored(self, files, schema, rows, partitions, task, task_of_contents):
        """Runs a task on stored files: on `rows` if the store is mounted, or else on the contents of
        the files. `files` has a value for each path in the store."""
        if self.remote:
            files = {self.remote.path_of(path): value for path, value in files.items()}
            return self._map_contents(files, task_of_contents)
        return self._map(spread(self.spark, rows, schema, min(len(rows), partitions)), task)

    def _collect(self, table, add):
        """Passes the reports of tasks to the job, and their files to the working copy."""
        if not self.remote:
            for row in table.select("payload").collect():
                add(bytes(row.payload))
            return
        with self._persisted(table.select("kind", "position", "id", "payload")) as table:
            table.count()
            # If a partition is computed again, its files have different names. The rows of a
            # partition are fetched together, so its reports and files are those of one computation.
            for row in table.toLocalIterator(prefetchPartitions=True):
                if row.kind == FILE:
                    self.remote.add_staged(row.id.decode(), row.position, row.payload)
                else:
                    add(bytes(row.payload))

    @contextlib.contextmanager
    def _persisted(self, table):
        """Keeps the rows of a table on the disks of the executors, if possible."""
        if not self.has_sort:
            yield table
            return
        from pyspark import StorageLevel

        table = table.persist(StorageLevel.DISK_ONLY)
        try:
            yield table
        finally:
            table.unpersist()
