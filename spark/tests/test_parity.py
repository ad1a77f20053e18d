"""Guarantee 9, parity: jobs on Spark and Sail write the tables of `wa ingest`, row for row."""

import json
import os
import tempfile
import unittest
from pathlib import Path

import engines
import stores
import wa_spark


class Parity(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def check(self, spark, nights, name, **options):
        """Runs a job and an ingest per night, and compares the stores after each."""
        by_job, by_ingest = (stores.create(self.folder / name / kind) for kind in ("job", "ingest"))
        flags = [text for key, value in options.items() for text in (f"--{key}", value)]
        for night, logs in enumerate(nights):
            now = stores.NOW + night * stores.NIGHT
            summary = wa_spark.ingest(spark, logs, by_job, now=now, partitions=5, **options)
            expected = stores.wa(by_ingest, "ingest", "--format", "json", *flags, *logs, now=now)
            expected = json.loads(expected)
            self.assertEqual(summary["total"], expected["total"])
            self.assertEqual(summary["files"], expected["files"])
            self.compare(by_job, by_ingest)
            self.assertEqual(stores.sources(by_job), stores.sources(by_ingest))
            self.assertEqual(list((by_job).glob("staging*")), [])
        # Each recognizes the files that the other has read.
        summary = wa_spark.ingest(spark, nights[-1], by_ingest, now=stores.NOW, **options)
        again = json.loads(stores.wa(by_job, "ingest", "--format", "json", *flags, *nights[-1]))
        self.assertEqual(summary["files"], again["files"])
        stores.wa(by_job, "verify")
        page = by_job.parent / "dashboard.html"
        stores.wa(by_job, "dashboard", "--output", page)
        self.assertIn("</html>", page.read_text())
        return by_job, by_ingest

    def compare(self, by_job, by_ingest):
        for table in stores.TABLES:
            rows = stores.rows(by_job, table)
            self.assertGreater(len(rows), 0, table)
            self.assertEqual(rows, stores.rows(by_ingest, table), table)
        self.assertEqual(stores.rejects(by_job), stores.rejects(by_ingest))
        for report in ("summary", "trends", "sources", "devices", "visitors"):
            arguments = ["report", report, "--days", "60", "--as-of", "latest", "--format", "json"]
            self.assertEqual(*(stores.wa(store, *arguments) for store in (by_job, by_ingest)))

    def check_all(self, spark):
        """Compares the sample data, every format, the workload of the benchmarks, nights of random
        logs, and the logs that WA_PARITY_LOGS names."""
        with self.subTest("sample data"):
            self.check(spark, [stores.sample_logs()], "sample")
        with self.subTest("formats"):
            self.check(spark, [stores.format_logs()], "formats", chatbot="site")
        with self.subTest("workload"):
            self.check(spark, stores.workload_logs(self.folder / "workload-logs"), "workload")
        if given := os.environ.get("WA_PARITY_LOGS"):
            with self.subTest("given logs"):
                self.check(spark, [given.split(os.pathsep)], "given", chatbot="site")
        for seed in (1, 2):
            with self.subTest("random logs", seed=seed):
                logs = self.folder / f"logs-{seed}"
                logs.mkdir()
                self.check(spark, stores.random_logs(logs, seed), f"random-{seed}")

    def test_local_cluster_equals_ingest(self):
        with engines.local_cluster() as spark:
            self.check_all(spark)

    def test_sail_equals_ingest(self):
        with engines.sail() as spark:
            self.check_all(spark)

    def test_killed_executor_changes_nothing(self):
        logs = self.folder / "logs"
        logs.mkdir()
        nights = stores.random_logs(logs, 3, events=6000)
        with engines.standalone() as spark:
            staging = self.folder / "killed/job/staging"
            # Kill an executor as soon as a task of the sessions stage has written a file.
            killer = engines.Killer(lambda: any(staging.glob("*.parquet")))
            killer.start()
            self.check(spark, nights, "killed")
            killer.join()
        self.assertEqual(len(killer.killed), 1)

    def test_failed_job_leaves_the_old_state(self):
        logs = self.folder / "logs"
        logs.mkdir()
        nights = stores.random_logs(logs, 4, events=600)
        with engines.sail() as spark:
            by_job, _ = self.check(spark, nights[:1], "failed")
            manifest = (by_job / "manifest.json").read_bytes()
            with self.assertRaises(Exception):
                # The second shuffle fails because of the invalid number of partitions.
                wa_spark.ingest(spark, nights[1], by_job, now=stores.NOW, partitions=-1)
            self.assertEqual((by_job / "manifest.json").read_bytes(), manifest)
            self.assertEqual(list(by_job.glob("staging*")), [])
            with self.assertRaisesRegex(ValueError, "s3://lake/logs is not a path: Sail"):
                wa_spark.ingest(spark, ["s3://lake/logs"], by_job)
            with self.assertRaisesRegex(ValueError, "hdfs://lake/store is not a path: Sail"):
                wa_spark.ingest(spark, nights[1], "hdfs://lake/store")
            with self.assertRaisesRegex(ValueError, "hdfs://lake/store is not a path: Sail"):
                wa_spark.report(spark, "hdfs://lake/store")
            summary = wa_spark.ingest(spark, f"file://{nights[0][0]}", f"file://{by_job}", now=stores.NOW)
            self.assertEqual(summary["total"]["stored"], 0)
            with self.assertRaisesRegex(RuntimeError, "nowhere.ndjson"):
                wa_spark.ingest(spark, [str(logs / "nowhere.ndjson")], by_job)
        stores.wa(by_job, "verify")


if __name__ == "__main__":
    unittest.main()
