"""The tasks of a job, as functions for `mapInArrow`.

Each takes and yields Arrow record batches. A task on another machine imports this package and opens
the store, which is mounted there at the same path.

If the store is at a URL, the tasks get its small files as a broadcast variable, a `Bundle`, and write
them to a temporary folder. They receive data files and inputs as rows of Spark's data source
`binaryFile`, write them to that folder too, and return new files as rows.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass

import pyarrow as pa

from ._objects import FILE, REPORT, SCHEMA, Context, ReportContext

# Size of a part of a new file in a row, in bytes.
PART_BYTES = 4 << 20


@dataclass
class Bundle:
    """The small files of a store at a URL, which each task needs."""

    url: str
    # The contents of the files, by their path in the store.
    files: dict


def parse(settings, bundle):
    """Returns the function that parses the files of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, _):
            for row in _rows(batches):
                yield from context.parse(row["file"], row["path"], row["name"]).batches()

    return run


def parse_contents(settings, bundle, files):
    """Returns the function that parses files of `binaryFile`. `files` are their indexes by URL."""

    def run(batches):
        with _opened(settings, bundle) as (context, folder), _temporary() as inputs:
            for url, size, modified, content in _contents(batches):
                path = os.path.join(inputs, os.path.basename(url))
                with _copy(path, content):
                    if size != len(content):
                        # The file grew while it was read, so its status does not describe these bytes.
                        modified = time.time_ns() // 1_000_000
                    yield from context.parse(files.value[url], path, url, modified).batches()

    return run


def stored(settings, bundle):
    """Returns the function that reads the events of the stored files of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, _):
            for row in _rows(batches):
                yield from context.stored(row["path"]).batches()

    return run


def stored_contents(settings, bundle, files):
    """Returns the function that reads the events of stored files of `binaryFile`. `files` are their
    paths in the store, by URL."""

    def run(batches):
        with _opened(settings, bundle) as (context, folder):
            for url, _, _, content in _contents(batches):
                with _copy(os.path.join(folder, files.value[url]), content):
                    yield from context.stored(files.value[url]).batches()

    return run


def stored_sessions(settings, bundle):
    """Returns the function that reads the sessions of the stored files of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, _):
            for row in _rows(batches):
                yield from context.stored_sessions(json.loads(row["payload"])).batches()

    return run


def stored_session_contents(settings, bundle, files):
    """Returns the function that reads the sessions of stored files of `binaryFile`. `files` are their
    paths and arguments, by URL."""

    def run(batches):
        with _opened(settings, bundle) as (context, folder):
            for url, _, _, content in _contents(batches):
                path, argument = files.value[url]
                with _copy(os.path.join(folder, path), content):
                    yield from context.stored_sessions(argument).batches()

    return run


def dedupe(settings, bundle, is_sorted):
    """Returns the function that removes the duplicates of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, _):
            task = context.dedupe(is_sorted)
            for batch in batches:
                task.push(batch)
                yield from task.batches()
            task.finish()
            yield from task.batches()

    return run


def sessions(settings, bundle, is_sorted):
    """Returns the function that writes the events and sessions of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, folder):
            task = context.sessions(is_sorted)
            for batch in batches:
                task.push(batch)
            task.finish()
            yield from task.batches()
            yield from _staged(folder)

    return run


def rewrite(settings, bundle):
    """Returns the function that rewrites the stored files of a partition."""

    def run(batches):
        with _opened(settings, bundle) as (context, _):
            for row in _rows(batches):
                yield _row(REPORT, payload=context.rewrite(json.loads(row["payload"])))

    return run


def rewrite_contents(settings, bundle, files):
    """Returns the function that rewrites stored files of `binaryFile`. `files` are the arguments by
    URL."""

    def run(batches):
        with _opened(settings, bundle) as (context, folder):
            for url, _, _, content in _contents(batches):
                argument = files.value[url]
                with _copy(os.path.join(folder, argument["path"]), content):
                    yield _row(REPORT, payload=context.rewrite(argument))
                yield from _staged(folder)

    return run


def report(settings):
    """Returns the function that computes the results of the data files of a partition."""

    def run(batches):
        context = ReportContext(settings)
        for row in _rows(batches):
            yield from context.compute(row["file"]).batches()

    return run


def report_contents(settings, files):
    """Returns the function that computes the results of data files of `binaryFile`. `files` are the
    paths and arguments by URL."""

    def run(batches):
        with _temporary() as folder:
            context = ReportContext(_moved(settings, folder))
            for url, _, _, content in _contents(batches):
                path, argument = files.value[url]
                with _copy(os.path.join(folder, path), content):
                    yield from context.compute(argument).batches()

    return run


def visitors(settings):
    """Returns the function that counts the visitors of a partition."""

    def run(batches):
        task = ReportContext(settings).visitors()
        for batch in batches:
            task.push(batch)
        task.finish()
        yield from task.batches()

    return run


@contextlib.contextmanager
def _opened(settings, bundle):
    """Yields the context of the job, and its temporary folder if the store is at a URL."""
    if bundle is None:
        yield Context(settings), None
        return
    store = bundle.value
    with _temporary() as folder:
        for name, content in store.files.items():
            _write(os.path.join(folder, name), content)
        os.mkdir(os.path.join(folder, "staging"), 0o700)
        try:
            yield Context(_moved(settings, folder)), folder
        except RuntimeError as error:
            raise RuntimeError(str(error).replace(folder, store.url)) from error


@contextlib.contextmanager
def _temporary():
    """Yields a temporary folder, if possible in a folder that Spark removes with the executor."""
    folders = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")
    parent = next((folder for folder in folders if os.path.isdir(folder)), None)
    folder = tempfile.mkdtemp(prefix="wa-spark-", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _moved(settings, folder):
    """Returns the settings for a store in another folder."""
    return json.dumps(json.loads(settings) | {"store": folder})


@contextlib.contextmanager
def _copy(path, content):
    """Writes a temporary file."""
    _write(path, content)
    try:
        yield
    finally:
        os.remove(path)


def _write(path, content):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _rows(batches):
    for batch in batches:
        yield from batch.to_pylist()


def _contents(batches):
    """Yields the URL, size, modification time and content of each file, without copying its bytes."""
    for batch in batches:
        urls, sizes, times = (batch.column(name).to_pylist() for name in ("path", "length", "modified"))
        contents = batch.column("content")
        for at in range(batch.num_rows):
            yield urls[at], sizes[at], times[at], memoryview(contents[at].as_buffer())


def _staged(folder):
    """Yields the files that a task has written, as rows, and removes them."""
    if folder is None:
        return
    staging = os.path.join(folder, "staging")
    for name in sorted(os.listdir(staging)):
        path = os.path.join(staging, name)
        with open(path, "rb") as file:
            while True:
                position = file.tell()
                part = file.read(PART_BYTES)
                if not part and position:
                    break
                yield _row(FILE, position=position, id=name.encode(), payload=part)
        os.remove(path)


def _row(kind, position=0, id=b"", payload=b""):
    columns = [[kind], [b""], [0], [0], [position], [id], [payload]]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA)]
    return pa.record_batch(arrays, schema=SCHEMA)
