"""GET /api/support/analytics: exactly the contract's numbers of the last days, for staff."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from support import analytics
from support.models import Conversation, Message, User

pytestmark = pytest.mark.django_db

URL = "/api/support/analytics"
KEYS = [
    "total_conversations",
    "total_messages",
    "auto_resolved_pct",
    "escalated_pct",
    "avg_messages_per_conversation",
    "total_cost_usd",
    "top_questions",
    "conversations_by_day",
]


def midnight(days_ago: int = 0) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(datetime.now(UTC).date() - timedelta(days=days_ago), time.min, tzinfo=UTC)


def make(**columns: Any) -> Conversation:
    return Conversation.objects.create(**columns)


def ask(*questions: str, **columns: Any) -> None:
    conversation = make()
    for question in questions:
        Message.objects.create(conversation=conversation, user_message=question, **columns)


def test_an_empty_desk_has_every_number(staff_api: Any) -> None:
    answer = staff_api.get(URL)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == KEYS
    assert [body[key] for key in KEYS[:-1]] == [0, 0, 0.0, 0.0, 0.0, 0.0, []]
    assert [day["count"] for day in body["conversations_by_day"]] == [0] * 30


def test_the_numbers_are_exact_and_numbers(staff_api: Any) -> None:
    make(message_count=4, cost_usd_billionths=1_234_567_890_123, escalated=True)
    make(message_count=3, cost_usd_billionths=877)
    make(message_count=4)
    body = staff_api.get(URL).json()
    assert [body[key] for key in KEYS[:6]] == [3, 11, 66.7, 33.3, 3.7, 1234.567891]
    assert [type(body[key]) for key in KEYS[:6]] == [int, int, float, float, float, float]


@pytest.mark.parametrize("total", [1, 3, 7, 16, 200])
def test_the_percentages_add_up_to_100(staff_api: Any, total: int) -> None:
    for escalated in {0, 1, total // 3, total - 1, total}:
        Conversation.objects.all().delete()
        Conversation.objects.bulk_create(Conversation(escalated=n < escalated) for n in range(total))
        body = staff_api.get(URL).json()
        assert body["auto_resolved_pct"] + body["escalated_pct"] == 100.0
        assert body["escalated_pct"] == pytest.approx(100 * escalated / total, abs=0.0501)


@pytest.mark.parametrize("days", [1, 2, 30, 365])
def test_there_is_one_entry_for_each_day_oldest_first(staff_api: Any, days: int) -> None:
    by_day = staff_api.get(URL, {"days": days}).json()["conversations_by_day"]
    assert [day["date"] for day in by_day] == [midnight(n).date().isoformat() for n in range(days - 1, -1, -1)]
    assert [list(day) for day in by_day] == [["date", "count"]] * days


def test_the_days_are_30_unless_others_are_asked_for(staff_api: Any) -> None:
    assert staff_api.get(URL).json() == staff_api.get(URL, {"days": 30}).json()


def test_a_day_goes_from_midnight_to_midnight_in_utc(staff_api: Any) -> None:
    for moment in (midnight(1), midnight(1), midnight() - timedelta(milliseconds=1), midnight()):
        make(created_at=moment)
    make(created_at=midnight(1) - timedelta(milliseconds=1))  # before the window
    body = staff_api.get(URL, {"days": 2}).json()
    assert [day["count"] for day in body["conversations_by_day"]] == [3, 1]
    assert body["total_conversations"] == 4


def test_the_first_day_of_the_window_counts_and_the_one_before_does_not(staff_api: Any) -> None:
    make(created_at=midnight(29), message_count=2)
    make(created_at=midnight(29) - timedelta(milliseconds=1), message_count=5)
    body = staff_api.get(URL).json()
    assert (body["total_conversations"], body["total_messages"]) == (1, 2)
    assert body["conversations_by_day"][0]["count"] == 1


def test_the_days_may_be_those_before_another_moment() -> None:
    make(created_at=datetime(2024, 2, 29, 23, 59, tzinfo=UTC))
    body = analytics.summary(2, now=datetime(2024, 3, 1, 0, 30, tzinfo=UTC))
    assert body["conversations_by_day"] == [
        {"date": "2024-02-29", "count": 1},
        {"date": "2024-03-01", "count": 0},
    ]


def test_questions_that_differ_only_in_case_spacing_or_end_punctuation_are_one(staff_api: Any) -> None:
    ask("How do deposits work?", "how do  deposits work", " HOW do deposits\nwork ?!", "How do deposits work…")
    ask("How do deposits work, then?")
    assert [row["count"] for row in staff_api.get(URL).json()["top_questions"]] == [4, 1]


def test_the_commonest_spelling_is_shown(staff_api: Any) -> None:
    ask("HOURS", "Hours?", "hours", "Hours?")
    assert staff_api.get(URL).json()["top_questions"] == [{"question": "Hours?", "count": 4}]


def test_the_ten_most_asked_are_shown_most_asked_first(staff_api: Any) -> None:
    for n in range(12):
        ask(*[f"Question {n}"] * (n + 1))
    top = staff_api.get(URL).json()["top_questions"]
    assert [(row["question"], row["count"]) for row in top] == [(f"Question {n}", n + 1) for n in range(11, 1, -1)]


def test_old_questions_are_not_counted(staff_api: Any) -> None:
    ask("Old?", created_at=midnight(30))
    ask("New?", created_at=midnight(29))
    assert [row["question"] for row in staff_api.get(URL).json()["top_questions"]] == ["New?"]


@pytest.mark.parametrize("days", ["0", "366", "-1", "abc", "", "1.5", "٣", "1e2", " 7", "9" * 5000])
def test_days_outside_1_to_365_are_a_400(staff_api: Any, days: str) -> None:
    answer = staff_api.get(URL, {"days": days})
    assert (answer.status_code, list(answer.json())) == (400, ["days"])


@pytest.mark.parametrize(("days", "count"), [(1, 3), (365, 60)])
def test_it_costs_four_queries_however_many_days(
    staff_api: Any, django_assert_num_queries: Any, days: int, count: int
) -> None:
    for n in range(count):
        ask(f"Question {n}")
    with django_assert_num_queries(4):  # who asks, the days, the questions, their spellings
        staff_api.get(URL, {"days": days})


def test_only_staff_may_see_them(api: Any, anna: Any) -> None:
    opened = api.post("/api/support/conversations").json()
    carl = Token.objects.create(user=User.objects.create_user("carl"))
    assert api.get(URL).status_code == 401
    assert api.get(URL, HTTP_AUTHORIZATION=f"Bearer {opened['token']}").status_code == 401
    assert api.get(URL, HTTP_AUTHORIZATION=f"Token {carl.key}").status_code == 403
    api.force_login(anna)
    assert api.get(URL).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_refused(staff_api: Any, method: str) -> None:
    answer = getattr(staff_api, method)(URL)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
