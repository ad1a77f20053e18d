"""Readers with a SQL interface."""

import sql
from summary import MISSING, summary


class SqlReader:
    """Runs the queries of `sql.py`. A subclass per library implements `query` and `table`."""

    visitor = "chatbot_id || coalesce(' a' || anonymous_id, ' u' || user_id, ' s' || session_id)"
    day_first_seen = "cast(v.first_seen_at as date)"

    def query(self, text):
        """Returns the rows of a query."""
        raise NotImplementedError

    def table(self, name):
        """Returns the expression that stands for a table."""
        raise NotImplementedError

    def rows(self, text, **values):
        tables = {name: self.table(name) for name in ("events", "sessions", "daily_stats", "visitors")}
        names = {"visitor": self.visitor, "day_first_seen": self.day_first_seen}
        return [tuple(row) for row in self.query(text.format(**tables, **names, **values))]

    def count(self, table):
        return self.rows("select count(*) from {name}", name=self.table(table))[0][0]

    def summary(self, first, last):
        window = {"first": first, "last": last}
        totals, bots = self.rows(sql.SUMMARY, **window)[0], self.rows(sql.BOTS, **window)[0][0]
        return summary(totals, self.new_visitors(first, last), bots)

    def trends(self, first, last):
        return self.integers(self.rows(sql.TRENDS, first=first, last=last))

    def daily_stats(self, first, last):
        return self.integers(self.rows(sql.DAILY_STATS, first=first, last=last))

    def integers(self, rows):
        """Returns rows with integers of Python. Some libraries return a sum as a decimal number."""
        return [(day, *(int(number) for number in numbers)) for day, *numbers in rows]

    def group(self, column, first, last):
        missing = MISSING.get(column, "unknown")
        return self.rows(sql.GROUP, column=column, missing=missing, first=first, last=last)

    def latest_events(self, count):
        return self.rows(sql.LATEST_EVENTS, count=count)

    def events(self, first, last):
        return self.rows(sql.EVENTS, first=first, last=last)

    def new_visitors(self, first, last):
        window = {"first": first, "last": last}
        return self.rows(sql.NEW_VISITORS, **window)[0][0] + self.rows(sql.SESSION_KEYS, **window)[0][0]

    def join_names(self, names, first, last):
        values = ", ".join(f"('{chatbot}', '{name}')" for chatbot, name in names)
        return self.rows(sql.NAMES, names=self.names(values), first=first, last=last)

    def names(self, values):
        return f"(values {values}) n(chatbot_id, name)"
