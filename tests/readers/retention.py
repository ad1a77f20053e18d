"""Compares the report `retention` with cohorts in SQL: joins in DuckDB, `retention` in ClickHouse."""

from chdb_reader import ChDb
from duckdb_reader import DuckDb

SESSIONS = """
select s.chatbot_id as chatbot_id, coalesce(s.anonymous_id, s.user_id) as visitor,
       {week_seen} as cohort, {week_started} as week
from {sessions} s
join {visitors} v
  on v.chatbot_id = s.chatbot_id and v.visitor_id = coalesce(s.anonymous_id, s.user_id)
 and v.id_kind = case when s.anonymous_id is not null then 'anonymous' else 'user' end
where not s.is_bot and s.session_date between '{first}' and '{last}'
"""

DUCKDB = """
with sessions_of_visitors as ({rows}),
     members as (select distinct chatbot_id, visitor, cohort from sessions_of_visitors where week = cohort)
select m.cohort, (s.week - m.cohort) // 7 as period, count(distinct (m.chatbot_id, m.visitor))
from members m join sessions_of_visitors s using (chatbot_id, visitor)
where m.cohort >= '{first}'
group by all order by all
"""

CLICKHOUSE = """
select cohort, arrayJoin(range({periods})) as period, sum(came_back[period + 2]) as visitors
from (select cohort, chatbot_id, visitor, retention(week = cohort, {conditions}) as came_back
      from ({rows}) where cohort >= '{first}' group by cohort, chatbot_id, visitor)
group by cohort, period having visitors > 0 order by cohort, period
"""


def check(wa):
    """Compares the weekly cohorts of the report with those of each engine."""
    report = wa.report("retention", "--days", "60")
    window = {"first": report["from"], "last": report["to"]}
    expected = [(cohort["cohort"], cell["period"], cell["visitors"])
                for cohort in report["cohorts"] for cell in cohort["periods"] if cell["visitors"]]
    assert len(expected) > 10, expected
    for reader in [DuckDb(wa.store), ChDb(wa.store)]:
        found = [(str(cohort), int(period), int(visitors)) for cohort, period, visitors in query(reader, window)]
        assert found == expected, f"{type(reader).__name__}\n{found}\n{expected}"
        print(f"retention in {type(reader).__name__}: passed")


def query(reader, window):
    weeks = {"week_seen": "cast(date_trunc('week', v.first_seen_at) as date)",
             "week_started": "cast(date_trunc('week', s.started_at) as date)"}
    if isinstance(reader, DuckDb):
        return reader.rows(DUCKDB.replace("{rows}", SESSIONS), **weeks, **window)
    periods = 10
    values = {"periods": periods, "conditions": ", ".join(f"week = cohort + {7 * n}" for n in range(periods))}
    return reader.rows(CLICKHOUSE.replace("{rows}", SESSIONS), **weeks, **values, **window)
