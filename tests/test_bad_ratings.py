"""Conversation.rate: how many bad ratings call a person, and from where they count."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from support.clock import now
from support.models import Conversation, ConversationEvent, Message
from support.models.conversation import NotAnswered
from tests.admin.conftest import tick
from tests.server import Server

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(db: None) -> Conversation:
    return Conversation.objects.create()


def answered(conversation: Conversation, is_escalation: bool = False) -> Message:
    message, _ = conversation.log(
        user_message="How?",
        assistant_message="Like this.",
        input_tokens=1,
        output_tokens=1,
        is_escalation=is_escalation,
        cost_usd_billionths=6000,
    )
    return message


def rate_badly(conversation: Conversation, answers: int) -> list[bool]:
    """Rates so many new answers bad; returns for each whether a person was called."""
    tick()
    return [conversation.rate(answered(conversation), "bad") for _ in range(answers)]


def calls() -> int:
    """How often a person was called because of bad ratings."""
    return ConversationEvent.objects.filter(kind="escalated", to_value="badly_rated").count()


def test_two_bad_ratings_call_a_person(conversation: Conversation) -> None:
    assert rate_badly(conversation, 2) == [False, True]
    assert (conversation.status, conversation.escalated) == ("needs_review", True)
    assert conversation.escalation_reason == "badly_rated"
    assert calls() == 1


@pytest.mark.parametrize("limit", [1, 3])
def test_how_many_is_a_setting(conversation: Conversation, settings: Any, limit: int) -> None:
    settings.CHAT_BAD_RATINGS = limit
    assert rate_badly(conversation, limit) == [False] * (limit - 1) + [True]


def test_zero_switches_it_off(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_BAD_RATINGS = 0
    assert not any(rate_badly(conversation, 5))
    assert (conversation.status, calls()) == ("auto_resolved", 0)


def test_good_ratings_and_those_taken_back_do_not_count(conversation: Conversation) -> None:
    taken_back, changed = answered(conversation), answered(conversation)
    conversation.rate(taken_back, "bad")
    conversation.rate(taken_back, None)
    conversation.rate(changed, "bad")
    conversation.rate(changed, "good")
    assert rate_badly(conversation, 1) == [False]
    assert calls() == 0
    assert conversation.rate(taken_back, "bad")


def test_one_answer_rated_badly_again_and_again_is_one(conversation: Conversation) -> None:
    message = answered(conversation)
    for _ in range(3):
        assert not conversation.rate(message, "bad")
        assert not conversation.rate(message, None)
    assert calls() == 0


def test_answers_of_other_conversations_do_not_count(conversation: Conversation) -> None:
    other = Conversation.objects.create()
    assert rate_badly(other, 1) + rate_badly(conversation, 1) == [False, False]


@pytest.mark.parametrize("status", Conversation.WAITING)
def test_what_a_person_has_or_must_take_stays_as_it_is(conversation: Conversation, anna: Any, status: str) -> None:
    conversation.change(by=anna, status=status)
    assert not any(rate_badly(conversation, 3))
    assert (conversation.status, conversation.escalated, calls()) == (status, False, 0)


@pytest.mark.parametrize("given_back_as", ["closed", "auto_resolved"])
def test_after_staff_dealt_with_it_counting_starts_anew(
    conversation: Conversation, anna: Any, given_back_as: str
) -> None:
    rate_badly(conversation, 3)
    tick()
    conversation.change(by=anna, status=given_back_as)
    assert rate_badly(conversation, 1) == [False]
    assert conversation.status == given_back_as, "three old ones and a new one are one"
    assert rate_badly(conversation, 1) == [True]
    assert (conversation.status, calls()) == ("needs_review", 2)


def test_what_was_rated_before_another_handover_does_not_count_after_it(
    conversation: Conversation, anna: Any
) -> None:
    rate_badly(conversation, 1)
    tick()
    conversation.escalate("visitor_asked")
    handed_over_at = conversation.handled_at
    assert handed_over_at is not None
    # Behind the verbs' back, so that only the time of the handover counts.
    Conversation.objects.update(status="closed")
    assert rate_badly(conversation, 1) == [False]
    assert rate_badly(conversation, 1) == [True]
    assert conversation.handled_at is not None
    assert conversation.handled_at > handed_over_at


def test_every_way_to_a_person_and_back_is_noted(conversation: Conversation, anna: Any) -> None:
    assert conversation.handled_at is None
    times = []
    for act in (
        lambda: answered(conversation, is_escalation=True),
        lambda: conversation.assign(anna, by=anna),
        lambda: conversation.close(by=anna),
        lambda: conversation.escalate("visitor_asked"),
    ):
        tick()
        act()
        conversation.refresh_from_db()
        times.append(conversation.handled_at)
    assert None not in times
    assert times == sorted(set(times))


def test_what_is_no_handling_leaves_the_time(conversation: Conversation, anna: Any) -> None:
    conversation.escalate("visitor_asked")
    handled_at, version = conversation.handled_at, conversation.version
    tick()
    conversation.escalate("visitor_asked")
    assert conversation.version == version, "asking twice changes nothing"
    conversation.change(by=anna, notes="Called back.")
    answered(conversation)
    conversation.refresh_from_db()
    assert conversation.handled_at == handled_at


def test_told_again_it_says_the_same_and_changes_nothing(conversation: Conversation) -> None:
    message = answered(conversation)
    rate_badly(conversation, 1)
    for _ in range(2):
        assert conversation.rate(message, "bad")
        version, rated_at = conversation.version, Message.objects.get(pk=message.pk).rated_at
        tick()
    assert conversation.rate(Message.objects.get(pk=message.pk), "bad")
    assert conversation.version == version
    assert Message.objects.get(pk=message.pk).rated_at == rated_at
    assert calls() == 1


@pytest.mark.parametrize("rating", ["good", "bad", None])
def test_a_new_rating_moves_the_version(conversation: Conversation, rating: str | None) -> None:
    """Without transactions it is what tells another writer that he counted before this one was there."""
    message = answered(conversation)
    conversation.rate(message, "bad" if rating == "good" else "good")
    version = conversation.version
    conversation.rate(message, rating)
    assert conversation.version == version + 1


def test_a_pending_answer_cannot_be_rated(conversation: Conversation) -> None:
    message, _ = conversation.ask("How?", deadline_at=now() + timedelta(minutes=1), idempotency_key=None)
    with pytest.raises(NotAnswered):
        conversation.rate(message, "good")


def test_a_conversation_knows_when_an_answer_was_last_rated_badly(conversation: Conversation) -> None:
    first, second = answered(conversation), answered(conversation)
    conversation.rate(first, "good")
    assert conversation.badly_rated_at is None
    for message in (first, second):
        tick()
        conversation.rate(message, "bad")
        assert conversation.badly_rated_at == message.rated_at
    conversation.rate(second, None)
    assert conversation.badly_rated_at == first.rated_at
    conversation.rate(first, "good")
    assert conversation.badly_rated_at is None
    conversation.refresh_from_db()
    assert conversation.badly_rated_at is None


def test_ratings_that_arrive_at_once_call_one_person_and_lose_none(start_server: Callable[..., Server]) -> None:
    server = start_server(WEB_CONCURRENCY="4")
    conversation = Conversation.objects.create()
    answers = [answered(conversation) for _ in range(8)]

    def post(message: Message, rating: str | None) -> int:
        answer = server.http.post(
            f"/api/support/conversations/{conversation.pk}/messages/{message.pk}/rating",
            json={"rating": rating},
            headers={"Authorization": f"Bearer {conversation.token}"},
        )
        return int(answer.status_code)

    with ThreadPoolExecutor(8) as visitors:
        assert set(visitors.map(lambda message: post(message, "bad"), answers)) == {200}
        conversation.refresh_from_db()
        rated = Message.objects.filter(rating="bad").values_list("rated_at", flat=True)
        assert len(rated) == 8
        assert conversation.badly_rated_at == max(filter(None, rated))
        assert (conversation.status, calls()) == ("needs_review", 1)
        assert set(visitors.map(lambda message: post(message, None), answers)) == {200}
    conversation.refresh_from_db()
    assert conversation.badly_rated_at is None
    assert conversation.unsettled is None
