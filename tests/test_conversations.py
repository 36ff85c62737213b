"""POST and GET of conversations: one is opened by everybody, and read by staff and by its own visitor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from support.models import Conversation, Message, User

pytestmark = pytest.mark.django_db

URL = "/api/support/conversations"
PUBLIC = {
    "id",
    "source",
    "page_url",
    "user_id",
    "status",
    "escalated",
    "message_count",
    "total_input_tokens",
    "total_output_tokens",
    "created_at",
    "updated_at",
}
STAFF = PUBLIC | {"estimated_cost_usd", "assigned_to", "notes", "escalation_reason"}
UUID = "0b9d0f0e-9a3b-4c55-8a0e-6d1f1a1b2c3d"


@pytest.fixture
def opened(api: Any) -> dict[str, Any]:
    return dict(api.post(URL, {"source": "app_owner"}).json())


@pytest.fixture
def visitor(opened: dict[str, Any]) -> Any:
    """The client of the visitor who opened `opened`."""
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {opened['token']}")
    return client


def test_it_opens_a_conversation_with_nothing_given(api: Any) -> None:
    answer = api.post(URL)
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == PUBLIC | {"token"}
    assert {**body, "id": "", "token": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "token": "",
        "source": "web",
        "page_url": "",
        "user_id": None,
        "status": "auto_resolved",
        "escalated": False,
        "message_count": 0,
        "total_input_tokens": 0,
        "total_output_tokens": 0,
        "created_at": "",
        "updated_at": "",
    }
    assert body["created_at"].endswith("Z")
    assert len(bytes.fromhex(body["id"])) == 12
    assert Conversation.objects.get().pk == body["id"]


def test_it_keeps_where_and_by_whom_it_was_opened(api: Any) -> None:
    body = {"source": "app_diner", "page_url": "HTTPS://a.example/" + "p" * 1982, "user_id": "ü" * 200}
    answer = api.post(URL, body)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in body} == body


@pytest.mark.parametrize("user_id", [None, ""])
def test_no_user_is_null(api: Any, user_id: str | None) -> None:
    assert api.post(URL, {"user_id": user_id}).json()["user_id"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source": "fax"}, "source"),
        ({"source": ""}, "source"),
        ({"source": None}, "source"),
        ({"page_url": "javascript:alert(1)"}, "page_url"),
        ({"page_url": "java\nscript:alert(1)"}, "page_url"),
        ({"page_url": "ftp://a.example"}, "page_url"),
        ({"page_url": "https://"}, "page_url"),
        ({"page_url": "http:///path"}, "page_url"),
        ({"page_url": "https://a.example/\n"}, "page_url"),
        ({"page_url": " https://a.example/"}, "page_url"),
        ({"page_url": "https://a.example/" + "p" * 1983}, "page_url"),
        ({"page_url": "https://a.example/\x00"}, "page_url"),
        ({"page_url": 5}, "page_url"),
        ({"page_url": None}, "page_url"),
        ({"user_id": "u" * 201}, "user_id"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"user_id": "\ud800"}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ([], "non_field_errors"),
        ("text", "non_field_errors"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(api: Any, body: object, field: str) -> None:
    answer = api.post(URL, json.dumps(body), content_type="application/json")
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert not Conversation.objects.exists()


def test_the_same_key_gives_the_same_conversation(api: Any) -> None:
    first = api.post(URL, {"user_id": "7"}, headers={"Idempotency-Key": UUID})
    again = api.post(URL, {"user_id": "7"}, headers={"Idempotency-Key": UUID})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Conversation.objects.count() == 1


def test_the_same_key_with_another_body_is_a_400(api: Any) -> None:
    api.post(URL, {"user_id": "7"}, headers={"Idempotency-Key": UUID})
    answer = api.post(URL, {"user_id": "8"}, headers={"Idempotency-Key": UUID})
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize(("key", "is_same"), [("1", False), ("k" * 31, False), (UUID, True)])
def test_a_short_key_counts_only_from_the_same_address(api: Any, key: str, is_same: bool) -> None:
    """Else a stranger who sends `1` would be handed another's conversation with its token."""
    mine = api.post(URL, headers={"Idempotency-Key": key}, REMOTE_ADDR="192.0.2.1").json()
    again = api.post(URL, headers={"Idempotency-Key": key}, REMOTE_ADDR="192.0.2.1").json()
    elsewhere = api.post(URL, headers={"Idempotency-Key": key}, REMOTE_ADDR="198.51.100.9").json()
    assert again == mine
    assert (elsewhere == mine) is is_same


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 201, "tab\t"])
def test_a_key_that_cannot_be_one_is_a_400(api: Any, key: str) -> None:
    answer = api.post(URL, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])


def test_staff_who_are_logged_in_can_try_the_chat_like_anybody(anna: Any) -> None:
    from rest_framework.test import APIClient

    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(anna)
    assert browser.post(URL).status_code == 201


