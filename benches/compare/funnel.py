"""Compares the counts of `wa report funnel` with ClickHouse's windowFunnel on the same files.

    python3 funnel.py WA STORE [DAYS]      needs: pip install chdb

ClickHouse joins the events and sessions of the store's Parquet files. An event belongs to the session
with its key whose interval contains its time. Bot sessions are excluded. If several events have the
same time, windowFunnel accepts them in any order; with `strict_increase`, it accepts only one of
them. `wa` orders them by id, so its counts must lie between these two counts, which differ in few
sessions.
"""

import json
import subprocess
import sys
import time

import chdb

STEPS = ["widget_loaded", "widget_opened", "message_sent", "message_received"]

EVENTS = """
select s.id as unit, toUInt64(toUnixTimestamp64Micro(e.timestamp)) as time, e.event_name as name
from file('{store}/events/*/*.parquet', Parquet) as e
join (select chatbot_id, session_id, anonymous_id, user_id, started_at, ended_at, id
      from file('{store}/sessions/*/*.parquet', Parquet)
      where toDate(started_at) between '{start}' and '{end}' and not is_bot) as s
  on e.chatbot_id = s.chatbot_id and e.session_id = s.session_id
where e.timestamp between s.started_at and s.ended_at
"""

COUNTS = """
select level, count() from (
  select unit, windowFunnel({within}{mode})(time, {conditions}) as level from ({events}) group by unit
) group by level order by level
"""


def by_clickhouse(store, start, end, mode):
    """Returns the number of units that reach each step."""
    conditions = ", ".join(f"name = '{step}'" for step in STEPS)
    events = EVENTS.format(store=store, start=start, end=end)
    text = str(chdb.query(COUNTS.format(within=10**15, mode=mode, conditions=conditions, events=events), "CSV"))
    levels = dict(tuple(map(int, line.split(","))) for line in text.split())
    return [sum(count for level, count in levels.items() if level > step) for step in range(len(STEPS))]


def main(wa, store, days="30"):
    """Prints all counts and times; exits with 1 if a count of `wa` is outside the bounds."""
    arguments = [wa, "--store", store, "report", "funnel", "--days", days, "--as-of", "latest", "--format", "json"]
    for step in STEPS:
        arguments += ["--step", step]
    began = time.monotonic()
    answer = json.loads(subprocess.run(arguments, check=True, capture_output=True).stdout)
    took = time.monotonic() - began
    counts = [step["count"] for step in answer["steps"]]
    print(f"wa                           {counts}  {took * 1000:.0f} ms")
    bounds = []
    for mode in [", 'strict_increase'", ""]:
        began = time.monotonic()
        bounds.append(by_clickhouse(store, answer["from"], answer["to"], mode))
        name = "ClickHouse" + mode.replace(",", "").replace("'", "")
        print(f"{name:<27}  {bounds[-1]}  {(time.monotonic() - began) * 1000:.0f} ms")
    lower, upper = bounds
    return not all(low <= count <= high for low, count, high in zip(lower, counts, upper))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
