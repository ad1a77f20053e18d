"""Failures of file systems and conflicts with other programs, with fakes in place of Spark."""

import os
import tempfile
import unittest
import warnings
from types import SimpleNamespace
from unittest import mock

from py4j.protocol import Py4JJavaError
from wa_spark import _files, _inputs, _store
from wa_spark._files import FileSystems, Status

URL = "fake://host/store"
LOCK = f"{URL}/job.lock"


def java_error(text="java.io.IOException: the disk is full"):
    return Py4JJavaError("", SimpleNamespace(_target_id="o1", toString=lambda: text))


class Stream:
    """A stream to `target`, a dictionary. It fails after `limit` bytes."""

    def __init__(self, target, url, limit, has_abort, error):
        self.target, self.url, self.limit, self.error = target, url, limit, error
        self.content, self.calls = b"", []
        if has_abort:
            self.abort = lambda: self.calls.append("abort")

    def write(self, content):
        self.content = bytes(content[: self.limit])
        if self.limit is not None:
            raise self.error
        self.calls.append("write")

    def close(self):
        self.calls.append("close")
        self.target[self.url] = self.content


class Java:
    """A Hadoop file system. `publishes_on_close` is the behaviour of object stores."""

    def __init__(self, publishes_on_close, limit=None, has_abort=True, error=None):
        self.files, self.streams = {}, []
        self.publishes_on_close, self.limit, self.has_abort = publishes_on_close, limit, has_abort
        self.error = error or java_error()

    def create(self, path, overwrite):
        url = path.toString()
        if not overwrite and url in self.files:
            raise java_error("org.apache.hadoop.fs.FileAlreadyExistsException: it exists")
        stream = Stream(self.files, url, self.limit, self.has_abort, self.error)
        self.streams.append(stream)
        if not self.publishes_on_close:
            self.files[url] = b""
        return stream

    def delete(self, path, recursive):
        return self.files.pop(path.toString(), None) is not None


class Fake(FileSystems):
    """File systems over a `Java`."""

    def __init__(self, java, scheme="fake"):
        self.java, self.scheme = java, scheme

    def _path(self, url):
        return SimpleNamespace(toString=lambda: url, toUri=lambda: SimpleNamespace(getScheme=lambda: self.scheme))

    def _find(self, url):
        return self._path(url), self.java

    def read(self, url, limit=None):
        content = self.java.files.get(url)
        return None if content is None else content[:limit]

    def status(self, url):
        content = self.java.files.get(url)
        return None if content is None else Status(url, False, len(content), 0)

    def qualify(self, url):
        return url


class Files(unittest.TestCase):
    def test_failed_write_is_aborted_and_not_closed(self):
        for has_abort, calls in [(True, ["abort"]), (False, [])]:
            java = Java(True, limit=5, has_abort=has_abort)
            with self.assertRaisesRegex(RuntimeError, "cannot write fake:.*the disk is full\nhint: "):
                Fake(java, "s3a")._write(f"{URL}/manifest.json", b"0123456789", True)
            self.assertEqual(java.streams[0].calls, calls)
            self.assertEqual(java.files, {})
        java = Java(True)
        Fake(java, "s3a")._write(f"{URL}/manifest.json", b"0123456789", True)
        self.assertEqual(java.streams[0].calls, ["write", "close"])
        self.assertEqual(java.files, {f"{URL}/manifest.json": b"0123456789"})

    def test_failed_creation_leaves_no_part_of_the_file(self):
        java = Java(False, limit=0)
        with self.assertRaisesRegex(RuntimeError, "the disk is full"):
            Fake(java).create(LOCK, b"text")
        self.assertEqual(java.files, {})
        # The file system has created it, but reports that it exists: it has repeated the request.
        java = Java(False)
        java.files[LOCK] = b"text"
        self.assertTrue(Fake(java).create(LOCK, b"text"))

    def test_failed_creation_leaves_files_of_others(self):
        # Some file systems report that the file exists when the stream is closed.
        exists = java_error("org.apache.hadoop.fs.FileAlreadyExistsException: it exists")
        for scheme, error in [("fake", exists), ("s3a", java_error())]:
            for other in [b"", b"another"]:
                java = Java(True, limit=0, error=error)
                create = java.create

                def create_after_another(path, overwrite):
                    stream = create(path, overwrite)
                    java.files[LOCK] = other
                    return stream

                with mock.patch.object(java, "create", create_after_another):
                    self.assertFalse(Fake(java, scheme).create(LOCK, b"text"))
                self.assertEqual(java.files, {LOCK: other})

    def test_file_that_remains_after_its_removal_is_an_error(self):
        java = Java(False)
        files = Fake(java)
        files.remove(LOCK)
        java.files[LOCK] = b"text"
        java.delete = lambda path, recursive: False
        with self.assertRaisesRegex(RuntimeError, f"cannot remove {LOCK}"):
            files.remove(LOCK)

    def test_missing_file_context_is_named_in_the_hint(self):
        error = java_error(
            "org.apache.hadoop.fs.UnsupportedFileSystemException: "
            "fs.AbstractFileSystem.fake.impl=null: No AbstractFileSystem configured for scheme: fake"
        )
        files = Fake(Java(False))
        with mock.patch.object(files, "_resolve", side_effect=error):
            with self.assertRaisesRegex(RuntimeError, "hint: set spark.hadoop.fs.AbstractFileSystem"):
                files.check_replace(URL)


