"""The inputs of a job at URLs: finds their files, and reads them in tasks."""

import re

from ._engine import spread
from ._objects import log_names

# The largest file that one row can hold, in bytes.
MAX_FILE_BYTES = (1 << 31) - (1 << 20)


def list_files(files, urls, store):
    """Returns the log files of inputs at URLs: files, folders and globs.

    As for local inputs, a file is read regardless of its name, folders are searched recursively for
    names of logs, and the files of stores are not read. `store` is the store of the job, if it is at
    a URL. Raises ValueError or RuntimeError if an input does not exist or cannot be read.
    """
    search = _Search(files, store)
    found = {}
    for url in urls:
        for status in search.find(url):
            found[status.url] = status
    for status in found.values():
        if status.name.startswith(("_", ".")):
            raise ValueError(
                f"cannot read {status.url}: Spark ignores files whose names begin with _ or .\n"
                "hint: rename the file"
            )
        if status.bytes > MAX_FILE_BYTES:
            raise ValueError(
                f"cannot read {status.url}: it has {status.bytes} bytes, and Spark reads files of at most 2 GiB\n"
                "hint: split or compress the file, or mount the file system and pass the path"
            )
    return [found[url] for url in sorted(found)]


def read_files(spark, urls, empty=()):
    """Returns a table of files: path, length, modified (milliseconds since 1970) and content.

    `empty` are the files of 0 bytes, as `Status`: `binaryFile` omits them.
    """
    empty = [(file.url, 0, file.modified, b"") for file in empty]
    if empty:
        schema = "path string, length long, modified long, content binary"
        table = spread(spark, empty, schema, 1)
        return read_files(spark, urls).union(table) if urls else table
    reader = spark.read.format("binaryFile").options(
        # The names of folders must not become columns, and a file that cannot be read is an error.
        recursiveFileLookup="true",
        ignoreMissingFiles="false",
        ignoreCorruptFiles="false",
    )
    table = reader.load([_escape(url) for url in urls])
    return table.selectExpr("path", "length", "unix_millis(modificationTime) AS modified", "content")


def _escape(url):
    """Escapes the characters of a URL that have a meaning in patterns."""
    return re.sub(r"([\\{}\[\]*?,^])", r"\\\1", url)


class _Search:
    def __init__(self, files, store):
        self.files = files
        self.stores = {} if store is None else {files.qualify(store): True}

    def find(self, url):
        """Returns the files of an input."""
        given = self.files.status(url)
        if given is not None:
            matches = [given]
        elif re.search(r"[*?\[{]", url):
            matches = self.files.glob(url)
            if not matches:
                raise RuntimeError(f"no file matches {url}\nhint: check the folder")
        else:
            raise RuntimeError(f"cannot read {url}: it does not exist\nhint: check the URL")
        return [status for match in matches for status in self._of_match(match)]

    def _of_match(self, match):
        folder = match.url if match.is_folder else _parent(match.url)
        while folder is not None:
            if self._is_store(folder, folder != match.url):
                raise ValueError(
                    f"cannot ingest {match.url}: it belongs to a wa store\n"
                    "hint: name the log files; `wa export` exports the events of a store"
                )
            folder = _parent(folder)
        if not match.is_folder:
            return [match]
        found, folders = [], [match.url]
        while folders:
            folder = folders.pop()
            entries = self.files.list(folder)
            if self.stores.get(folder) or self._is_store_with(entries):
                continue
            folders += [entry.url for entry in entries if entry.is_folder]
            logs = set(log_names([entry.name for entry in entries if not entry.is_folder]))
            found += [entry for entry in entries if not entry.is_folder and entry.name in logs]
        if not found:
            raise ValueError(f"{match.url} has no logs")
        return found

    def _is_store(self, folder, is_parent):
        if folder not in self.stores:
            try:
                manifest = self.files.status(f"{folder}/manifest.json")
                self.stores[folder] = manifest is not None and self._is_store_with([manifest])
            except RuntimeError:
                # The user can read the logs, but not all their parent folders.
                if not is_parent:
                    raise
                self.stores[folder] = False
        return self.stores[folder]

    def _is_store_with(self, entries):
        """Returns whether a folder with these entries is a store."""
        manifests = [entry for entry in entries if entry.name == "manifest.json" and not entry.is_folder]
        if not manifests:
            return False
        return b'"wa-store"' in (self.files.read(manifests[0].url, 4096) or b"")


def _parent(url):
    """Returns the folder of a URL; None for the root of its file system."""
    parent = url.rstrip("/").rsplit("/", 1)[0]
    return parent if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/(/[^/]*/)?[^/]", parent) else None