def test_a_visitor_reads_his_conversation_without_what_is_for_staff(
    visitor: Any, opened: dict[str, Any], anna: Any
) -> None:
    Conversation.objects.update(notes="a secret", assigned_to=anna, estimated_cost_usd=7)
    for n in range(3):
        visitor.post(f"{URL}/{opened['id']}/messages", {"user_message": f"question {n}"})
    answer = visitor.get(f"{URL}/{opened['id']}")
    assert answer.status_code == 200
    assert set(answer.json()) == PUBLIC | {"messages"}
    assert [message["user_message"] for message in answer.json()["messages"]] == [
        f"question {n}" for n in range(3)
    ]
    assert set(answer.json()["messages"][0]) == {
        "id",
        "conversation_id",
        "user_message",
        "assistant_message",
        "input_tokens",
        "output_tokens",
        "is_escalation",
        "created_at",
        "pending",
        "rating",
        "is_notice",
    }
    assert "a secret" not in answer.content.decode()
    assert anna.pk not in answer.content.decode()


def test_staff_read_all_of_it(staff_api: Any, opened: dict[str, Any], anna: Any) -> None:
    Conversation.objects.update(notes="a note", assigned_to=anna)
    staff_api.post(f"{URL}/{opened['id']}/messages", {"user_message": "Hello", "output_tokens": 3})
    body = staff_api.get(f"{URL}/{opened['id']}").json()
    assert set(body) == STAFF | {"messages"}
    assert (body["notes"], body["assigned_to"], body["estimated_cost_usd"]) == ("a note", anna.pk, 15)
    assert body["messages"][0]["answered_by"] == "client"


def test_equally_old_messages_keep_one_order(staff_api: Any, opened: dict[str, Any]) -> None:
    for n in range(5):
        staff_api.post(f"{URL}/{opened['id']}/messages", {"user_message": f"question {n}"})
    Message.objects.update(created_at=opened["created_at"])
    shown = [message["id"] for message in staff_api.get(f"{URL}/{opened['id']}").json()["messages"]]
    assert shown == sorted(shown)


@pytest.mark.parametrize("count", [3, 60])
def test_reading_costs_three_queries(
    staff_api: Any, opened: dict[str, Any], django_assert_num_queries: Any, count: int
) -> None:
    Message.objects.bulk_create(
        Message(conversation_id=opened["id"], user_message=f"{n}", state="counted") for n in range(count)
    )
    with django_assert_num_queries(3):  # who asks, the conversation, its messages
        assert len(staff_api.get(f"{URL}/{opened['id']}").json()["messages"]) == count


def test_only_staff_and_its_own_visitor_may_read_it(api: Any, visitor: Any, opened: dict[str, Any]) -> None:
    other = api.post(URL).json()
    assert api.get(f"{URL}/{opened['id']}").status_code == 401
    assert api.get(f"{URL}/{opened['id']}").headers["WWW-Authenticate"]
    for token, code in ((other["token"], 403), ("wrong", 403), ("", 401), ("é", 403)):
        answer = api.get(f"{URL}/{opened['id']}", HTTP_AUTHORIZATION=f"Bearer {token}".strip())
        assert (answer.status_code, list(answer.json())) == (code, ["detail"])
    assert visitor.get(f"{URL}/{other['id']}").status_code == 403


@pytest.mark.parametrize(("user", "code"), [({"is_staff": False}, 403), ({"is_active": False}, 401)])
def test_an_account_that_is_not_staff_may_not(
    api: Any, opened: dict[str, Any], user: dict[str, bool], code: int
) -> None:
    carl = User.objects.create_user("carl", **{"is_staff": True, **user})
    key = Token.objects.create(user=carl).key
    assert api.get(f"{URL}/{opened['id']}", HTTP_AUTHORIZATION=f"Token {key}").status_code == code


@pytest.mark.parametrize("unknown", ["f" * 24, "F" * 24, "f" * 23, "f" * 25, "x", "%00", "%F0%9F%A6%86", "1'--"])
def test_an_unknown_or_malformed_id_is_a_404(staff_api: Any, visitor: Any, unknown: str) -> None:
    for client in (staff_api, visitor):
        answer = client.get(f"{URL}/{unknown}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")


@pytest.mark.parametrize("method", ["put", "delete"])
def test_other_methods_are_refused(staff_api: Any, opened: dict[str, Any], method: str) -> None:
    for url, allowed in (
        (URL, "GET, POST, HEAD, OPTIONS"),
        (f"{URL}/{opened['id']}", "GET, PATCH, HEAD, OPTIONS"),
    ):
        answer = getattr(staff_api, method)(url)
        assert (answer.status_code, list(answer.json())) == (405, ["detail"])
        assert answer.headers["Allow"] == allowed
