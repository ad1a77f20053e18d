"""Tests of mode `trickle`: `python3 -m unittest discover benches/compare`."""

import importlib.util
import json
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from measure import Failed, Measured, run
from programs import HERE, Wa
from trickle import SINGLE, WAYS, pieces, same

LINES = [b'{"n":%d,"text":"%s"}\n' % (number, b"x" * (number * 7 % 90)) for number in range(500)]


class Pieces(unittest.TestCase):
    """Tests that slices of a day's log contain every line once."""

    def cut(self, lines, count):
        """Splits a log of a few lines."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "day.ndjson"
            path.write_bytes(b"".join(lines))
            return list(pieces(path, count))

    def test_slices_are_whole_lines_and_add_up_to_the_log(self):
        cut = self.cut(LINES, 40)
        self.assertEqual(len(cut), 40)
        self.assertEqual(b"".join(cut), b"".join(LINES))
        self.assertTrue(all(piece.endswith(b"\n") for piece in cut))

    def test_slices_have_similar_sizes(self):
        sizes = [len(piece) for piece in self.cut(LINES, 40)]
        longest_line = max(map(len, LINES))
        self.assertLess(max(sizes) - min(sizes), 2 * longest_line + 2)

    def test_short_log_has_one_slice_per_line(self):
        self.assertEqual(self.cut(LINES[:3], 288), LINES[:3])

    def test_empty_log_has_no_slices(self):
        self.assertEqual(self.cut([], 288), [])

    def test_both_ways_write_the_lines_of_the_day_in_order(self):
        day = Path("widget-2026-01-30.ndjson")
        for name, names in {"appended to one file": ["widget-2026-01-30.ndjson"],
                            "one file each": [f"widget-2026-01-30-{number:04}.ndjson" for number in range(12)]}.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                for number in range(12):
                    WAYS[name](Path(folder), day, number, LINES[number])
                found = sorted(Path(folder).iterdir())
                self.assertEqual([path.name for path in found], names)
                self.assertEqual(b"".join(path.read_bytes() for path in found), b"".join(LINES[:12]))


class Sameness(unittest.TestCase):
    """Tests of the check that stores are equal."""

    def same(self, reports, rows, said=""):
        """Compares two stores with given reports. A stub of Python prints the differences of their rows."""
        with tempfile.TemporaryDirectory() as folder:
            python = Path(folder) / "python"
            python.write_text(f"#!/bin/sh\necho '{rows}'\necho \"{said}\" >&2\n{'exit 1' if said else ''}\n")
            python.chmod(0o700)
            bench = SimpleNamespace(
                run_well=lambda command: Measured(0, 0, 0, 0, reports[command[command.index("--store") + 1]], ""),
                given=SimpleNamespace(python=str(python)), scratch=folder)
            return same(bench, Wa("wa", {"end": "2026-02-01T00:00:00Z"}), {SINGLE: "one", "other": "two"})

    def test_equal_reports_and_rows_are_accepted(self):
        said = self.same({"one": "{}", "two": "{}"}, '{"two": {}}')
        self.assertIn("so are the rows of the tables", said)

    def test_different_report_is_an_error(self):
        with self.assertRaisesRegex(Failed, "wa report summary"):
            self.same({"one": '{"sessions":1}', "two": '{"sessions":2}'}, '{"two": {}}')

    def test_different_rows_are_an_error(self):
        with self.assertRaisesRegex(Failed, "events.*3, 0"):
            self.same({"one": "{}", "two": "{}"}, '{"two": {"events": [3, 0]}}')

    def test_failed_comparison_is_an_error(self):
        with self.assertRaisesRegex(Failed, "no such file"):
            self.same({"one": "{}", "two": "{}"}, "", said="no such file")

    def test_without_duckdb_rows_are_not_compared(self):
        said = self.same({"one": "{}", "two": "{}"}, "", said="ModuleNotFoundError: No module named 'duckdb'")
        self.assertIn("rows were not compared", said)


@unittest.skipUnless(importlib.util.find_spec("duckdb"), "DuckDB is not installed")
class Rows(unittest.TestCase):
    """Tests that the comparison counts duplicate rows and ignores write times."""

    def differences(self, rows):
        """Compares a store with rows 1 and 2, stored at 12, with a store with other sessions."""
        with tempfile.TemporaryDirectory() as folder:
            stores = [self.store(Path(folder) / "one", "(1, 12), (2, 12)"), self.store(Path(folder) / "two", rows)]
            found = run([sys.executable, HERE / "same_rows.py", *stores], folder)
            self.assertEqual(found.status, 0, found.err)
            return json.loads(found.out)[str(stores[1])]

    def store(self, store, sessions):
        """Writes the tables of a store."""
        import duckdb
        for table in ("events", "sessions", "daily_stats", "visitors"):
            path = store / table / "month=2026-01" / "file.parquet"
            path.parent.mkdir(parents=True)
            times = {"events": "stored as created_at", "visitors": "7 as first_seen_at"}.get(
                table, "stored as created_at, stored as updated_at")
            rows = sessions if table == "sessions" else "(1, 12), (2, 12)"
            duckdb.sql(f"copy (select id, {times} from (values {rows}) as t(id, stored)) to '{path}' (format parquet)")
        return store

    def test_storage_time_and_order_are_ignored(self):
        self.assertEqual(self.differences("(2, 13), (1, 14)"), {})

    def test_duplicate_row_is_a_difference(self):
        self.assertEqual(self.differences("(1, 12), (2, 12), (2, 12)"), {"sessions": [0, 1]})

    def test_other_row_is_missing_on_both_sides(self):
        self.assertEqual(self.differences("(1, 12), (3, 12)"), {"sessions": [1, 1]})


if __name__ == "__main__":
    unittest.main()
