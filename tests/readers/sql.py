"""Queries for libraries with a SQL interface.

`{sessions}` and similar names stand for the tables. Each reader supplies a few expressions, such
as `{visitor}`; the rest is standard SQL.
"""

SUMMARY = """
select count(*), count(distinct {visitor}), sum(cast(had_conversation as int)),
       sum(messages_sent), sum(messages_received), sum(error_count), sum(duration_seconds),
       sum(response_time_sum_us), sum(response_time_count)
from {sessions}
where not is_bot and session_date between '{first}' and '{last}'
"""

BOTS = """
select count(*) from {sessions} where is_bot and session_date between '{first}' and '{last}'
"""

TRENDS = """
select session_date, count(*), sum(cast(had_conversation as int)), sum(messages_sent + messages_received)
from {sessions}
where not is_bot and session_date between '{first}' and '{last}'
group by session_date
order by session_date
"""

DAILY_STATS = """
select stat_date, sum(total_sessions), sum(total_conversations),
       sum(total_messages_sent + total_messages_received)
from {daily_stats}
where stat_date between '{first}' and '{last}'
group by stat_date
having sum(total_sessions) > 0
order by stat_date
"""

GROUP = """
select coalesce({column}, '{missing}') as value, count(*) as sessions
from {sessions}
where not is_bot and session_date between '{first}' and '{last}'
group by value
order by sessions desc, value
"""

LATEST_EVENTS = """
select timestamp, event_name from {events} order by timestamp desc, id desc limit {count}
"""

EVENTS = """
select e.event_name as name, count(*) as events, count(distinct s.id) as sessions
from {events} e
join {sessions} s
  on s.chatbot_id = e.chatbot_id
 and coalesce('s' || s.session_id, 'a' || s.anonymous_id, 'u' || s.user_id)
   = coalesce('s' || e.session_id, 'a' || e.anonymous_id, 'u' || e.user_id)
where e.timestamp >= s.started_at and e.timestamp <= s.ended_at
  and not s.is_bot and s.session_date between '{first}' and '{last}'
group by name
order by events desc, name
"""

NEW_VISITORS = """
select count(*) from (
  select distinct chatbot_id, case when anonymous_id is not null then 'anonymous' else 'user' end as id_kind,
         coalesce(anonymous_id, user_id) as visitor_id
  from {sessions}
  where not is_bot and session_date between '{first}' and '{last}'
    and coalesce(anonymous_id, user_id) is not null
) s
join {visitors} v on v.chatbot_id = s.chatbot_id and v.id_kind = s.id_kind and v.visitor_id = s.visitor_id
where {day_first_seen} between '{first}' and '{last}'
"""

SESSION_KEYS = """
select count(distinct {visitor}) from {sessions}
where not is_bot and session_date between '{first}' and '{last}'
  and anonymous_id is null and user_id is null
"""

NAMES = """
select n.name, count(*) from {names}
join {sessions} s on s.chatbot_id = n.chatbot_id
where not is_bot and session_date between '{first}' and '{last}'
group by n.name order by n.name
"""
