from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from support.clock import now
from support.models import Answer, Conversation, Message
from tests.admin.page import Desk


def tick() -> None:
    """Times are kept to the millisecond: what comes after something else must be later by one."""
    time.sleep(0.002)


@pytest.fixture
def desk(client: Client, anna: Any) -> Desk:
    """The desk as Anna sees it."""
    client.force_login(anna)
    return Desk(client)


@pytest.fixture
def opened(db: None) -> Any:
    """Opens a conversation; each question given is logged as a pair."""

    def open_(
        *questions: str, source: str = "web", page_url: str = "", user_id: str | None = None
    ) -> Conversation:
        conversation, _ = Conversation.objects.open_new(source=source, page_url=page_url, user_id=user_id)
        for question in questions:
            tick()
            conversation.log(
                user_message=question,
                assistant_message="Under Settings.",
                input_tokens=10,
                output_tokens=5,
                is_escalation=False,
                cost_usd_billionths=35_000,
            )
        return conversation

    return open_


@pytest.fixture
def answered() -> Any:
    """Asks a question and ends its turn with an answer made of the given fields."""

    def answer(conversation: Conversation, question: str, **fields: Any) -> Message:
        tick()
        message, _ = conversation.ask(question, deadline_at=now() + timedelta(minutes=5), idempotency_key=None)
        conversation.answer(message, Answer(**{"text": "Under Settings.", "answered_by": "claude", **fields}))
        return message

    return answer
