"""POST of a rating: a visitor says whether an answer helped. Several bad ones hand the conversation over."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from rezvo_support.env import Rate
from support.clock import now
from support.models import Conversation, ConversationEvent, Message
from tests.admin.conftest import tick

pytestmark = pytest.mark.django_db

URL = "/api/support/conversations"
GOOD, BAD, NONE = {"rating": "good"}, {"rating": "bad"}, {"rating": None}


@pytest.fixture
def conversation(db: None) -> Conversation:
    return Conversation.objects.create()


@pytest.fixture
def visitor(conversation: Conversation) -> Any:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {conversation.token}")
    return client


def answered(conversation: Conversation) -> Message:
    message, _ = conversation.log(
        user_message="How?",
        assistant_message="Like this.",
        input_tokens=1,
        output_tokens=1,
        is_escalation=False,
        cost_usd_billionths=6000,
    )
    return message


def url_of(message: Message) -> str:
    return f"{URL}/{message.conversation_id}/messages/{message.pk}/rating"


@pytest.fixture
def message(conversation: Conversation) -> Message:
    return answered(conversation)


@pytest.fixture
def url(message: Message) -> str:
    return url_of(message)


def test_it_keeps_the_rating_and_answers_with_it(visitor: Any, url: str, message: Message) -> None:
    answer = visitor.post(url, GOOD)
    assert answer.status_code == 200
    assert answer.json() == {
        "message_id": message.pk,
        "rating": "good",
        "status": "auto_resolved",
        "notice": "",
    }
    message.refresh_from_db()
    assert message.rating == "good"
    assert message.rated_at is not None
    assert now() - message.rated_at < timedelta(minutes=1)


def test_null_takes_it_back(visitor: Any, url: str, message: Message) -> None:
    visitor.post(url, BAD)
    assert visitor.post(url, NONE).json()["rating"] is None
    message.refresh_from_db()
    assert (message.rating, message.rated_at) == (None, None)


def test_a_visitor_may_change_his_mind(visitor: Any, url: str, message: Message) -> None:
    for body in (BAD, GOOD, BAD):
        assert visitor.post(url, body).json()["rating"] == body["rating"]
    message.refresh_from_db()
    assert message.rating == "bad"


def test_visitor_and_staff_see_it_in_the_thread(visitor: Any, staff_api: Any, url: str) -> None:
    thread = url.partition("/messages")[0]
    for client in (visitor, staff_api):
        assert client.get(thread).json()["messages"][0]["rating"] is None
    visitor.post(url, BAD)
    for client in (visitor, staff_api):
        assert client.get(thread).json()["messages"][0]["rating"] == "bad"


def test_the_second_bad_answer_calls_a_person_and_tells_the_visitor(
    visitor: Any, conversation: Conversation
) -> None:
    first, second = answered(conversation), answered(conversation)
    assert visitor.post(url_of(first), BAD).json()["notice"] == ""
    told = visitor.post(url_of(second), BAD).json()
    assert told["status"] == "needs_review"
    assert "a person will take over" in told["notice"]
    conversation.refresh_from_db()
    assert (conversation.escalated, conversation.escalation_reason) == (True, "badly_rated")
    assert [(event.kind, event.to_value) for event in ConversationEvent.objects.all()] == [
        ("escalated", "badly_rated")
    ]


def test_told_twice_it_counts_once_and_answers_the_same(visitor: Any, conversation: Conversation) -> None:
    first, second = answered(conversation), answered(conversation)
    alone = [visitor.post(url_of(first), BAD).json() for _ in range(3)]
    assert [answer["status"] for answer in alone] == ["auto_resolved"] * 3
    assert len({answer["notice"] for answer in alone}) == 1
    last = [visitor.post(url_of(second), BAD).json() for _ in range(3)]
    assert last[0]["notice"]
    assert last == [last[0]] * 3
    assert ConversationEvent.objects.count() == 1


def test_a_later_bad_rating_calls_nobody_who_is_on_his_way(visitor: Any, conversation: Conversation) -> None:
    for message in (answered(conversation), answered(conversation)):
        visitor.post(url_of(message), BAD)
    tick()
    told = visitor.post(url_of(answered(conversation)), BAD).json()
    assert (told["status"], told["notice"]) == ("needs_review", "")
    assert ConversationEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rating"),
        ({"rating": ""}, "rating"),
        ({"rating": "GOOD"}, "rating"),
        ({"rating": "helpful"}, "rating"),
        ({"rating": 1}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": ["bad"]}, "rating"),
        ({"rating": {"bad": "bad"}}, "rating"),
        ({"rating": "\ud800"}, "rating"),
        ({"rating": "bad\x00"}, "rating"),
        ([], "non_field_errors"),
        ("bad", "non_field_errors"),
        (None, "non_field_errors"),
    ],
)
def test_a_bad_body_is_a_400_that_names_the_field(visitor: Any, url: str, body: object, field: str) -> None:
    answer = visitor.post(url, json.dumps(body), content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert Message.objects.get().rating is None


def test_a_body_that_is_no_json_is_a_400(visitor: Any, url: str) -> None:
    answer = visitor.post(url, "rating=bad", content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])
    assert visitor.post(url, "rating=bad", content_type="text/plain").status_code == 415


def test_an_answer_that_is_still_being_written_cannot_be_rated(visitor: Any, conversation: Conversation) -> None:
    message, _ = conversation.ask("How?", deadline_at=now() + timedelta(minutes=1), idempotency_key=None)
    answer = visitor.post(url_of(message), BAD)
    assert (answer.status_code, list(answer.json())) == (400, ["rating"])
    assert "still being written" in answer.json()["rating"][0]
    message.refresh_from_db()
    assert message.rating is None


def test_only_its_visitor_may_rate(api: Any, url: str, anna: Any) -> None:
    other = Conversation.objects.create()
    staff = Token.objects.create(user=anna)
    for authorization, code in (
        ("", 401),
        ("Token wrong", 401),
        (f"Token {staff.key}", 401),
        ("Basic YW5uYTp4", 401),
        ("Bearer", 401),
        ("Bearer wrong", 403),
        (f"Bearer {other.token}", 403),
    ):
        answer = api.post(url, BAD, HTTP_AUTHORIZATION=authorization)
        assert (answer.status_code, list(answer.json())) == (code, ["detail"]), authorization
    api.force_login(anna)
    assert api.post(url, BAD).status_code == 401
    assert Message.objects.get().rating is None


def test_a_message_of_another_conversation_is_a_404(visitor: Any, conversation: Conversation) -> None:
    others = answered(Conversation.objects.create())
    answer = visitor.post(f"{URL}/{conversation.pk}/messages/{others.pk}/rating", BAD)
    assert (answer.status_code, list(answer.json())) == (404, ["detail"])
    others.refresh_from_db()
    assert others.rating is None


@pytest.mark.parametrize("unknown", ["f" * 24, "F" * 24, "x", "%00"])
def test_an_unknown_or_malformed_id_is_a_404(visitor: Any, message: Message, unknown: str) -> None:
    for path in (f"{unknown}/messages/{message.pk}", f"{message.conversation_id}/messages/{unknown}"):
        answer = visitor.post(f"{URL}/{path}/rating", BAD)
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_methods_are_refused(visitor: Any, url: str, method: str) -> None:
    answer = getattr(visitor, method)(url)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_it_is_limited_like_logging_and_apart_from_it(
    visitor: Any, url: str, conversation: Conversation, settings: Any
) -> None:
    settings.RATE_LOG = Rate(2, 60)
    assert [visitor.post(url, BAD).status_code for _ in range(3)] == [200, 200, 429]
    assert visitor.post(url, BAD).headers["Retry-After"]
    assert visitor.post(f"{URL}/{conversation.pk}/messages", {"user_message": "?"}).status_code == 201
