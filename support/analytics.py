"""Questions over many conversations; the API and the admin ask them here."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate

from support import clock
from support.models import Conversation, Message

DAYS_DEFAULT = 30
DAYS_MAX = 365
_TOP = 10


def summary(days: int = DAYS_DEFAULT, now: datetime | None = None) -> dict[str, Any]:
    """The contract's numbers of the conversations opened in the last `days` days in UTC, today included.

    Percentages have one decimal and add up to 100.0 where there is any conversation; cost is in dollars.
    Three queries, whatever the number of days.
    """
    today = (now or clock.now()).astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, time.min, tzinfo=UTC)
    by_day = (
        Conversation.objects.filter(created_at__gte=since)
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values("day")
        .annotate(
            conversations=Count("pk"),
            handed_over=Count("pk", filter=Q(escalated=True)),
            pairs=Sum("message_count"),
            usd_billionths=Sum("cost_usd_billionths"),
        )
        .order_by("day")
    )
    rows = {row["day"]: row for row in by_day}
    total = sum(row["conversations"] for row in rows.values())
    messages = sum(row["pairs"] for row in rows.values())
    escalated_pct = round(100 * sum(row["handed_over"] for row in rows.values()) / total, 1) if total else 0.0
    window = [first + timedelta(days=n) for n in range(days)]
    return {
        "total_conversations": total,
        "total_messages": messages,
        "auto_resolved_pct": round(100 - escalated_pct, 1) if total else 0.0,
        "escalated_pct": escalated_pct,
        "avg_messages_per_conversation": round(messages / total, 1) if total else 0.0,
        "total_cost_usd": round(sum(row["usd_billionths"] for row in rows.values()) / 1_000_000_000, 6),
        "top_questions": top_questions(since),
        "conversations_by_day": [
            {"date": day.isoformat(), "count": rows[day]["conversations"] if day in rows else 0} for day in window
        ],
    }


def top_questions(since: datetime, most: int = _TOP) -> list[dict[str, Any]]:
    """The questions asked most often since then, each in its commonest spelling. Two queries."""
    asked = Message.objects.filter(created_at__gte=since)
    top = list(
        asked.values("question_key").annotate(number=Count("pk")).order_by("-number", "question_key")[:most]
    )
    spellings = (
        asked.filter(question_key__in=[row["question_key"] for row in top])
        .values("question_key", "user_message")
        .annotate(number=Count("pk"))
        .order_by("number", "-user_message")
    )
    commonest = {row["question_key"]: row["user_message"] for row in spellings}
    return [
        {"question": commonest[row["question_key"]].strip(), "count": row["number"]}
        for row in top
        if row["question_key"] in commonest  # not erased between the two queries
    ]
