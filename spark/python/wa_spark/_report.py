"""Reports that a Spark session computes."""

import contextlib
import datetime
import json
import os

from . import _tasks
from ._engine import TASKS_PER_CORE, cores_of, spread
from ._files import FileSystems, is_url, local_path
from ._inputs import read_files
from ._objects import SPARK_SCHEMA, Report
from ._store import read_store

# Maximum number of sessions and visitors per task. Each takes 8 bytes of memory.
ROWS_PER_PARTITION = 8 << 20
# Number of shards of visitors: more partitions would be empty.
SHARDS = 64
# Maximum number of attempts if a writer changes the store meanwhile.
MAX_ATTEMPTS = 10


def report(
    spark,
    store,
    kind="summary",
    *,
    days=None,
    from_=None,
    to=None,
    as_of=None,
    chatbot=None,
    limit=None,
    partitions=None,
    now=None,
):
    """Computes a report, and returns what `wa report KIND --format json` prints, as a dictionary.

    `kind` is summary, trends, events, sources, devices or visitors. The options are those of
    `wa report`, with the days of the store's time zone; `chatbot` is a name or a list of names. The
    store is a path that is mounted on the driver and on all executors, or a URL of a file system that
    the Spark session can reach. `partitions` is the number of partitions in which visitors are
    counted. `now` is the current time in microseconds since 1970.
    """
    chatbots = [chatbot] if isinstance(chatbot, str) else chatbot or []
    options = [("days", days), ("from", from_), ("to", to), ("as-of", as_of), ("limit", limit)]
    options += [("chatbot", name) for name in chatbots]
    arguments = [kind]
    for name, value in options:
        if value is not None:
            arguments += [f"--{name}={value}"]
    if now is not None:
        time = datetime.datetime.fromtimestamp(now // 1_000_000, datetime.timezone.utc)
        arguments += [f"--now={time:%Y-%m-%dT%H:%M:%SZ}"]
    return json.loads(report_text(spark, store, arguments, partitions))


def report_text(spark, store, arguments, partitions=None):
    """Computes the report for arguments of `wa report`, and returns its JSON."""
    with contextlib.ExitStack() as stack:
        copy = None
        if is_url(store):
            files = FileSystems(spark, os.fspath(store))
            stack.callback(files.close)
            copy = stack.enter_context(read_store(files, os.fspath(store)))
        folder = copy.folder if copy else local_path(store)
        arguments = [f"--store={folder}", "report", *arguments]
        for attempt in range(MAX_ATTEMPTS):
            if copy:
                copy.refresh()
            plan = Report(arguments)
            try:
                for result in _results(spark, plan, partitions, copy):
                    plan.add(result)
                return plan.finish()
            except Exception:
                # A writer may have removed a file.
                if copy:
                    copy.refresh()
                if attempt + 1 == MAX_ATTEMPTS or not plan.is_outdated():
                    raise


def _results(spark, plan, partitions, copy):
    files = plan.files()
    if not files:
        return []
    settings, cores = plan.task_settings(), cores_of(spark)
    if copy:
        paths = [file["file"]["path"] for file in files]
        urls = {copy.path_of(path): (path, json.dumps(file)) for path, file in zip(paths, files)}
        table = read_files(spark, list(urls))
        task = _tasks.report_contents(settings, spark.sparkContext.broadcast(urls))
    else:
        rows = [(json.dumps(file),) for file in files]
        table = spread(spark, rows, "file string", min(len(rows), TASKS_PER_CORE * cores))
        task = _tasks.report(settings)
    results = table.mapInArrow(task, SPARK_SCHEMA)
    if any(file["table"] == "visitors" for file in files):
        if partitions is None:
            entries = sum(file["file"]["rows"] for file in files)
            partitions = min(max(cores, -(-entries // ROWS_PER_PARTITION)), SHARDS)
        results = results.repartition(partitions, "key")
        results = results.mapInArrow(_tasks.visitors(settings), SPARK_SCHEMA)
    return [bytes(row.payload) for row in results.select("payload").collect()]
