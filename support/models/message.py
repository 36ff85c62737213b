from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Self

from django.db import models

from support.clock import now
from support.fields import ObjectIdField, new_id

USER_MESSAGE_MAX = 8_000
ASSISTANT_MESSAGE_MAX = 32_000
TOKENS_MAX = 10_000_000


@dataclass(frozen=True)
class Answer:
    """What a turn came to: the text shown, who gave it, what it used and whether a person is needed."""

    text: str
    answered_by: str
    is_escalation: bool = False
    reason: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd_billionths: int = 0
    fault: str = ""
    articles: list[dict[str, str]] = field(default_factory=list)
    handover_summary: str = ""


class MessageQuerySet(models.QuerySet["Message"]):
    def oldest_first(self) -> Self:
        return self.order_by("created_at", "id")

    def overdue(self, now: datetime) -> Self:
        """What should have been answered and counted by now: the process that was at it is gone."""
        return self.filter(deadline_at__lt=now)


class Message(models.Model):
    """One pair of question and answer."""

    class State(models.TextChoices):
        PENDING = "pending", "being answered"
        ANSWERED = "answered", "answered"  # not yet in the conversation's sums; MongoDB only
        COUNTED = "counted", "answered and counted"

    class AnsweredBy(models.TextChoices):
        CLAUDE = "claude", "Claude"
        OFFLINE = "offline", "offline answerer"
        NOTICE = "notice", "standard sentence"
        CLIENT = "client", "logged by the client"

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    conversation = models.ForeignKey(
        "support.Conversation", on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    user_message = models.TextField()
    assistant_message = models.TextField(blank=True)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    is_escalation = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now)

    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    answered_by = models.CharField(max_length=10, choices=AnsweredBy, blank=True)
    tokens_measured = models.BooleanField(
        default=False, help_text="Counted by this server; otherwise the client's claim."
    )
    cache_write_5m_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd_billionths = models.PositiveBigIntegerField(default=0)
    model = models.CharField(max_length=100, blank=True)
    escalation_reason = models.CharField(max_length=20, blank=True)
    fault = models.CharField(max_length=100, blank=True, help_text="What the model's service did wrong.")
    articles = models.JSONField(default=list, blank=True, help_text="Slug and title of what the answer used.")
    handover_summary = models.CharField(
        max_length=300, blank=True, help_text="What the model tells who takes over."
    )
    question_key = models.CharField(max_length=32, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    """When this message is to be answered and counted at the latest; None once it is."""

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "support_messages"
        indexes = (
            # The thread of a conversation.
            models.Index(fields=["conversation", "created_at"], name="support_msg_conv_created"),
            # Top questions of a span of days.
            models.Index(fields=["created_at", "question_key"], name="support_msg_question"),
            # What a stopped process left: only unfinished rows are in it, whatever the size of the history.
            # (A condition on a value would do nothing on SQLite, which can't see the values of a query.)
            models.Index(
                fields=["deadline_at"],
                name="support_msg_unfinished",
                condition=models.Q(deadline_at__isnull=False),
            ),
        )
        constraints = (
            # A request that arrives twice finds its first arrival.
            models.UniqueConstraint(fields=["idempotency_key"], name="support_msg_idempotency"),
        )

    def __str__(self) -> str:
        return f"Message {self.id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.question_key = question_key(self.user_message)
        super().save(*args, **kwargs)

    @property
    def is_pending(self) -> bool:
        return self.state == self.State.PENDING

    def take(self, answer: Answer) -> dict[str, Any]:
        """Sets this message's fields to the answer's, and returns them as the columns to write."""
        columns: dict[str, Any] = {
            "assistant_message": answer.text[:ASSISTANT_MESSAGE_MAX],
            "answered_by": answer.answered_by,
            "is_escalation": answer.is_escalation,
            "escalation_reason": answer.reason if answer.is_escalation else "",
            "model": answer.model,
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cache_write_5m_tokens": answer.cache_write_5m_tokens,
            "cache_write_1h_tokens": answer.cache_write_1h_tokens,
            "cache_read_tokens": answer.cache_read_tokens,
            "cost_usd_billionths": answer.cost_usd_billionths,
            "fault": answer.fault[:100],
            "articles": answer.articles,
            "handover_summary": answer.handover_summary[:300],
        }
        for name, value in columns.items():
            setattr(self, name, value)
        return columns


def question_key(question: str) -> str:
    """The same 32 hex digits for questions that differ only in case, spacing or end punctuation."""
    folded = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", question).casefold()).strip()
    while folded and unicodedata.category(folded[-1])[0] in "PZ":
        folded = folded[:-1]
    return blake2b(folded.encode(), digest_size=16).hexdigest()
