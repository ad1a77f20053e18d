"""Computes the metrics of `wa report summary` from the totals of a reader."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass
class Totals:
    """Totals of the sessions of a window, bot sessions excluded."""

    sessions: int
    visitors: int
    conversations: int
    messages_sent: int
    messages_received: int
    errors: int
    duration_seconds: int
    response_us: int
    responses: int


def summary(totals, new_visitors, bots):
    """Returns the metrics under the names of the report."""
    totals = Totals(*(int(total) for total in totals))
    return {
        "total_sessions": totals.sessions,
        "unique_visitors": totals.visitors,
        "total_conversations": totals.conversations,
        "avg_session_duration_seconds": half_up(Fraction(totals.duration_seconds, totals.sessions)),
        "conversion_rate": half_up(Fraction(10_000 * totals.conversations, totals.sessions)) / 100,
        "new_visitors": new_visitors,
        "returning_visitors": totals.visitors - new_visitors,
        "total_messages_sent": totals.messages_sent,
        "total_messages_received": totals.messages_received,
        "avg_response_time_ms": half_up(Fraction(totals.response_us, 1000 * totals.responses)),
        "error_count": totals.errors,
        "bot_sessions_excluded": int(bots),
    }


def half_up(number):
    return int(number + Fraction(1, 2))


MISSING = {"referrer_domain": "direct", "channel": "Direct"}
"""Labels of missing values in reports; the label of other columns is `unknown`."""
