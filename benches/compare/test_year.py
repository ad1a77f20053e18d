"""Tests of modes `night`, `reports` and `year`: `python3 -m unittest discover benches/compare`."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from day_by_day import days
from measure import Failed, Measured
from night import line, target
from programs import HERE, Wa
from reports import DUCKDB, agree, cases, line as report_line, target as report_target
from year import groups, night_after, row


def measured(seconds, peak=50_000_000):
    """Returns the measurements of a run."""
    return Measured(seconds, seconds, peak, 0, "", "")


class DayByDay(unittest.TestCase):
    """Tests of logs that are generated one day at a time."""

    def made(self, seed=1, visit_events=2):
        """Generates three days of 400 visits. Returns the lines by file."""
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for path in days(folder, 400, visit_events, 3, seed):
                found[path.name] = path.read_text().splitlines()
                path.unlink()
            return found

    def test_one_file_per_day_depends_on_arguments_and_seed(self):
        found = self.made()
        self.assertEqual(list(found), [f"widget-2026-01-0{day}.ndjson" for day in (1, 2, 3)])
        self.assertEqual(self.made(), found)
        self.assertNotEqual(self.made(seed=2), found)

    def test_visits_and_their_events_match_the_arguments(self):
        lines = {line for file in self.made(visit_events=1).values() for line in file}
        self.assertEqual(len(lines), 1200)
        lines = {line for file in self.made().values() for line in file}
        self.assertGreater(len(lines), 1200)
        self.assertLessEqual(len(lines), 2400)
        self.assertTrue(all(json.loads(line)["chatbot_id"] for line in lines))

    def test_next_day_is_written_on_request(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, HERE / "day_by_day.py", folder, "--visits", "5", "--visit-events", "2", "--days", "3",
                       "--seed", "1"]
            maker = subprocess.run(command, input="\n", stdout=subprocess.PIPE, text=True, check=True)
            made = sorted(path.name for path in Path(folder).iterdir())
        # One request makes two files: the first day needs no request, and the end of input stops the program.
        self.assertEqual(made, ["widget-2026-01-01.ndjson", "widget-2026-01-02.ndjson"])
        self.assertEqual([Path(path).name for path in maker.stdout.split()], made)


class Tables(unittest.TestCase):
    """Tests of the printed tables."""

    def test_night_after_last_day_of_month_is_in_next_month(self):
        self.assertEqual(night_after(Path("logs/widget-2026-01-31.ndjson")), "2026-02-01T02:00:00Z")

    def test_groups_contain_all_items(self):
        self.assertEqual(list(groups(iter("abcdefg"), 3)), [["a", "b", "c"], ["d", "e", "f"], ["g"]])
        self.assertEqual(list(groups("ab", 1)), [["a"], ["b"]])
        self.assertEqual(list(groups([], 2)), [])

    def test_row_of_nights_has_medians_without_last_gc(self):
        nights = [{"ingest": measured(0.1), "gc": measured(0.02)}, {"ingest": measured(0.9), "gc": measured(0.04)},
                  {"ingest": measured(0.2, 70_000_000)}]
        self.assertEqual(row("the last", nights),
                         ["the last 3", "200", "100 to 900", "70", "30", "20 to 40", "50"])

    def test_row_of_single_run_has_no_gc(self):
        self.assertEqual(row("the first", [{"ingest": measured(0.5)}])[1:], ["500", "500 to 500", "50", "", "", ""])

    def test_target_is_a_fifth_or_100_ms_more_than_empty(self):
        self.assertAlmostEqual(target(0.05), 0.15)
        self.assertAlmostEqual(target(2.0), 2.4)
        self.assertEqual(line("the day into the year", [0.2, 0.1, 0.6], 0.1),
                         ["the day into the year", "200", "200", "100 to 600", "2.00", "+100"])
        self.assertEqual(line("the day into an empty store", [0.1], 0.1)[2], "")

    def test_each_report_but_all_has_a_target(self):
        names = ["wa --version", "summary", "trends", "events", "performance", "all", DUCKDB]
        self.assertEqual([report_target(name) for name in names], ["5", "10", "10", "20", "100", "", ""])

    def test_report_row_has_milliseconds_and_share_of_duckdb(self):
        runs, beside = [measured(0.01), measured(0.03), measured(0.012)], [measured(0.048)]
        self.assertEqual(report_line("trends", runs, beside, True),
                         ["trends", "12.0", "10", "0.25", "10.0 to 30.0", "50"])
        self.assertEqual(report_line("trends", runs, None, False)[2:4], ["", ""])

    def test_different_duckdb_summary_is_an_error(self):
        summary = {"total_sessions": 5, "unique_visitors": 4, "total_conversations": 3, "total_messages_sent": 9,
                   "total_messages_received": 8}
        agree(summary, "5,4,3,70.5,9,8\n")
        for printed in ["5,3,3,70.5,9,8\n", "5,4,3,70.5,9\n", ""]:
            with self.assertRaises(Failed):
                agree(summary, printed)

    def test_commands_without_window_are_measured_once(self):
        wa = Wa("wa", {"end": None})
        first, more = (dict(cases(wa, "store", days, days == 30)) for days in (30, 365))
        self.assertEqual(set(first) - set(more), {"wa --version", "active", "summary, as JSON"})
        self.assertEqual(more["trends"],
                         ["wa", "--store", "store", "report", "trends", "--days", 365, "--as-of", "latest"])


if __name__ == "__main__":
    unittest.main()