class Memory:
    """The file systems of a store, in memory. `before` is called before each operation."""

    def __init__(self, files):
        self.files, self.calls = dict(files), []
        self.before = lambda operation, url: None

    def _call(self, operation, url):
        self.calls.append((operation, url.removeprefix(f"{URL}/")))
        self.before(operation, url)

    def qualify(self, url):
        return url

    def check_replace(self, url):
        self._call("check_replace", url)

    def create(self, url, content):
        self._call("create", url)
        return self.files.setdefault(url, content) is content

    def read(self, url, limit=None):
        self._call("read", url)
        content = self.files.get(url)
        return None if content is None else content[:limit]

    def list(self, url):
        self._call("list", url)
        names = {path[len(url) + 1 :].split("/")[0] for path in self.files if path.startswith(f"{url}/")}
        return [Status(f"{url}/{name}", f"{url}/{name}" not in self.files, 0, 0) for name in sorted(names)]

    def walk(self, url):
        return [Status(path, False, 0, 0) for path in self.files if path.startswith(f"{url}/")]

    def mode(self, url):
        return 0o644

    def download(self, url, path, mode=None):
        self._call("download", url)
        with open(path, "wb") as file:
            file.write(self.files[url])
        os.chmod(path, 0o600 if mode is None else mode)

    def remove(self, url, recursive=False):
        self._call("remove", url)
        for path in [path for path in self.files if path == url or path.startswith(f"{url}/")]:
            del self.files[path]

    def rename(self, url, target):
        self._call("rename", url)
        self.files[target] = self.files.pop(url)

    def replace(self, folder, name, staging, content):
        self._call("replace", f"{folder}/{name}")
        self.files[f"{folder}/{name}"] = content

    def make_folder(self, url):
        self._call("make_folder", url)


