"""Tests of mode `compare`: `python3 -m unittest discover benches/compare`."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

from compare import rows, stages
from measure import Failed, Measured, run, table
from programs import HERE, Result, check


def result(events=10, sessions=4, seconds=1.0, size=1_000_000, peak=100_000_000):
    """Returns the result of a run."""
    return Result(events, sessions, seconds, size, Measured(seconds, seconds, peak, 0, "", ""))


class Agreement(unittest.TestCase):
    """Tests of the check that programs agree."""

    def check(self, results, expected, stored=(10, 4)):
        """Checks results against a manifest with the given counts, without a Parquet reader."""
        with tempfile.TemporaryDirectory() as folder:
            tables = {name: [{"rows": count}] for name, count in zip(("events", "sessions"), stored)}
            (Path(folder) / "manifest.json").write_text(json.dumps({"manifest": {"tables": tables}}))
            return check(results, expected, folder, "false", folder)

    def test_equal_counts_are_accepted(self):
        said = self.check({"wa": result(), "other": result()}, 10)
        self.assertEqual(said, "All agree on 10 events and 4 sessions (wa's tables read by the manifest).")

    def test_different_session_count_is_an_error(self):
        with self.assertRaisesRegex(Failed, "other: 10 events, 5 sessions"):
            self.check({"wa": result(), "other": result(sessions=5)}, 10)

    def test_table_with_a_different_row_count_is_an_error(self):
        with self.assertRaises(Failed):
            self.check({"wa": result(), "other": result()}, 10, stored=(9, 4))

    def test_event_lost_by_all_is_an_error(self):
        with self.assertRaises(Failed):
            self.check({"wa": result(), "other": result()}, 11)


class Program(unittest.TestCase):
    """Tests of the whole script."""

    def test_help_names_every_mode(self):
        with tempfile.TemporaryDirectory() as folder:
            told = run([sys.executable, HERE / "run.py", "--help"], folder)
        self.assertEqual(told.status, 0, told.err)
        for mode in ("compare", "memory", "merge", "night", "trickle", "reports", "year"):
            self.assertRegex(told.out, rf"\b{mode}\b")


class Figures(unittest.TestCase):
    """Tests of the printed tables."""

    def test_ratios_compare_medians_with_best_peer_per_column(self):
        lines = dict((name, cells) for name, *cells in rows({
            "wa": [result(seconds=s) for s in (1.0, 9.0, 2.0)],
            "fast": [result(seconds=4.0, size=4_000_000)],
            "small": [result(seconds=8.0, size=2_000_000)],
        })[1])
        self.assertEqual((lines["wa"][0], lines["wa"][1], lines["wa"][8]), ("2.00", "0.50", "0.50"))
        self.assertEqual((lines["fast"][1], lines["fast"][8]), ("1.00", "2.00"))
        self.assertEqual((lines["small"][1], lines["small"][8]), ("2.00", "1.00"))

    def test_stages_are_parsed_from_notes_only(self):
        self.assertEqual(stages("wa:  dedupe   0.120 s\nwa: warning: took 3 times s\nwa: commit 0.5 s\n"),
                         {"dedupe": 0.12, "commit": 0.5})

    def test_table_aligns_first_column_left_others_right(self):
        self.assertEqual(table(["a", "ms"], [["long", "7"]]), "| a    | ms |\n| ---- | -: |\n| long |  7 |")

    def test_run_returns_status_streams_and_peak_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            code = "import sys; b = bytearray(80_000_000); print('out'); print('err', file=sys.stderr); sys.exit(3)"
            measured = run([sys.executable, "-c", code], folder)
        self.assertEqual((measured.status, measured.out, measured.err), (3, "out\n", "err\n"))
        self.assertGreater(measured.peak, 80_000_000)
        self.assertLess(measured.peak, 160_000_000)


if __name__ == "__main__":
    unittest.main()
