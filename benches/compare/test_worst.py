"""Tests of mode `worst`: `python3 -m unittest discover benches/compare`."""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path

import worst
from measure import Failed, Measured

LIMIT = 200_000
"""Bytes of a generated log."""


def lines(name, limit=LIMIT):
    """Returns the lines of a case."""
    case = next(case for case in worst.CASES if case.name == name)
    return list(case.lines(limit))


def measured(seconds, peak=0):
    """Returns the measurements of a run with this CPU time."""
    return Measured(seconds, seconds, peak, 0, "", "")


class Logs(unittest.TestCase):
    """Tests of the generated logs."""

    def test_log_has_the_requested_size(self):
        for case in worst.CASES:
            found = [len(line) + 1 for line in case.lines(LIMIT)]
            with self.subTest(case.name):
                self.assertGreaterEqual(sum(found), LIMIT)
                self.assertLess(sum(found[:-1]), LIMIT)

    def test_values_that_must_be_distinct_are_distinct(self):
        for name, field in [("chatbots", "chatbot_id"), ("campaign sources", "utm_source"),
                            ("event names of one session", "event_name")]:
            values = [json.loads(line)[field] for line in lines(name)]
            self.assertEqual(len(set(values)), len(values), name)
        rejected = lines("short rejected lines")
        self.assertEqual(len(set(rejected)), len(rejected))

    def test_events_cycle_through_9000_dates(self):
        days = [json.loads(line)["timestamp"] // worst.DAY for line in lines("9,000 dates", 1_000_000)]
        self.assertEqual(len(set(days)), min(9_000, len(days)))
        self.assertEqual(days[:3], [days[0], days[0] + 1, days[0] + 2])
        self.assertEqual(days[0], worst.START // worst.DAY - 9_000)

    def test_long_line_has_one_mebibyte(self):
        for line in lines("lines of 1 MiB"):
            self.assertLessEqual(len(line), 1 << 20)
            self.assertGreater(len(line), 1_048_000)

    def test_script_writes_the_log_of_a_case(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            command = [sys.executable, worst.__file__, "short rejected lines", path, "1000"]
            size = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            self.assertEqual(size, path.stat().st_size)
            self.assertEqual(path.read_text().splitlines(), lines("short rejected lines", 1000))


class Checks(unittest.TestCase):
    """Tests of the limits of time and memory."""

    def limits(self):
        return worst.Limits(types.SimpleNamespace(say=lambda text: None))

    def test_ratio_compares_the_time_per_byte(self):
        limits = self.limits()
        # 2 seconds for 10 MB is ten times the usual 0.02 µs per byte.
        limits.add("a case", measured(2, 50_000_000), 10_000_000, 2e-8, 60_000_000)
        self.assertEqual(limits.rows, [["a case", "10", "2.00", "10.0", "50"]])
        self.assertEqual(limits.failed, [])

    def test_time_and_peak_over_the_limit_are_reported(self):
        limits = self.limits()
        limits.add("slow", measured(21), 1_000_000, 1e-6, None)
        limits.add("large", measured(1, 61_000_000), 1_000_000, 1e-6, 60_000_000)
        self.assertEqual(limits.failed, ["slow: 21 times the CPU time per byte", "large: a peak of 61 MB"])

    def test_documented_exceptions_have_other_limits(self):
        for name, ratio in worst.EXCEPTIONS.items():
            limits = self.limits()
            limits.add(name, measured(ratio), 1_000_000, 1e-6, None)
            self.assertEqual(limits.failed, [], name)
            limits.add(name, measured(ratio + 1), 1_000_000, 1e-6, None)
            self.assertEqual(limits.failed, [f"{name}: {ratio + 1} times the CPU time per byte"])

    def test_case_over_a_limit_fails_the_run(self):
        bench = types.SimpleNamespace(say=lambda text: None, work=None,
                                      given=types.SimpleNamespace(megabytes=1, case="no such case"))
        with contextlib.redirect_stdout(io.StringIO()):
            worst.worst(bench)
        add = worst.measure_case
        worst.measure_case = lambda bench, limits, case, size: limits.failed.append(f"{case.name}: too slow")
        try:
            bench.given.case = "one session"
            with self.assertRaisesRegex(Failed, "one session: too slow"), contextlib.redirect_stdout(io.StringIO()):
                worst.worst(bench)
        finally:
            worst.measure_case = add


if __name__ == "__main__":
    unittest.main()
