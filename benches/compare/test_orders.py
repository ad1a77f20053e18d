"""Tests of the orders of a workload."""

import json
import random
import tempfile
import unittest
from pathlib import Path

import orders
import workload
from measure import Failed, Measured
from programs import Result


def events(lines):
    """Returns the events of the given lines."""
    return [json.loads(line) for line in lines]


class TestOrders(unittest.TestCase):
    """Tests that every order has the same lines, or the same lines with different keys."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.data = Path(cls.folder.name) / "data"
        workload.make(cls.data, workload.volumes(1200, 12), 1)
        cls.files = [path.read_bytes().splitlines(keepends=True) for path in sorted(cls.data.glob("*.ndjson"))]
        cls.lines = [line for lines in cls.files for line in lines]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def made(self, order):
        """Returns the lines of an order, by file."""
        return dict(orders.ORDERS[order](iter(self.files), random.Random(1)))

    def test_orders_have_the_same_lines(self):
        for order in orders.SAME_EVENTS - {orders.IN_ORDER}:
            made = [line for lines in self.made(order).values() for line in lines]
            self.assertNotEqual(made, self.lines, order)
            self.assertEqual(sorted(made), sorted(self.lines), order)

    def test_shards_have_whole_sessions_in_order(self):
        self.check_shards("sharded by session", "session_id")

    def test_shards_have_whole_visitors_in_order(self):
        self.check_shards("sharded by visitor", "anonymous_id")

    def check_shards(self, order, key):
        """Checks that each key is in one shard, and that each shard is in time order."""
        shards = self.made(order)
        sessions = [{event[key] for event in events(lines)} for lines in shards.values()]
        self.assertEqual(len(shards), orders.SHARDS)
        self.assertEqual(len(set().union(*sessions)), sum(map(len, sessions)))
        position = {line: number for number, line in enumerate(self.lines)}
        for lines in shards.values():
            # Duplicate lines have the position of the last copy.
            unique = [line for line in lines if self.lines.count(line) == 1]
            self.assertEqual(unique, sorted(unique, key=position.get))

    def test_late_lines_arrive_within_days(self):
        late = self.made("late by days")["all"]
        days = [int(event["timestamp"][8:10]) for event in events(late)]
        latest = 0
        for day in days:
            latest = max(latest, day)
            self.assertGreaterEqual(day, latest - orders.LATE_DAYS - 1)
        self.assertGreater(sum(a > b for a, b in zip(days, days[1:])), len(days) / 5)

    def test_interleaved_years_alternate_in_each_file(self):
        made = self.made("two interleaved years")
        self.assertEqual(len(made), len(self.files))
        for lines in made.values():
            years = [event["timestamp"][:4] for event in events(lines)]
            self.assertEqual({"2025", "2026"}, set(years))
        whole = events(line for lines in made.values() for line in lines)
        of_session = {event["session_id"]: event["timestamp"][:4] for event in whole}
        self.assertTrue(all(of_session[event["session_id"]] == event["timestamp"][:4] for event in whole))

    def test_one_session_has_one_key(self):
        whole = events(line for lines in self.made("one session").values() for line in lines)
        self.assertEqual(len({(e["chatbot_id"], e["session_id"], e["anonymous_id"]) for e in whole}), 1)
        self.assertEqual(len({e["id"] for e in whole}), len({e["id"] for e in events(self.lines)}))

    def test_many_chatbots_have_an_event_each(self):
        whole = events(line for lines in self.made("a million chatbots").values() for line in lines)
        self.assertEqual(len({event["chatbot_id"] for event in whole}), len(self.lines))

    def test_row_has_medians_and_ratios(self):
        def run(seconds, processor, peak=0):
            return Result(10, 2, seconds, 5_000_000, Measured(seconds, processor, peak, 0, "", ""))
        own = [run(3, 6, 70_000_000), run(1, 2), run(2, 4)]
        row = orders.row("late", own, [run(4, 2)], [[run(8, 9)], [run(10, 5), run(10, 5)]])
        self.assertEqual(row, ["late", "2.00", "0.50", "0.25", "4.00", "2.00", "0.80", "70", "5.0"])
        self.assertEqual(len(row), len(orders.HEADER))
        self.assertEqual(orders.row("late", own, own, [])[3], "")

    def test_lost_event_or_session_fails(self):
        def run(events, sessions):
            return Result(events, sessions, 1, 1, None)
        orders.check("late by days", [run(10, 2)], run(10, 2))
        orders.check("one session", [run(10, 1)], run(10, 2))
        for found in (run(9, 2), run(10, 3)):
            with self.assertRaises(Failed):
                orders.check("late by days", [run(10, 2), found], run(10, 2))

    def test_make_writes_the_files(self):
        folder = Path(self.folder.name) / "made"
        self.assertEqual(orders.make(self.data, folder, "sharded by session", 1), len(self.lines))
        self.assertEqual(len(list(folder.glob("*.ndjson"))), orders.SHARDS)


if __name__ == "__main__":
    unittest.main()
