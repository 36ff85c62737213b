"""PATCH of a conversation: staff change the ticket, its visitor may only ask for a person. Changes are audited."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from support.models import Conversation, ConversationEvent, User

pytestmark = pytest.mark.django_db

URL = "/api/support/conversations"
ASK = {"status": "needs_review"}


@pytest.fixture
def opened(api: Any) -> dict[str, Any]:
    return dict(api.post(URL).json())


@pytest.fixture
def url(opened: dict[str, Any]) -> str:
    return f"{URL}/{opened['id']}"


@pytest.fixture
def visitor(opened: dict[str, Any]) -> Any:
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {opened['token']}")
    return client


def events() -> list[tuple[str, str, str, str | None]]:
    """The audit rows: what, from, to, by whom."""
    rows = ConversationEvent.objects.order_by("created_at", "id").select_related("by")
    return [(row.kind, row.from_value, row.to_value, row.by and row.by.username) for row in rows]


def test_a_visitor_may_ask_for_a_person(visitor: Any, url: str) -> None:
    answer = visitor.patch(url, ASK)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["escalated"]) == ("needs_review", True)
    assert not {"notes", "estimated_cost_usd", "assigned_to", "escalation_reason"} & set(answer.json())
    assert Conversation.objects.get().escalation_reason == "visitor_asked"
    assert events() == [("escalated", "", "visitor_asked", None)]


def test_asking_twice_is_recorded_once(visitor: Any, url: str) -> None:
    assert [visitor.patch(url, ASK).status_code for _ in range(2)] == [200, 200]
    assert len(events()) == 1


@pytest.mark.parametrize(("before", "after"), [("closed", "needs_review"), ("in_progress", "in_progress")])
def test_asking_reopens_what_is_closed_and_leaves_what_a_person_works_on(
    visitor: Any, url: str, before: str, after: str
) -> None:
    Conversation.objects.update(status=before)
    assert visitor.patch(url, ASK).json()["status"] == after
    assert Conversation.objects.get().escalated


@pytest.mark.parametrize(
    "body",
    [
        {"status": "closed"},
        {"status": "auto_resolved"},
        {"status": ["needs_review"]},
        {**ASK, "notes": "x"},
        {**ASK, "assigned_to": None},
        {"notes": "x"},
        {"escalated": False},
        {},
        [],
        "needs_review",
        None,
    ],
)
def test_a_visitor_may_do_nothing_else(visitor: Any, url: str, body: object) -> None:
    answer = visitor.patch(url, body)
    assert (answer.status_code, list(answer.json())) == (403, ["detail"])
    row = Conversation.objects.get()
    assert (row.status, row.escalated, row.notes, row.version) == ("auto_resolved", False, "", 0)
    assert events() == []


def test_staff_set_everything_at_once_and_each_change_is_audited(
    staff_api: Any, url: str, ben: Any, opened: dict[str, Any]
) -> None:
    body = {"status": "in_progress", "notes": "n" * 20_000, "assigned_to": ben.pk, "escalated": True}
    answer = staff_api.patch(url, body)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in body} == body
    assert answer.json() == {
        name: value for name, value in staff_api.get(url).json().items() if name != "messages"
    }
    assert answer.json()["updated_at"] >= opened["updated_at"]
    assert sorted(events()) == [
        ("assigned", "", ben.pk, "anna"),
        ("escalated", "", "staff", "anna"),
        ("notes", "", "", "anna"),
        ("status", "auto_resolved", "in_progress", "anna"),
    ]


@pytest.mark.parametrize("status", Conversation.Status.values)
def test_staff_may_set_any_status(staff_api: Any, url: str, status: str) -> None:
    assert staff_api.patch(url, {"status": status}).json()["status"] == status


def test_staff_may_clear_the_mark_and_the_assignment(staff_api: Any, url: str, ben: Any) -> None:
    Conversation.objects.update(escalated=True, status="needs_review", assigned_to=ben)
    answer = staff_api.patch(url, {"escalated": False, "assigned_to": None}).json()
    assert (answer["escalated"], answer["assigned_to"], answer["status"]) == (False, None, "needs_review")
    assert sorted(events()) == [("assigned", ben.pk, "", "anna"), ("escalation_cleared", "", "staff", "anna")]


def test_closing_does_not_clear_the_mark(staff_api: Any, visitor: Any, url: str) -> None:
    visitor.patch(url, ASK)
    assert staff_api.patch(url, {"status": "closed"}).json()["escalated"] is True


def test_what_changes_nothing_is_not_audited(staff_api: Any, url: str) -> None:
    before = staff_api.get(url).json()
    for body in ({}, {"status": "auto_resolved", "notes": "", "assigned_to": None, "escalated": False}, None):
        assert staff_api.patch(url, body).status_code == 200
    assert staff_api.get(url).json() == before
    assert events() == []


def test_what_is_not_theirs_to_set_stays(staff_api: Any, url: str) -> None:
    before = staff_api.get(url).json()
    body = {
        "id": "f" * 24,
        "message_count": 9,
        "estimated_cost_usd": 9,
        "created_at": "2020-01-01",
        "source": "web",
    }
    assert staff_api.patch(url, body).status_code == 200
    assert staff_api.get(url).json() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "done"}, "status"),
        ({"status": ""}, "status"),
        ({"status": None}, "status"),
        ({"status": ["open"]}, "status"),
        ({"notes": "n" * 20_001}, "notes"),
        ({"notes": None}, "notes"),
        ({"notes": 5}, "notes"),
        ({"notes": "a\x00b"}, "notes"),
        ({"escalated": "true"}, "escalated"),
        ({"escalated": 1}, "escalated"),
        ({"escalated": None}, "escalated"),
        ({"assigned_to": "f" * 24}, "assigned_to"),
        ({"assigned_to": "anna"}, "assigned_to"),
        ({"assigned_to": ""}, "assigned_to"),
        ({"assigned_to": 1}, "assigned_to"),
        ([], "non_field_errors"),
    ],
)
def test_a_bad_value_is_a_400_that_names_the_field(staff_api: Any, url: str, body: object, field: str) -> None:
    answer = staff_api.patch(url, body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert events() == []


def test_one_bad_field_changes_none(staff_api: Any, url: str) -> None:
    assert staff_api.patch(url, {"notes": "new", "status": "done"}).status_code == 400
    assert Conversation.objects.get().notes == ""


@pytest.mark.parametrize("columns", [{"is_staff": False}, {"is_active": False}])
def test_only_active_staff_can_be_assigned(staff_api: Any, url: str, columns: dict[str, bool]) -> None:
    carl = User.objects.create_user("carl", **{"is_staff": True, **columns})
    answer = staff_api.patch(url, {"assigned_to": carl.pk})
    assert (answer.status_code, list(answer.json())) == (400, ["assigned_to"])


def test_others_may_not_change_it(api: Any, url: str) -> None:
    other = api.post(URL).json()
    carl = Token.objects.create(user=User.objects.create_user("carl"))
    for authorization, code in (
        ("", 401),
        ("Token wrong", 401),
        ("Basic YW5uYTp4", 401),
        (f"Token {carl.key}", 403),
        ("Bearer wrong", 403),
        (f"Bearer {other['token']}", 403),
    ):
        answer = api.patch(url, ASK, HTTP_AUTHORIZATION=authorization)
        assert (answer.status_code, list(answer.json())) == (code, ["detail"]), authorization
    assert events() == []


def test_a_session_needs_the_csrf_token(anna: Any, url: str) -> None:
    from rest_framework.test import APIClient

    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(anna)
    answer = browser.patch(url, {"notes": "x"})
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    browser.cookies["csrftoken"] = token = "a" * 32
    assert browser.patch(url, {"notes": "x"}, HTTP_X_CSRFTOKEN=token).status_code == 200
    assert events() == [("notes", "", "", "anna")]


@pytest.mark.parametrize("unknown", ["f" * 24, "F" * 24, "x", "%00"])
def test_an_unknown_or_malformed_id_is_a_404(staff_api: Any, visitor: Any, unknown: str) -> None:
    for client in (staff_api, visitor):
        answer = client.patch(f"{URL}/{unknown}", ASK)
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])
