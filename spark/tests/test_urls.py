"""Stores and logs at URLs: jobs write the tables of `wa ingest`, through Spark's file systems."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import engines
import stores
import wa_spark
import webhdfs
from wa_spark._files import FileSystems
from wa_spark._store import open_store

# When the logs were written: long ago, so that this time identifies them.
WRITTEN = int(time.time()) - 7200
REPORTS = ["summary", "sources", "visitors"]


def isolated_python(folder):
    """Returns a program that runs Python without access to a folder, if the
    operating system allows it."""
    program = folder.parent / f"{folder.name}-python"
    isolate = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    command = f"mount -t tmpfs none {shlex.quote(str(folder))} && exec \"$0\" \"$@\""
    if subprocess.run([*isolate, command, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        return None
    command = shlex.join([*isolate, command, sys.executable])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program


class Urls(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(mock.patch.dict(os.environ))
        outer = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # Everything lies in this folder: logs, stores, and the temporary folders of the driver.
        cls.root = outer / "driver"
        (cls.root / "temporary").mkdir(parents=True)
        cls.enterClassContext(mock.patch.object(tempfile, "tempdir", str(cls.root / "temporary")))
        python = isolated_python(cls.root)
        if python:
            os.environ["PYSPARK_PYTHON"] = str(python)
        cls.served = cls.root / "served"
        cls.served.mkdir()
        cls.server = cls.enterClassContext(webhdfs.serve(cls.served))
        settings = {"spark.hadoop.fs.viewfs.mounttable.lake.link./mounted": f"file://{cls.served}/viewfs"}
        cls.spark = cls.enterClassContext(engines.local_cluster(2, settings))

    def setUp(self):
        # Names of each test's folders and files.
        self.name = self._testMethodName
        self.logs = self.root / f"{self.name}-logs"
        self.logs.mkdir()
        self.server.log.clear()
        self.server.fails = lambda operation, path: False

    def nights(self, seed, served):
        """Writes logs of two nights to served folders. Returns these, and the files by night."""
        nights = stores.random_logs(self.logs, seed, nights=2, events=400)
        folders = []
        for night, files in enumerate(nights):
            folder = served / f"night-{night}"
            folder.mkdir(parents=True)
            for file in files:
                os.utime(file, (WRITTEN, WRITTEN))
                shutil.copy2(file, folder)
            folders.append(folder)
        return folders, nights

    def ingest(self, inputs, store, night=0, **options):
        options = {"partitions": 2, "lock_timeout": 0, "now": stores.NOW + night * stores.NIGHT} | options
        return wa_spark.ingest(self.spark, inputs, store, **options)

    def expected(self, files, store, night=0):
        """Ingests local files with `wa`. Returns the summary."""
        now = stores.NOW + night * stores.NIGHT
        return json.loads(stores.wa(store, "ingest", "--format", "json", *files, now=now))

    def renamed(self, value, folder, url):
        """Returns a JSON value with local names of logs in place of URLs."""
        return json.loads(json.dumps(value).replace(f"{url}/", f"{folder}/"))

    def compare(self, served, by_ingest, urls):
        """Compares a copy of a served store with one that `wa ingest` has written. `urls` are the
        folders of the logs."""
        copy = self.root / f"{self.name}-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(served, copy)
        self.assertEqual({path.name for path in copy.iterdir()} - {path.name for path in by_ingest.iterdir()}, set())
        self.check_files(copy)
        for table in stores.TABLES:
            rows = stores.rows(copy, table)
            self.assertGreater(len(rows), 0, table)
            self.assertEqual(rows, stores.rows(by_ingest, table), table)

        def local(value):
            for url in urls:
                value = self.renamed(value, self.logs, url)
            return value

        self.assertEqual(sorted(local(stores.rejects(copy))), stores.rejects(by_ingest))
        self.assertGreater(len(stores.rejects(copy)), 0)
        sources = sorted(local(stores.sources(copy)), key=lambda file: file["path"])
        self.assertEqual(sources, stores.sources(by_ingest))
        stores.wa(copy, "verify")
        return copy

    def opened_logs(self):
        """Returns the logs that were read from the server."""
        return [name for operation, name in self.server.log if operation == "OPEN" and name.endswith(".ndjson")]

    def check_files(self, store):
        """Checks that a store has exactly the files of its manifest, readable by the owner only."""
        manifest = json.loads((store / "manifest.json").read_text())["manifest"]
        named = [file["path"] for files in manifest["tables"].values() for file in files]
        named += [file["path"] for file in [*manifest["rejects"], manifest["sources"]]]
        files = {path for path in store.rglob("*") if path.is_file()}
        found = {str(path.relative_to(store)) for path in files}
        self.assertEqual(found - {"manifest.json", "wa.toml", "key", "lock"}, set(named))
        for path in files - {store / "wa.toml", store / "lock"}:
            self.assertEqual(path.stat().st_mode & 0o77, 0, path)

    def test_webhdfs_store_equals_ingest(self):
        url = f"{self.server.url}/{self.name}"
        folders, nights = self.nights(1, self.served / self.name)
        # A log without a line.
        for path in [self.logs / "night-0-empty.ndjson", folders[0] / "night-0-empty.ndjson"]:
            path.touch()
            os.utime(path, (WRITTEN, WRITTEN))
        nights[0].append(str(self.logs / "night-0-empty.ndjson"))
        served = stores.create(self.served / self.name / "store")
        by_ingest = stores.create(self.root / f"{self.name}-ingest")
        urls = [f"{url}/{folder.name}" for folder in folders]
        # The second night is a glob, and continues sessions of the first.
        for night, inputs in enumerate([urls[0], f"{urls[1]}/night-1-[0-9].ndjson"]):
            summary = self.ingest(inputs, f"{url}/store", night)
            expected = self.expected(nights[night], by_ingest, night)
            self.assertEqual(summary["total"], expected["total"])
            self.assertEqual(self.renamed(summary["files"], self.logs, urls[night]), expected["files"])
            copy = self.compare(served, by_ingest, urls)
        deleted = [name for operation, name in self.server.log if operation == "DELETE"]
        self.assertTrue(any("/sessions/" in name for name in deleted), "no stored file was rewritten")
        # Unchanged files are recognized by their status, and not read.
        manifest = (served / "manifest.json").read_bytes()
        self.server.log.clear()
        summary = self.ingest(urls, f"{url}/store", 1)
        self.assertEqual({file["outcome"] for file in summary["files"]}, {"unchanged"})
        self.assertEqual(self.opened_logs(), [])
        self.assertEqual((served / "manifest.json").read_bytes(), manifest)
        # With another time, they are recognized by their content.
        for path in folders[0].iterdir():
            os.utime(path, (WRITTEN + 9, WRITTEN + 9))
        summary = self.ingest(urls[0], f"{url}/store", 1)
        self.assertEqual({file["outcome"] for file in summary["files"]}, {"unchanged"})
        self.assertEqual(len(set(self.opened_logs())), 3)
        # Local commands, and reports that Spark computes.
        for kind in REPORTS:
            expected = stores.wa(by_ingest, "report", kind, "--days", "60", "--as-of", "latest", "--format", "json")
            arguments = ["report", kind, "--days", "60", "--as-of", "latest", "--format", "json"]
            self.assertEqual(stores.wa(copy, *arguments), expected)
            found = wa_spark.report(self.spark, f"{url}/store", kind, days=60, as_of="latest", now=stores.NOW)
            self.assertEqual(found, json.loads(expected))

    def test_failed_commit_leaves_the_old_state(self):
        url = f"{self.server.url}/{self.name}"
        folders, nights = self.nights(2, self.served / self.name)
        served = stores.create(self.served / self.name / "store")
        by_ingest = stores.create(self.root / f"{self.name}-ingest")
        urls = [f"{url}/{folder.name}" for folder in folders]
        self.ingest(urls[0], f"{url}/store")
        self.expected(nights[0], by_ingest)
        before = (served / "manifest.json").read_bytes()
        # The data files are written, but the manifest cannot be replaced.
        self.server.fails = lambda operation, path: operation == "RENAME"
        with self.assertRaisesRegex(RuntimeError, f"cannot replace {url}/store/manifest.json"):
            self.ingest(urls[1], f"{url}/store", 1)
        self.assertEqual((served / "manifest.json").read_bytes(), before)
        self.assertFalse((served / "job.lock").exists())
        named = json.loads(before)["manifest"]["tables"]["events"]
        self.assertGreater(len(list(served.glob("events/*/*.parquet"))), len(named))
        copy = self.root / f"{self.name}-old"
        shutil.copytree(served, copy)
        summary = ["report", "summary", "--days", "60", "--as-of", "latest", "--format", "json"]
        self.assertEqual(stores.wa(copy, *summary), stores.wa(by_ingest, *summary))
        # A crash of a file system that removes the old manifest before the rename.
        self.server.fails = lambda operation, path: False
        (served / "manifest.json").replace(served / "staging/manifest.json")
        self.ingest(urls[0], f"{url}/store")
        self.assertTrue((served / "manifest.json").exists())
        # The next job repairs the store.
        self.ingest(urls[1], f"{url}/store", 1)
        self.expected(nights[1], by_ingest, 1)
        self.compare(served, by_ingest, urls)
        self.check_conflict(served, by_ingest)

    def check_conflict(self, served, other):
        """Checks that a job does not replace a manifest that another program has changed. The commit
        of the job is that of another store."""
        files = FileSystems(self.spark, self.server.url)
        self.addCleanup(files.close)
        manifest = served / "manifest.json"
        before = manifest.read_bytes()
        with self.assertRaisesRegex(RuntimeError, "another program has changed the store webhdfs:"):
            with open_store(files, f"{self.server.url}/{self.name}/store", "the Spark job", 0) as store:
                store.opened()
                shutil.copytree(other, store.folder, dirs_exist_ok=True)
                manifest.write_bytes(before + b"\n")
                store.publish()
        self.assertEqual(manifest.read_bytes(), before + b"\n")
        self.assertFalse((served / "job.lock").exists())

    def test_held_lock_is_an_error(self):
        url = f"{self.server.url}/{self.name}"
        folders, _ = self.nights(3, self.served / self.name)
        served = stores.create(self.served / self.name / "store")
        (served / "job.lock").write_text("the Spark job app-1 of ann@host, process 7\n")
        error = f"written by the Spark job app-1 of ann@host.*\nhint: .*remove {url}/store/job.lock"
        with self.assertRaisesRegex(RuntimeError, error):
            self.ingest(f"{url}/night-0", f"{url}/store")
        # A command on a machine that has mounted the store.
        with self.assertRaisesRegex(AssertionError, "written by the Spark job app-1 of ann@host.*\n.*job.lock"):
            stores.wa(served, "ingest", folders[0])
        self.assertEqual({path.name for path in served.iterdir()}, {"wa.toml", "key", "job.lock", "lock"})
        (served / "job.lock").unlink()
        (served / "lock").write_text("process 12 (wa gc)\n")
        with self.assertRaisesRegex(RuntimeError, "written by process 12 .wa gc."):
            self.ingest(f"{url}/night-0", f"{url}/store")
        self.assertFalse((served / "job.lock").exists())

    def test_viewfs_store_and_local_logs_equal_ingest(self):
        url, root = "viewfs://lake/mounted", self.served / "viewfs"
        root.mkdir()
        folders, nights = self.nights(4, root)
        # The job creates the store, in the default time zone, and uses an existing key.
        by_ingest = stores.create(self.root / f"{self.name}-ingest", toml="")
        (by_ingest / "wa.toml").unlink()
        (root / "store").mkdir()
        shutil.copy2(by_ingest / "key", root / "store")
        # The executors cannot read local logs that lie in the folder of the driver.
        local = Path(self.enterContext(tempfile.TemporaryDirectory(dir="/tmp")))
        for file in nights[1]:
            shutil.copy2(file, local)
        for night, inputs in enumerate([f"{url}/night-0", str(local)]):
            summary = self.ingest(inputs, f"{url}/store", night)
            self.assertEqual(summary["total"], self.expected(nights[night], by_ingest, night)["total"])
        self.compare(root / "store", by_ingest, [f"{url}/night-0", str(local)])
        self.assertEqual((root / "store/wa.toml").read_bytes(), (by_ingest / "wa.toml").read_bytes())
        # A local store, and a file whose name has characters of patterns.
        odd = root / "odd [1]{a,b}*.log"
        shutil.copy2(nights[0][0], odd)
        store = stores.create(local / "store")
        summary = self.ingest([f"{url}/{odd.name}"], str(store))
        self.assertEqual([file["file"] for file in summary["files"]], [f"{url}/{odd.name}"])
        self.assertEqual(len(stores.rows(store, "events")), summary["total"]["stored"])
        self.assertGreater(summary["total"]["stored"], 0)

    def test_wrong_inputs_are_errors_with_the_url(self):
        url = f"{self.server.url}/{self.name}"
        folder = self.served / self.name
        store = stores.create(folder / "store")
        (store / "manifest.json").write_text('{"manifest": {"format":"wa-store"}}')
        (folder / "empty").mkdir()
        (folder / "other").mkdir()
        (folder / "other/_a.log").write_text("{}\n")
        (folder / "plain").mkdir()
        (folder / "plain/a.log").write_text("{}\n")
        stores.create(folder / "public")
        (folder / "public/key").chmod(0o644)
        logs = f"{url}/plain/a.log"
        for inputs, target, error in [
            (f"{url}/nowhere.log", f"{url}/new", f"cannot read {url}/nowhere.log: it does not exist"),
            (f"{url}/*.log", f"{url}/new", "no file matches"),
            (f"{url}/empty", f"{url}/new", f"{url}/empty has no logs"),
            (f"{url}/store", f"{url}/new", "belongs to a wa store"),
            (f"{url}/other", f"{url}/new", "Spark ignores files whose names begin with _"),
            ("s3a://bucket/logs", f"{url}/new", "cannot read s3a://bucket/logs.*\nhint: add the library"),
            (logs, f"{url}/other", f"{url}/other is not a wa store and contains other files"),
            (logs, f"{url}/store", f"cannot use the store {url}/store"),
            (logs, f"{url}/public", f"key file {url}/public/key can be .* 0644\nhint: run `hadoop fs -chmod 600 {url}"),
            (logs, "nofs://host/store", "cannot open nofs://host/store"),
        ]:
            with self.subTest(error), self.assertRaisesRegex((RuntimeError, ValueError), error):
                self.ingest(inputs, target)
        self.assertFalse((folder / "new").exists())
        self.assertFalse((store / "job.lock").exists())


if __name__ == "__main__":
    unittest.main()
