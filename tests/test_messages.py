"""POST of a message: a client logs a pair that it had elsewhere. It moves the sums, and may hand over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.models import Conversation, ConversationEvent, Message

pytestmark = pytest.mark.django_db

OPEN = "/api/support/conversations"
UUID = "0b9d0f0e-9a3b-4c55-8a0e-6d1f1a1b2c3d"
PAIR = {
    "user_message": "Where is my table?",
    "assistant_message": "By the window.",
    "input_tokens": 234,
    "output_tokens": 156,
    "is_escalation": False,
}


@pytest.fixture
def conversation(db: None) -> Conversation:
    return Conversation.objects.create()


@pytest.fixture
def url(conversation: Conversation) -> str:
    return f"{OPEN}/{conversation.pk}/messages"


def test_it_keeps_the_pair_and_answers_with_it(api: Any, url: str, conversation: Conversation) -> None:
    answer = api.post(url, PAIR)
    assert answer.status_code == 201
    body = answer.json()
    assert {name: body[name] for name in PAIR} == PAIR
    assert (body["conversation_id"], body["pending"]) == (conversation.pk, False)
    message = Message.objects.get()
    assert message.pk == body["id"]
    assert (message.answered_by, message.tokens_measured) == ("client", False), "a browser's tokens are a claim"


def test_only_the_question_is_needed(api: Any, url: str) -> None:
    body = api.post(url, {"user_message": "?"}).json()
    assert (body["assistant_message"], body["input_tokens"], body["output_tokens"]) == ("", 0, 0)


def test_the_sums_and_the_cost_are_exact(api: Any, url: str, conversation: Conversation) -> None:
    for tokens in ((1, 0), (0, 1), (234, 156), (10_000_000, 10_000_000)):
        api.post(url, {"user_message": "x", "input_tokens": tokens[0], "output_tokens": tokens[1]})
    conversation.refresh_from_db()
    assert conversation.message_count == 4
    assert (conversation.total_input_tokens, conversation.total_output_tokens) == (10_000_235, 10_000_157)
    assert conversation.estimated_cost_usd == 10_000_235 * 1 + 10_000_157 * 5  # millionths of a dollar
    assert conversation.updated_at > conversation.created_at


def test_texts_are_kept_as_they_are(api: Any, url: str) -> None:
    pair = {"user_message": "  a\n\tb 🦆 é <b>\r\n", "assistant_message": " ü\n" * 8_000}
    body = api.post(url, pair).json()
    assert {name: body[name] for name in pair} == pair
    message = Message.objects.get()
    assert (message.user_message, message.assistant_message) == tuple(pair.values())


def test_the_longest_pair_is_taken(api: Any, url: str) -> None:
    pair = {"user_message": "🦆" * 8_000, "assistant_message": "🦆" * 32_000}
    assert api.post(url, json.dumps(pair), content_type="application/json").status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_message"),
        ({"user_message": ""}, "user_message"),
        ({"user_message": " \n\x85\ufeff"}, "user_message"),
        ({"user_message": "x" * 8_001}, "user_message"),
        ({"user_message": None}, "user_message"),
        ({"user_message": 5}, "user_message"),
        ({"user_message": "a\x00b"}, "user_message"),
        ({"user_message": "\ud800"}, "user_message"),
        ({"assistant_message": "x" * 32_001}, "assistant_message"),
        ({"assistant_message": None}, "assistant_message"),
        ({"assistant_message": "a\x00b"}, "assistant_message"),
        *(
            ({name: value}, name)
            for name in ("input_tokens", "output_tokens")
            for value in (-1, 10_000_001, 1.5, "7", True, None, 1e400, 10**30)
        ),
        ({"is_escalation": "true"}, "is_escalation"),
        ({"is_escalation": 1}, "is_escalation"),
        ({"is_escalation": None}, "is_escalation"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(api: Any, url: str, body: dict[str, Any], field: str) -> None:
    body = body if field == "user_message" else {"user_message": "x", **body}
    answer = api.post(url, json.dumps(body).replace("Infinity", "1e400"), content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not Message.objects.exists()
    assert Conversation.objects.get().message_count == 0


def test_all_bad_fields_are_named_at_once(api: Any, url: str) -> None:
    answer = api.post(url, {"user_message": "", "input_tokens": -1, "is_escalation": "no"})
    assert set(answer.json()) == {"user_message", "input_tokens", "is_escalation"}


def test_a_pair_that_escalates_hands_the_conversation_over(api: Any, url: str) -> None:
    assert api.post(url, {**PAIR, "is_escalation": True}).json()["is_escalation"] is True
    row = Conversation.objects.get()
    assert (row.status, row.escalated, row.escalation_reason) == ("needs_review", True, "logged")
    assert [(event.kind, event.to_value) for event in ConversationEvent.objects.all()] == [("escalated", "logged")]


@pytest.mark.parametrize(
    ("said", "escalates"),
    [
        ("Please email support@rezvo.co.uk.", True),
        ("EMAIL us: SUPPORT@Rezvo.CO.UK", True),
        ("support@rezvo.co.uk answers every e-mail and eMail", True),
        ("Write to support@rezvo.co.uk", False),
        ("Email support@rezvo.com", False),
        ("Change your email in the settings", False),
    ],
)
def test_an_answer_with_email_and_the_address_escalates_whatever_the_client_says(
    api: Any, url: str, said: str, escalates: bool
) -> None:
    body = api.post(url, {**PAIR, "assistant_message": said, "is_escalation": False}).json()
    assert body["is_escalation"] is escalates
    assert Conversation.objects.get().escalated is escalates


def test_the_address_in_the_question_escalates_nothing(api: Any, url: str) -> None:
    api.post(url, {**PAIR, "user_message": "Is your email support@rezvo.co.uk?"})
    assert Conversation.objects.get().status == "auto_resolved"


def test_the_address_is_the_configured_one(api: Any, url: str, settings: Any) -> None:
    settings.SUPPORT_EMAIL = "Help@Desk.example"
    api.post(url, {**PAIR, "assistant_message": "email support@rezvo.co.uk"})
    assert not Conversation.objects.get().escalated
    api.post(url, {**PAIR, "assistant_message": "email help@desk.EXAMPLE"})
    assert Conversation.objects.get().escalated


@pytest.mark.parametrize(
    ("before", "escalates", "after"),
    [
        ("auto_resolved", False, "auto_resolved"),
        ("closed", False, "closed"),
        ("closed", True, "needs_review"),
        ("open", True, "needs_review"),
        ("needs_review", True, "needs_review"),
        ("in_progress", True, "in_progress"),
    ],
)
def test_what_a_pair_makes_of_the_status(api: Any, url: str, before: str, escalates: bool, after: str) -> None:
    Conversation.objects.update(status=before)
    assert api.post(url, {**PAIR, "is_escalation": escalates}).status_code == 201
    row = Conversation.objects.get()
    assert (row.status, row.escalated, row.message_count) == (after, escalates, 1)


def test_the_mark_does_not_go_away_by_itself(api: Any, url: str) -> None:
    api.post(url, {**PAIR, "is_escalation": True})
    api.post(url, PAIR)
    assert Conversation.objects.get().escalated


def test_a_call_that_arrives_twice_is_counted_once(api: Any, url: str) -> None:
    first, again = (api.post(url, PAIR, headers={"Idempotency-Key": UUID}) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    row = Conversation.objects.get()
    assert (row.message_count, row.total_input_tokens, Message.objects.count()) == (1, 234, 1)


def test_the_same_pair_without_a_key_is_another_pair(api: Any, url: str) -> None:
    assert api.post(url, PAIR).json()["id"] != api.post(url, PAIR).json()["id"]
    assert Conversation.objects.get().message_count == 2


@pytest.mark.parametrize("changed", [{"user_message": "x"}, {"assistant_message": "x"}])
def test_the_same_key_with_another_pair_is_a_400(api: Any, url: str, changed: dict[str, str]) -> None:
    api.post(url, PAIR, headers={"Idempotency-Key": UUID})
    answer = api.post(url, {**PAIR, **changed}, headers={"Idempotency-Key": UUID})
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])
    assert Conversation.objects.get().message_count == 1


def test_a_key_belongs_to_one_conversation(api: Any, url: str) -> None:
    other = Conversation.objects.create()
    here = api.post(url, PAIR, headers={"Idempotency-Key": "1"}).json()
    there = api.post(f"{OPEN}/{other.pk}/messages", PAIR, headers={"Idempotency-Key": "1"}).json()
    assert here["id"] != there["id"]


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 201])
def test_a_key_that_cannot_be_one_is_a_400(api: Any, url: str, key: str) -> None:
    answer = api.post(url, PAIR, HTTP_IDEMPOTENCY_KEY=key)
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])
    assert not Message.objects.exists()


def test_credentials_are_neither_needed_nor_looked_at(api: Any, url: str) -> None:
    for authorization in ("", "Token wrong", "Bearer wrong"):
        assert api.post(url, PAIR, HTTP_AUTHORIZATION=authorization).status_code == 201


@pytest.mark.parametrize("unknown", ["f" * 24, "F" * 24, "x", "%00"])
def test_an_unknown_or_malformed_id_is_a_404(api: Any, unknown: str) -> None:
    answer = api.post(f"{OPEN}/{unknown}/messages", PAIR)
    assert (answer.status_code, list(answer.json())) == (404, ["detail"])


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_methods_are_refused(api: Any, url: str, method: str) -> None:
    answer = getattr(api, method)(url)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")
