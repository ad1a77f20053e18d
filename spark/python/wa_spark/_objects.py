"""Python classes around the extension: jobs and tasks, which pass rows as Arrow record batches."""

import ctypes
import json

import pyarrow as pa

from . import _native

# The columns of the rows that tasks exchange, for Spark and for pyarrow.
SPARK_SCHEMA = "kind int, key binary, time long, file int, position long, id binary, payload binary"
SCHEMA = pa.schema(
    [
        ("kind", pa.int32()),
        ("key", pa.binary()),
        ("time", pa.int64()),
        ("file", pa.int32()),
        ("position", pa.int64()),
        ("id", pa.binary()),
        ("payload", pa.binary()),
    ]
)
# The kinds of rows. FILE is a part of a file that a task has written: `id` is its name, `position`
# the offset, and `payload` the bytes.
STORED, EVENT, REPORT, FILE = 0, 1, 2, 3

# Sizes of the structs of the Arrow C data interface.
_ARRAY_BYTES, _SCHEMA_BYTES = 80, 72


class Object:
    """An object of the extension."""

    def __init__(self, number):
        self._number = int(number)

    def __del__(self):
        try:
            _native.call(self._number, b"drop", b"", 0, 0)
        except (AttributeError, TypeError):
            pass  # The interpreter is shutting down.

    def _call(self, method, argument=b""):
        return _native.call(self._number, method.encode(), argument, 0, 0)

    def push(self, batch):
        """Passes a record batch to the object."""
        array, schema = _structs()
        batch.cast(SCHEMA)._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
        _native.call(self._number, b"push", b"", ctypes.addressof(array), ctypes.addressof(schema))

    def finish(self):
        """Ends the input of a task."""
        self._call("finish")

    def batches(self):
        """Yields the record batches that are ready."""
        while True:
            array, schema = _structs()
            addresses = ctypes.addressof(array), ctypes.addressof(schema)
            if not _native.call(self._number, b"next", b"", *addresses):
                return
            yield pa.RecordBatch._import_from_c(*addresses)


def _structs():
    return (ctypes.c_byte * _ARRAY_BYTES)(), (ctypes.c_byte * _SCHEMA_BYTES)()


class Context(Object):
    """The data that all tasks of a job share: settings, key, and the tables before the job."""

    def __init__(self, settings):
        super().__init__(_native.call(0, b"context", settings.encode(), 0, 0))

    def parse(self, file, path, name, modified=None):
        """Returns a task that parses a file.

        If the path is a temporary copy, `modified` is the time of its original, in milliseconds.
        """
        return Object(self._call("parse", json.dumps([file, path, name, modified]).encode()))

    def stored(self, path):
        """Returns the rows of the events in a stored file."""
        return Object(self._call("stored", json.dumps(path).encode()))

    def stored_sessions(self, stored):
        """Returns the rows of the sessions in a stored file."""
        return Object(self._call("stored_sessions", json.dumps(stored).encode()))

    def dedupe(self, is_sorted):
        """Returns a task that removes the duplicates of a partition."""
        return Object(self._call("dedupe", json.dumps(is_sorted).encode()))

    def sessions(self, is_sorted):
        """Returns a task that writes the events and the sessions of a partition."""
        return Object(self._call("sessions", json.dumps(is_sorted).encode()))

    def rewrite(self, rewrite):
        """Writes the remaining rows of a stored file. Returns a report."""
        return self._call("rewrite", json.dumps(rewrite).encode())


class ReportContext(Object):
    """The data that the tasks of a report share: its scope, and the folder of the store."""

    def __init__(self, settings):
        super().__init__(_native.call(0, b"report_context", settings.encode(), 0, 0))

    def compute(self, file):
        """Returns the results of a file."""
        return Object(self._call("compute", file.encode()))

    def visitors(self):
        """Returns a task that counts the visitors of a partition."""
        return Object(self._call("visitors"))


