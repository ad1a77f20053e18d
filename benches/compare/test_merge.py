"""Tests of mode `merge`: `python3 -m unittest discover benches/compare`."""

import tempfile
import unittest
from pathlib import Path

from measure import Failed, Measured
from merge import agree, lines, share_key


def measured(seconds, peak=1_000_000):
    return Measured(seconds, seconds, peak, 0, "", "")


class Merge(unittest.TestCase):
    """Tests of the measured merges."""

    def test_lines_show_ratio_of_medians_and_highest_peak(self):
        runs = {"one ingest": [measured(2.0), measured(4.0), measured(3.0)],
                "halves": [measured(1.5), measured(1.5, 9_000_000), measured(7.0)]}
        self.assertEqual(lines(runs), [["one ingest", "3.00", "1.00", "1"], ["halves", "1.50", "0.50", "9"]])

    def test_other_rows_are_an_error(self):
        rows = {"events": 10, "sessions": 3}
        self.assertEqual(agree("a", rows, None, 10), rows)
        self.assertEqual(agree("a", rows, rows, 10), rows)
        for found, expected, events in ((rows, None, 11), (rows, {"events": 10, "sessions": 4}, 10)):
            with self.assertRaises(Failed):
                agree("a", found, expected, events)

    def test_stores_share_one_private_key(self):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            for name in ("a", "b"):
                share_key(place, place / name)
            keys = {(place / name / "key").read_text() for name in ("a", "b")}
            self.assertEqual(len(keys), 1)
            self.assertEqual((place / "b" / "key").stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
