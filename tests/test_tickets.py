"""GET /api/support/tickets: what waits for a person, each with its whole thread, for staff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from support.models import Conversation, Message, User

pytestmark = pytest.mark.django_db

URL = "/api/support/tickets"
NOON = datetime(2026, 2, 18, 12, tzinfo=UTC)


def make(count: int, messages: int = 0, **columns: Any) -> list[Conversation]:
    rows = Conversation.objects.bulk_create(
        Conversation(**{"status": "needs_review", "created_at": NOON - timedelta(minutes=n), **columns})
        for n in range(count)
    )
    Message.objects.bulk_create(
        Message(conversation=row, user_message=f"{n}", created_at=NOON + timedelta(seconds=n), state="counted")
        for row in rows
        for n in range(messages)
    )
    return rows


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_it_shows_what_waits_and_nothing_else(staff_api: Any) -> None:
    rows = {status: make(1, status=status)[0].pk for status in Conversation.Status.values}
    assert set(ids(staff_api.get(URL))) == {rows["needs_review"], rows["open"], rows["in_progress"]}


def test_each_ticket_has_all_that_staff_need(staff_api: Any, anna: Any) -> None:
    make(1, messages=2, notes="a note", assigned_to=anna)
    ticket = staff_api.get(URL).json()["results"][0]
    assert (ticket["notes"], ticket["assigned_to"], ticket["status"]) == ("a note", anna.pk, "needs_review")
    assert [message["user_message"] for message in ticket["messages"]] == ["0", "1"]
    assert ticket["messages"][0]["conversation_id"] == ticket["id"]
    assert ticket == staff_api.get(f"/api/support/conversations/{ticket['id']}").json()


def test_it_says_which_text_of_an_article_an_answer_used(staff_api: Any) -> None:
    (row,) = make(1)
    used = [{"slug": "fees", "title": "Fees", "version": 3}, {"slug": "old", "title": "From before versions"}]
    Message.objects.create(conversation=row, user_message="Fees?", state="counted", articles=used)
    (message,) = staff_api.get(URL).json()["results"][0]["messages"]
    assert message["articles"] == [used[0], {**used[1], "version": None}]


def test_a_long_thread_is_shown_whole_and_in_order(staff_api: Any) -> None:
    make(2, messages=150)
    for ticket in staff_api.get(URL).json()["results"]:
        assert [message["user_message"] for message in ticket["messages"]] == [f"{n}" for n in range(150)]


def test_the_newest_come_first_and_next_leads_through_all(staff_api: Any) -> None:
    rows = [row.pk for row in make(7, messages=1)]
    first = staff_api.get(URL, {"limit": 3})
    second = staff_api.get(first.json()["next"])
    third = staff_api.get(second.json()["next"])
    assert ids(first) + ids(second) + ids(third) == rows
    assert third.json()["next"] is None
    assert ids(staff_api.get(third.json()["previous"])) == ids(second)


def test_a_ticket_that_is_closed_meanwhile_moves_no_other(staff_api: Any) -> None:
    rows = [row.pk for row in make(6)]
    first = staff_api.get(URL, {"limit": 2})
    Conversation.objects.filter(pk__in=rows[:2]).update(status="closed")
    assert ids(staff_api.get(first.json()["next"])) == rows[2:4]


@pytest.mark.parametrize("count", [3, 60])
def test_a_page_costs_three_queries_however_long(
    staff_api: Any, django_assert_num_queries: Any, count: int
) -> None:
    make(count, messages=2)
    with django_assert_num_queries(3):  # who asks, the conversations, all their messages
        assert len(ids(staff_api.get(URL, {"limit": 200}))) == count


@pytest.mark.parametrize(
    ("name", "value", "columns"),
    [
        ("status", "open", {"status": "open"}),
        ("source", "app_diner", {"source": "app_diner"}),
        ("escalated", "true", {"escalated": True}),
        ("q", "needle", {"notes": "a needle"}),
        ("created_before", "2020-01-02", {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("created_after", "2027-01-01", {"created_at": datetime(2027, 1, 1, tzinfo=UTC)}),
    ],
)
def test_it_has_the_filters_of_the_list(staff_api: Any, name: str, value: str, columns: dict[str, Any]) -> None:
    make(2)
    fits = make(1, **columns)[0]
    assert ids(staff_api.get(URL, {name: value})) == [fits.pk]


def test_mine_and_nobodys(staff_api: Any, anna: Any) -> None:
    mine, nobodys = make(1, assigned_to=anna)[0], make(1)[0]
    assert ids(staff_api.get(URL, {"assigned_to": "me"})) == [mine.pk]
    assert ids(staff_api.get(URL, {"assigned_to": "none"})) == [nobodys.pk]


def test_a_status_that_does_not_wait_finds_nothing(staff_api: Any) -> None:
    make(1, status="closed")
    assert ids(staff_api.get(URL, {"status": "closed"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "x"), ("escalated", "1"), ("limit", "0"), ("limit", "201"), ("limit", "abc"), ("cursor", "x")],
)
def test_a_bad_value_is_a_400_that_names_it(staff_api: Any, name: str, value: str) -> None:
    answer = staff_api.get(URL, {name: value})
    assert (answer.status_code, list(answer.json())) == (400, [name])


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
