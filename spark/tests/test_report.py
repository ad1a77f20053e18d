"""Reports of Spark and Sail equal those of `wa`."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import engines
import stores
import wa_spark
from wa_spark import __main__, _report

KINDS = ["summary", "trends", "events", "sources", "devices", "visitors"]


class Reports(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        folder = Path(folder.name)
        cls.store = stores.create(folder / "store")
        # Several runs, so that the tables have several files per partition.
        logs = [stores.sample_logs(), *stores.random_logs(folder, 5)]
        for night in logs:
            stores.wa(cls.store, "ingest", *night)

    def check(self, spark):
        """Compares each report, for some options."""
        options = [
            {},
            {"days": 60, "as_of": "latest"},
            {"days": 60, "chatbot": ["bot-1", "harbor-coffee"]},
            {"from_": "2026-11-01", "to": "2026-11-30", "chatbot": "bot-0"},
        ]
        for kind in KINDS:
            for given in options:
                with self.subTest(kind, **given):
                    found = wa_spark.report(spark, self.store, kind, now=stores.NOW, **given)
                    self.assertEqual(found, self.expected(kind, given))
        found = wa_spark.report(spark, self.store, "events", days=60, limit=2, partitions=3, now=stores.NOW)
        self.assertEqual(found, self.expected("events", {"days": 60, "limit": 2}))
        self.assertGreater(found["events"][0]["event_count"], 0)

    def expected(self, kind, given):
        """Returns the report of `wa`."""
        flags = []
        for name, value in given.items():
            values = value if isinstance(value, list) else [value]
            flags += [text for value in values for text in (f"--{name.strip('_').replace('_', '-')}", str(value))]
        return json.loads(stores.wa(self.store, "report", kind, *flags, "--format", "json"))

    def test_local_cluster_equals_wa(self):
        with engines.local_cluster() as spark:
            self.check(spark)

    def test_sail_equals_wa(self):
        with engines.sail() as spark:
            self.check(spark)
            with self.assertRaisesRegex(ValueError, "tasks cannot compute `funnel`"):
                wa_spark.report(spark, self.store, "funnel")
            with self.assertRaisesRegex(ValueError, "no chatbot"):
                wa_spark.report(spark, self.store, chatbot="nobody")
            with self.assertRaisesRegex(RuntimeError, "there is no wa store"):
                wa_spark.report(spark, self.store / "nowhere")
            self.check_change(spark)
            self.check_command(spark)

    def check_change(self, spark):
        """Checks that a report starts over if a writer removes its files."""
        store = stores.create(self.store.parent / "changing")
        stores.wa(store, "ingest", *stores.sample_logs())
        plans, create = [], _report.Report

        def begin(arguments):
            plans.append(create(arguments))
            if len(plans) == 1:
                stores.wa(store, "gc", "--keep-events", "10d", "--keep-sessions", "10d", "--yes")
            return plans[-1]

        with mock.patch.object(_report, "Report", begin):
            found = wa_spark.report(spark, store, "sources", days=60, now=stores.NOW)
        self.assertEqual(len(plans), 2)
        expected = stores.wa(store, "report", "sources", "--days", "60", "--format", "json")
        self.assertEqual(found, json.loads(expected))

    def check_command(self, spark):
        """Checks that the command prints the same bytes as `wa`."""
        expected = stores.wa(self.store, "report", "devices", "--as-of", "latest", "--format", "json")
        output = io.StringIO()
        time = "--now=2026-12-01T02:00:00Z"
        arguments = mock.Mock(store=self.store, arguments=["devices", "--as-of", "latest", time])
        with contextlib.redirect_stdout(output):
            self.assertEqual(__main__._report(spark, arguments), 0)
        self.assertEqual(output.getvalue(), expected)
        arguments = mock.Mock(store=self.store, arguments=["devices", "--compare"])
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.assertEqual(__main__._report(spark, arguments), 2)
        self.assertIn("hint: run `wa report devices`", errors.getvalue())


if __name__ == "__main__":
    unittest.main()
