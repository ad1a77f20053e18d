"""Tests of mode `filters`: `python3 -m unittest discover benches/compare`."""

import unittest

from filters import Answered, agree, by_values, cells, figures, target
from measure import Failed, Measured
from questions import QUESTIONS, Question, sql


class Questions(unittest.TestCase):
    """Tests of the questions as options of `wa` and as SQL."""

    def test_options_name_the_filter_and_the_breakdown(self):
        question = Question("all", session=("device_type", "mobile"), prop=("ms", 2), by="os_name", by_property="label")
        self.assertEqual(question.flags(), ["--where", "device_type=mobile", "--where", "properties.ms>2",
                                            "--by", "os_name", "--by", "properties.label"])
        self.assertEqual(Question("text", prop=("label", "a")).flags(), ["--where", "properties.label=a"])
        self.assertEqual(Question("none").flags(), [])

    def test_query_without_condition_on_events_reads_only_sessions(self):
        text = sql(Question("one", session=("device_type", "mobile")), "it's", "2026-01-01", "2026-01-30")
        self.assertIn("read_parquet('it''s/sessions/", text)
        self.assertNotIn("events", text)
        self.assertIn("device_type = 'mobile'", text)

    def test_numbers_are_compared_as_numbers_and_text_as_text(self):
        scope = ("store", "2026-01-01", "2026-01-30")
        self.assertIn("try_cast((e.properties ->> 'ms') as double) > 2", sql(Question("n", prop=("ms", 2)), *scope))
        self.assertIn("(e.properties ->> 'label') = 'a'", sql(Question("t", prop=("label", "a")), *scope))

    def test_names_are_distinct(self):
        self.assertEqual(len({question.name for question in QUESTIONS}), len(QUESTIONS))


class Figures(unittest.TestCase):
    """Tests of the comparison of answers."""

    SUMMARY = {"total_sessions": 5, "unique_visitors": 4, "total_conversations": 3, "total_messages_sent": 9,
               "total_messages_received": 8, "error_count": 1}

    def test_figures_are_keyed_by_the_values_of_the_breakdown(self):
        self.assertEqual(figures({"summary": self.SUMMARY}), {("",): [5, 4, 3, 9, 8]})
        answer = {"summary": {}, "groups": [{"values": ["a", "b"], "summary": self.SUMMARY}]}
        self.assertEqual(figures(answer), {("a", "b"): [5, 4, 3, 9, 8]})

    def test_rows_of_other_programs_are_keyed_by_their_values(self):
        self.assertEqual(by_values([["a", "b", "5", "4", "3", "9", "8", "1.5"], ["c", "d", 1, 1, 0, None, "NULL", None]]),
                         {("a", "b"): [5, 4, 3, 9, 8], ("c", "d"): [1, 1, 0, 0, 0]})
        self.assertEqual(by_values([]), {})

    def test_different_figures_and_missing_groups_are_errors(self):
        agree("one", {("a",): [5, 4, 3, 9, 8]}, {("a",): [5, 4, 3, 9, 8]})
        # The visitors of a window with pruned sessions are unknown.
        agree("one", {("a",): [5, None, 3, 9, 8]}, {("a",): [5, 7, 3, 9, 8]})
        for found in [{}, {("a",): [5, 4, 3, 9, 7]}, {("a",): [5, 4, 3, 9, 8], ("b",): [1, 1, 0, 0, 0]}]:
            with self.assertRaises(Failed):
                agree("one", {("a",): [5, 4, 3, 9, 8]}, found)

    def test_cells_have_medians_and_the_greatest_peak(self):
        runs = [Measured(0.010, 0.020, 50_000_000, 0, "", ""), Answered(0.030, 0.020, 70_000_000),
                Answered(0.012, 0.026, 60_000_000)]
        self.assertEqual(cells(runs), ["12.0", "20.0", "70"])

    def test_reports_on_events_have_one_target(self):
        self.assertEqual([target(name, 30) for name in ("summary", "funnel", "all")], ["20, 100", "100", ""])
        self.assertEqual(target("summary", 365), "")


if __name__ == "__main__":
    unittest.main()
