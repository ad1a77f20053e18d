"""Tests of the comparison: `python3 -m unittest discover benches/compare`."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

from compare import rows, stages
from measure import Failed, Measured, run, table
from programs import HERE, Result, check


def result(events=10, sessions=4, seconds=1.0, size=1_000_000, peak=100_000_000):
    """Makes the result of a run."""
    return Result(events, sessions, seconds, size, Measured(seconds, seconds, peak, 0, "", ""))


class Agreement(unittest.TestCase):
    """Nothing is compared unless all agree."""

    def check(self, results, expected, stored=(10, 4)):
        """Checks results against a store whose manifest has some counts; no reader of Parquet is there."""
        with tempfile.TemporaryDirectory() as folder:
            tables = {name: [{"rows": count}] for name, count in zip(("events", "sessions"), stored)}
            (Path(folder) / "manifest.json").write_text(json.dumps({"manifest": {"tables": tables}}))
            return check(results, expected, folder, "false", folder)

    def test_programs_that_agree_may_be_compared(self):
        said = self.check({"wa": result(), "other": result()}, 10)
        self.assertEqual(said, "All agree on 10 events and 4 sessions (wa's tables read by the manifest).")

    def test_one_session_more_in_one_of_them_stops_it_all(self):
        with self.assertRaisesRegex(Failed, "other: 10 events, 5 sessions"):
            self.check({"wa": result(), "other": result(sessions=5)}, 10)

    def test_so_does_a_table_that_holds_other_rows_than_were_said(self):
        with self.assertRaises(Failed):
            self.check({"wa": result(), "other": result()}, 10, stored=(9, 4))

    def test_so_does_an_event_that_all_of_them_lost(self):
        with self.assertRaises(Failed):
            self.check({"wa": result(), "other": result()}, 11)


class Program(unittest.TestCase):
    """The program itself."""

    def test_it_starts_and_its_help_names_every_mode(self):
        with tempfile.TemporaryDirectory() as folder:
            told = run([sys.executable, HERE / "run.py", "--help"], folder)
        self.assertEqual(told.status, 0, told.err)
        for mode in ("compare", "memory", "night", "trickle", "reports", "year"):
            self.assertRegex(told.out, rf"\b{mode}\b")


class Figures(unittest.TestCase):
    """What is printed."""

    def test_ratios_are_of_medians_to_the_best_peer_of_each_column(self):
        lines = dict((name, cells) for name, *cells in rows({
            "wa": [result(seconds=s) for s in (1.0, 9.0, 2.0)],
            "fast": [result(seconds=4.0, size=4_000_000)],
            "small": [result(seconds=8.0, size=2_000_000)],
        })[1])
        self.assertEqual((lines["wa"][0], lines["wa"][1], lines["wa"][8]), ("2.00", "0.50", "0.50"))
        self.assertEqual((lines["fast"][1], lines["fast"][8]), ("1.00", "2.00"))
        self.assertEqual((lines["small"][1], lines["small"][8]), ("2.00", "1.00"))

    def test_stages_are_read_from_the_notes_and_nothing_else_is(self):
        self.assertEqual(stages("wa:  dedupe   0.120 s\nwa: warning: took 3 times s\nwa: commit 0.5 s\n"),
                         {"dedupe": 0.12, "commit": 0.5})

    def test_a_table_has_its_first_column_to_the_left_and_the_others_to_the_right(self):
        self.assertEqual(table(["a", "ms"], [["long", "7"]]), "| a    | ms |\n| ---- | -: |\n| long |  7 |")

    def test_a_run_is_measured_with_its_status_streams_and_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            code = "import sys; b = bytearray(80_000_000); print('out'); print('err', file=sys.stderr); sys.exit(3)"
            measured = run([sys.executable, "-c", code], folder)
        self.assertEqual((measured.status, measured.out, measured.err), (3, "out\n", "err\n"))
        self.assertGreater(measured.peak, 80_000_000)
        self.assertLess(measured.peak, 160_000_000)


if __name__ == "__main__":
    unittest.main()
