"""Tests of the nights and of the year: `python3 -m unittest discover benches/compare`."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from day_by_day import days
from measure import Failed, Measured
from night import aim, line
from programs import HERE, Wa
from reports import DUCKDB, agree, aim as report_aim, cases, line as report_line
from year import groups, night_after, row


def measured(seconds, peak=50_000_000):
    """Makes what a run took."""
    return Measured(seconds, seconds, peak, 0, "", "")


class DayByDay(unittest.TestCase):
    """Logs that are made a day at a time."""

    def made(self, seed=1, visit_events=2):
        """Makes three days of 400 visits; returns the lines by file, each removed before the next is made."""
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for path in days(folder, 400, visit_events, 3, seed):
                found[path.name] = path.read_text().splitlines()
                path.unlink()
            return found

    def test_a_file_a_day_and_the_same_bytes_for_the_same_arguments(self):
        found = self.made()
        self.assertEqual(list(found), [f"widget-2026-01-0{day}.ndjson" for day in (1, 2, 3)])
        self.assertEqual(self.made(), found)
        self.assertNotEqual(self.made(seed=2), found)

    def test_as_many_visits_as_asked_for_of_no_more_events_than_allowed(self):
        lines = {line for file in self.made(visit_events=1).values() for line in file}
        self.assertEqual(len(lines), 1200)
        lines = {line for file in self.made().values() for line in file}
        self.assertGreater(len(lines), 1200)
        self.assertLessEqual(len(lines), 2400)
        self.assertTrue(all(json.loads(line)["chatbot_id"] for line in lines))

    def test_the_program_waits_to_be_asked_for_the_next_day(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, HERE / "day_by_day.py", folder, "--visits", "5", "--visit-events", "2", "--days", "3",
                       "--seed", "1"]
            maker = subprocess.run(command, input="\n", stdout=subprocess.PIPE, text=True, check=True)
            made = sorted(path.name for path in Path(folder).iterdir())
        # Asked once: the first day needs no asking, and the end of the input stops it.
        self.assertEqual(made, ["widget-2026-01-01.ndjson", "widget-2026-01-02.ndjson"])
        self.assertEqual([Path(path).name for path in maker.stdout.split()], made)


class Tables(unittest.TestCase):
    """What is printed."""

    def test_a_night_follows_its_day_over_the_end_of_a_month(self):
        self.assertEqual(night_after(Path("logs/widget-2026-01-31.ndjson")), "2026-02-01T02:00:00Z")

    def test_days_come_in_groups_and_none_is_left_over(self):
        self.assertEqual(list(groups(iter("abcdefg"), 3)), [["a", "b", "c"], ["d", "e", "f"], ["g"]])
        self.assertEqual(list(groups("ab", 1)), [["a"], ["b"]])
        self.assertEqual(list(groups([], 2)), [])

    def test_a_row_of_nights_has_medians_and_the_last_night_has_no_gc(self):
        nights = [{"ingest": measured(0.1), "gc": measured(0.02)}, {"ingest": measured(0.9), "gc": measured(0.04)},
                  {"ingest": measured(0.2, 70_000_000)}]
        self.assertEqual(row("the last", nights),
                         ["the last 3", "200", "100 to 900", "70", "30", "20 to 40", "50"])

    def test_a_single_run_has_no_gc_after_it(self):
        self.assertEqual(row("the first", [{"ingest": measured(0.5)}])[1:], ["500", "500 to 500", "50", "", "", ""])

    def test_a_day_may_cost_a_fifth_more_in_a_store_of_a_year_or_100_ms(self):
        self.assertAlmostEqual(aim(0.05), 0.15)
        self.assertAlmostEqual(aim(2.0), 2.4)
        self.assertEqual(line("the day into the year", [0.2, 0.1, 0.6], 0.1),
                         ["the day into the year", "200", "200", "100 to 600", "2.00", "+100"])
        self.assertEqual(line("the day into an empty store", [0.1], 0.1)[2], "")

    def test_each_report_has_an_aim_and_the_set_of_all_has_none(self):
        names = ["wa --version", "summary", "trends", "events", "performance", "all", DUCKDB]
        self.assertEqual([report_aim(name) for name in names], ["5", "10", "10", "20", "100", "", ""])

    def test_a_report_is_told_in_milliseconds_and_as_a_share_of_what_duckdb_takes(self):
        runs, beside = [measured(0.01), measured(0.03), measured(0.012)], [measured(0.048)]
        self.assertEqual(report_line("trends", runs, beside, True),
                         ["trends", "12.0", "10", "0.25", "10.0 to 30.0", "50"])
        self.assertEqual(report_line("trends", runs, None, False)[2:4], ["", ""])

    def test_nothing_is_told_beside_another_summary(self):
        summary = {"total_sessions": 5, "unique_visitors": 4, "total_conversations": 3, "total_messages_sent": 9,
                   "total_messages_received": 8}
        agree(summary, "5,4,3,70.5,9,8\n")
        for printed in ["5,3,3,70.5,9,8\n", "5,4,3,70.5,9\n", ""]:
            with self.assertRaises(Failed):
                agree(summary, printed)

    def test_what_has_no_window_is_timed_once(self):
        wa = Wa("wa", {"end": None})
        first, more = (dict(cases(wa, "store", days, days == 30)) for days in (30, 365))
        self.assertEqual(set(first) - set(more), {"wa --version", "active", "summary, as JSON"})
        self.assertEqual(more["trends"],
                         ["wa", "--store", "store", "report", "trends", "--days", 365, "--as-of", "latest"])


if __name__ == "__main__":
    unittest.main()