class Stores(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.enterContext(mock.patch.object(tempfile, "tempdir", folder))
        # A manifest is a list of files in these tests.
        named = lambda content: [(path, 0) for path in content.decode().split()]
        self.enterContext(mock.patch.object(_store, "manifest_files", named))

    def open(self, files):
        return _store.open_store(files, URL, "the Spark job app-1", 0)

    def test_files_of_a_commit_during_the_start_are_kept(self):
        old, new = (f"events/utc_date=2026-11-09/{digit * 32}.parquet" for digit in "01")
        outcomes = set()
        # A command holds the lock when the job starts. It commits and ends before the call `end`.
        for end in range(16):
            files = Memory({f"{URL}/manifest.json": old.encode(), f"{URL}/{old}": b"", f"{URL}/staging/a": b""})
            files.files[f"{URL}/lock"] = b"process 12 (wa ingest)\n"

            def commit(operation, url):
                if len(files.calls) == end + 1:
                    files.files |= {f"{URL}/manifest.json": f"{old} {new}".encode(), f"{URL}/{new}": b""}
                    files.files[f"{URL}/lock"] = b""
                    files.remove(f"{URL}/staging")

            files.before = commit
            try:
                with self.open(files) as store:
                    store.opened()
                outcomes.add("ran")
                self.assertIn(f"{URL}/{new}", files.files, f"after {end} calls")
            except RuntimeError as error:
                self.assertIn("written by process 12 (wa ingest)", str(error))
                outcomes.add("failed")
            self.assertNotIn(LOCK, files.files)
        self.assertEqual(outcomes, {"ran", "failed"})

    def test_orphans_are_removed_after_a_crash(self):
        named, orphan = (f"events/utc_date=2026-11-09/{digit * 32}.parquet" for digit in "01")
        content = {"manifest.json": named.encode(), named: b"", orphan: b"", "staging/a": b""}
        files = Memory({f"{URL}/{name}": text for name, text in content.items()})
        with self.open(files) as store:
            store.opened()
        self.assertEqual(set(files.files), {f"{URL}/manifest.json", f"{URL}/{named}"})
        # A file system that lists the files of another folder.
        files = Memory({f"{URL}/{name}": text for name, text in content.items()})
        files.walk = lambda url: [Status(f"fake://other/store/{named}", False, 0, 0)]
        with self.assertRaisesRegex(RuntimeError, "lists fake://other/store/events"):
            with self.open(files) as store:
                store.opened()
        self.assertIn(f"{URL}/{named}", files.files)

    def test_lock_is_removed_if_its_check_fails(self):
        files = Memory({})

        def fail_once(operation, url):
            if operation == "read":
                files.before = lambda operation, url: None
                raise RuntimeError("the network is down")

        files.before = fail_once
        with self.assertRaisesRegex(RuntimeError, "the network is down"):
            with self.open(files):
                self.fail("the lock was not checked")
        self.assertEqual(files.files, {})

    def test_lock_that_remains_is_a_warning(self):
        files = Memory({})

        def fail(operation, url):
            if operation == "remove":
                raise OSError("the connection is closed")

        files.before = fail
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            with self.open(files):
                pass
        self.assertIn(f"the lock remains: the connection is closed\nremove {LOCK}", str(found[0].message))

    def test_first_manifest_replaces_no_other(self):
        files = Memory({})
        with self.assertRaisesRegex(RuntimeError, "another program has changed the store"):
            with self.open(files) as store:
                for name in ["manifest.json", "key"]:
                    with open(os.path.join(store.folder, name), "wb") as file:
                        file.write(b"")
                store.opened()
                files.files[f"{URL}/manifest.json"] = b"another"
                store.publish()
        self.assertEqual(files.files, {f"{URL}/manifest.json": b"another"})

    def test_interrupted_replacement_is_completed_by_a_rename(self):
        files = Memory({f"{URL}/staging/manifest.json": b"events/a"})
        with self.open(files):
            pass
        self.assertEqual(files.files, {f"{URL}/manifest.json": b"events/a"})
        self.assertIn(("rename", "staging/manifest.json"), files.calls)

    def test_key_keeps_its_mode(self):
        files = Memory({f"{URL}/key": b"", f"{URL}/wa.toml": b"", f"{URL}/manifest.json": b""})
        with self.open(files) as store:
            modes = {name: os.stat(f"{store.folder}/{name}").st_mode & 0o777 for name in ["key", "wa.toml"]}
        self.assertEqual(modes, {"key": 0o644, "wa.toml": 0o600})

    def test_unreadable_parent_of_an_input_is_no_store(self):
        log = "fake://host/bucket/logs/a.log"
        files = Memory({log: b"{}\n"})

        def status(url):
            if url == log:
                return Status(log, False, 3, 0)
            if "/logs/" in url:
                return None
            raise RuntimeError(f"cannot read {url}: forbidden")

        files.status = status
        self.assertEqual([file.url for file in _inputs.list_files(files, [log], None)], [log])


if __name__ == "__main__":
    unittest.main()
