"""Tests of the workload: `python3 -m unittest discover benches/compare`."""

import json
import tempfile
import unittest
from datetime import datetime
from pathlib import Path

from workload import TIMEOUT, make, volumes

SIZES = volumes(6_000, 4, 500)


def made(folder, seed=1):
    """Generates a small workload. Returns its lines by file."""
    make(Path(folder) / "logs", SIZES, seed)
    return {path.name: path.read_text().splitlines() for path in sorted((Path(folder) / "logs").glob("*.ndjson"))}


def millis(event):
    """Returns an event's time in milliseconds."""
    return round(datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp() * 1000)


class Workload(unittest.TestCase):
    """Tests of the properties that the benchmarks rely on."""

    @classmethod
    def setUpClass(cls):
        """Generates the logs once."""
        with tempfile.TemporaryDirectory() as folder:
            cls.files = made(folder)
        cls.lines = [line for lines in cls.files.values() for line in lines]
        cls.events = {event["id"]: event for event in map(json.loads, cls.lines)}

    def test_bytes_depend_on_arguments_and_seed(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(made(folder), self.files)
            self.assertNotEqual(made(folder, seed=2), self.files)

    def test_event_and_file_counts_match_the_arguments(self):
        self.assertEqual(SIZES, [1500, 1500, 1500, 1500, 500])
        self.assertEqual(len(self.events), 6_500)
        self.assertEqual(len(self.files), 5)

    def test_duplicate_lines_are_identical(self):
        self.assertGreater(len(self.lines), len(self.events))
        self.assertEqual(len(set(self.lines)), len(self.events))

    def test_some_lines_are_unordered_or_in_a_later_file(self):
        late = [line for name, lines in self.files.items() for line in lines
                if json.loads(line)["timestamp"][:10] < name[7:17]]
        self.assertTrue(late)
        first = [millis(json.loads(line)) for line in self.files["widget-2026-01-01.ndjson"]]
        self.assertNotEqual(first, sorted(first))

    def test_some_gaps_equal_or_exceed_the_timeout(self):
        times = {}
        for event in self.events.values():
            times.setdefault((event["chatbot_id"], event["session_id"]), []).append(millis(event))
        gaps = [after - before for key in times.values() for before, after in zip(sorted(key), sorted(key)[1:])]
        self.assertTrue(any(gap > TIMEOUT + 1 for gap in gaps))
        self.assertTrue(any(gap in (TIMEOUT, TIMEOUT + 1) for gap in gaps))


if __name__ == "__main__":
    unittest.main()