class Report(Object):
    """A report: plans its tasks, and computes the answer from their results."""

    def __init__(self, arguments):
        super().__init__(_native.call(0, b"report", json.dumps(arguments).encode(), 0, 0))

    def task_settings(self):
        """Returns the settings for `ReportContext`."""
        return self._call("task_settings").decode()

    def files(self):
        """Returns the files that tasks have to read."""
        return json.loads(self._call("files"))

    def add(self, result):
        """Adds a result of a task."""
        self._call("add", result)

    def is_outdated(self):
        """Returns whether a writer has changed the store since the report began."""
        return json.loads(self._call("is_outdated"))

    def finish(self):
        """Returns the report as JSON."""
        return self._call("finish").decode()


class FileRequests(Object):
    """The requests of a job for files that its working copy does not contain."""

    def __init__(self):
        super().__init__(_native.call(0, b"file_requests", b"", 0, 0))

    def next(self):
        """Waits for a request. Returns the path of the file; an empty string after a timeout."""
        return self._call("next").decode()

    def finish(self, path, error=None):
        """Reports that a file was downloaded, or why it was not."""
        self._call("finish", json.dumps([path, error]).encode())

    def close(self):
        """Fails all requests from now on."""
        self._call("close")


def manifest_files(manifest):
    """Returns the path and the size of each file that a manifest names, relative to the store.

    Raises RuntimeError if the manifest is damaged, or names a file that cannot belong to it.
    """
    return [tuple(file) for file in json.loads(_native.call(0, b"manifest_files", manifest, 0, 0))]


def log_names(names):
    """Returns the names of files that are read as logs if they are in a folder."""
    return json.loads(_native.call(0, b"log_names", json.dumps(names).encode(), 0, 0))


class Job(Object):
    """A job: holds the lock of the store until it is finished or abandoned."""

    def __init__(self, store, inputs, options, now, lock_timeout_seconds, listed=(), requests=None):
        """`listed` are the input files that only tasks can read, as `Status`. `requests` are the
        requests for files, if `store` is a working copy."""
        arguments = {
            "store": store,
            "requests": None if requests is None else requests._number,
            "inputs": inputs,
            "listed": [{"name": file.url, "bytes": file.bytes, "modified": file.modified} for file in listed],
            "options": options,
            "now": now,
            "lock_timeout_seconds": lock_timeout_seconds,
        }
        super().__init__(_native.call(0, b"job", json.dumps(arguments).encode(), 0, 0))

    def task_settings(self):
        """Returns the settings for `Context`."""
        return self._call("task_settings").decode()

    def files(self):
        """Returns the index, the path and the name of each input file."""
        return json.loads(self._call("files"))

    def listed_files(self):
        """Returns the index and the name of each listed file that a task must read."""
        return json.loads(self._call("listed_files"))

    def task_files(self):
        """Returns the files that a task needs to open the store: the name and the path of each."""
        return json.loads(self._call("task_files"))

    def add_parsed(self, report):
        """Adds the report of a task that parsed a file."""
        self._call("add_parsed", report)

    def stored_event_files(self):
        """Returns the stored files with which the new events must be compared."""
        return json.loads(self._call("stored_event_files"))

    def stored_session_files(self):
        """Returns the path of each stored file of sessions that new events can continue, with the
        argument for `Context.stored_sessions`."""
        return json.loads(self._call("stored_session_files"))

    def add_written(self, report):
        """Adds the report of a task that removed duplicates or wrote sessions."""
        self._call("add_written", report)

    def rewrites(self):
        """Returns the stored files that lose rows."""
        return json.loads(self._call("rewrites"))

    def add_rewritten(self, report):
        """Adds the report of a task that rewrote a file."""
        self._call("add_rewritten", report)

    def commit(self):
        """Commits. Returns the ingest summary, and whether anything was committed."""
        return json.loads(self._call("finish"))

    def abandon(self):
        """Abandons the job. The store remains unchanged."""
        self._call("abandon")
