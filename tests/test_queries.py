"""What a request costs in queries; nothing here may grow with the history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rezvo_support.env import Rate
from support import clock
from support.bot.context import context_of
from support.models import Answer, Conversation, Message

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.not_on_mongodb(reason="counts SQL statements; there the writes are journalled instead"),
]

# Savepoints are of the test's own transaction; in production they are BEGIN and COMMIT.
_NOT_COUNTED = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


def queries(action: Any) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        action()
    return [query["sql"] for query in captured if not query["sql"].startswith(_NOT_COUNTED)]


def long_conversation(pairs: int) -> Conversation:
    conversation = Conversation.objects.create()
    for n in range(pairs):
        conversation.log(
            user_message=f"Question {n}",
            assistant_message="Answer",
            input_tokens=1,
            output_tokens=1,
            is_escalation=False,
            cost_usd_billionths=6000,
        )
    return conversation


@pytest.mark.parametrize("pairs", [0, 30])
def test_logging_a_pair_takes_four_queries_and_two_more_for_the_limit(api: Any, settings: Any, pairs: int) -> None:
    conversation = long_conversation(pairs)
    url = f"/api/support/conversations/{conversation.pk}/messages"
    body = {"user_message": "Q", "assistant_message": "A"}
    api.post(url, body, format="json")  # reads the prices, once in ten seconds
    # The conversation; then, under its lock: the conversation again, the pair, the sums.
    assert len(queries(lambda: api.post(url, body, format="json"))) == 4
    settings.RATE_LOG = Rate(120, 60)
    api.post(url, body, format="json")
    assert len(queries(lambda: api.post(url, body, format="json"))) == 6


@pytest.mark.parametrize("key", ["", "sk-test"])
def test_a_question_takes_few_queries_whatever_the_history(settings: Any, key: str) -> None:
    settings.ANTHROPIC_API_KEY = key
    settings.CHAT_PAIRS_BEFORE_PERSON = 1000
    conversation = long_conversation(30)
    asked: list[Message] = []

    def ask(is_first: bool = False) -> None:
        until = clock.now() + timedelta(hours=1)
        message, _ = conversation.ask(f"Question {len(asked)}", deadline_at=until, idempotency_key=None)
        asked.append(message)
        context_of(message, is_first=is_first, address_key="a" * 32)

    ask()  # makes the budgets' windows, and reads the prices once in ten seconds
    # The question stored, have the articles changed, the rules that count.
    # With a key: the history; what it can cost held in all budgets, and noted in the message.
    assert len(queries(ask)) == (6 if key else 3)
    assert len(queries(lambda: ask(is_first=True))) == (4 if key else 2)
    # Under the conversation's lock: the lock, the answer, the sums; with a key all budgets settled.
    answer = Answer(text="A", answered_by=Message.AnsweredBy.CLAUDE)
    assert len(queries(lambda: conversation.answer(asked[0], answer))) == (4 if key else 3)


@pytest.mark.parametrize("pairs", [1, 30])
def test_a_rating_takes_six_queries_and_one_more_where_it_is_bad(pairs: int, api: Any) -> None:
    conversation = long_conversation(pairs)
    first = conversation.messages.oldest_first()[0]
    url = f"/api/support/conversations/{conversation.pk}/messages/{first.pk}/rating"
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {conversation.token}")
    # The conversation, the answer; then, under the lock: the conversation again, the rating, the latest bad one,
    # the conversation's row.
    assert len(queries(lambda: api.post(url, {"rating": "good"}))) == 6
    # How many are bad.
    assert len(queries(lambda: api.post(url, {"rating": "bad"}))) == 7


def test_looking_for_what_a_stopped_process_left_takes_two_queries_whatever_the_history() -> None:
    from support import recovery

    long_conversation(30)
    found = queries(lambda: recovery.recover())
    assert len(found) == 2


def test_the_hot_queries_use_their_indexes() -> None:
    from datetime import timedelta

    now = clock.now()
    plans = {
        "support_msg_unfinished": Message.objects.overdue(now),
        "support_conv_unsettled": Conversation.objects.unsettled(now),
        "support_msg_conv_created": Message.objects.filter(conversation="a" * 24).oldest_first(),
        "support_conv_created": Conversation.objects.order_by("-created_at", "-id")[:50],
        "support_conv_status": Conversation.objects.filter(status="needs_review").order_by("-created_at", "-id")[
            :50
        ],
        "support_conv_badly_rated": Conversation.objects.filter(badly_rated_at__isnull=False).order_by(
            "-created_at", "-id"
        )[:50],
        "support_msg_question": Message.objects.filter(created_at__gte=now - timedelta(days=1)).values(
            "question_key"
        ),
    }
    if connection.vendor == "postgresql":
        # An empty table is cheaper to read than any index; what counts is which one serves many rows.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    for index, queryset in plans.items():
        assert index in queryset.explain(), index
