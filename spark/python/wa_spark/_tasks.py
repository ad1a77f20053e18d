"""The tasks of a job, as functions for `mapInArrow`.

Each takes and yields Arrow record batches. A task on another machine imports this package and opens
the store, which is mounted there at the same path.
"""

import json

import pyarrow as pa

from ._objects import SCHEMA, Context, ReportContext


def parse(settings):
    """Returns the function that parses the files of a partition."""

    def run(batches):
        context = Context(settings)
        for batch in batches:
            for row in batch.to_pylist():
                yield from context.parse(row["file"], row["path"], row["name"]).batches()

    return run


def stored(settings):
    """Returns the function that reads the events of the stored files of a partition."""

    def run(batches):
        context = Context(settings)
        for batch in batches:
            for row in batch.to_pylist():
                yield from context.stored(row["path"]).batches()

    return run


def stored_sessions(settings):
    """Returns the function that reads the sessions of the stored files of a partition."""

    def run(batches):
        context = Context(settings)
        for batch in batches:
            for row in batch.to_pylist():
                yield from context.stored_sessions(json.loads(row["payload"])).batches()

    return run


def dedupe(settings, is_sorted):
    """Returns the function that removes the duplicates of a partition."""

    def run(batches):
        task = Context(settings).dedupe(is_sorted)
        for batch in batches:
            task.push(batch)
            yield from task.batches()
        task.finish()
        yield from task.batches()

    return run


def sessions(settings, is_sorted):
    """Returns the function that writes the events and sessions of a partition."""

    def run(batches):
        task = Context(settings).sessions(is_sorted)
        for batch in batches:
            task.push(batch)
        task.finish()
        yield from task.batches()

    return run


def rewrite(settings):
    """Returns the function that rewrites the stored files of a partition."""

    def run(batches):
        context = Context(settings)
        for batch in batches:
            for row in batch.to_pylist():
                report = context.rewrite(json.loads(row["payload"]))
                columns = [[2], [b""], [0], [0], [0], [b""], [report]]
                arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA)]
                yield pa.record_batch(arrays, schema=SCHEMA)

    return run


def report(settings):
    """Returns the function that computes the results of the data files of a partition."""

    def run(batches):
        context = ReportContext(settings)
        for batch in batches:
            for row in batch.to_pylist():
                yield from context.compute(row["file"]).batches()

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
