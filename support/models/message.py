from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from django.db import models, transaction

from support.clock import now
from support.fields import ObjectIdField, new_id
from support.models.budget import BudgetWindow
from support.models.transactions import has_transactions

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    price_id: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd_billionths: int = 0
    fault: str = ""
    articles: list[dict[str, Any]] = field(default_factory=list)
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

    class Rating(models.TextChoices):
        GOOD = "good", "helpful"
        BAD = "bad", "not helpful"

    USAGE = (
        "input_tokens",
        "output_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "cache_read_tokens",
        "cost_usd_billionths",
    )
    """The columns of what a call to the model came to."""

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
    price_id = models.CharField(
        max_length=24,
        blank=True,
        help_text="The price row by which the cost was worked out; it may be gone since.",
    )
    # No foreign key: a price deleted while an answer is written must not make the answer impossible to store.
    escalation_reason = models.CharField(max_length=20, blank=True)
    fault = models.CharField(max_length=100, blank=True, help_text="What the model's service did wrong.")
    articles = models.JSONField(
        default=list, blank=True, help_text="Slug, title and version of what the answer used."
    )
    handover_summary = models.CharField(
        max_length=300, blank=True, help_text="What the model tells who takes over."
    )
    question_key = models.CharField(max_length=32, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    """When this message is to be answered and counted at the latest; None once it is."""
    reserved_usd_billionths = models.PositiveBigIntegerField(default=0)
    """What the budgets hold for this answer while it is being written: the most that it can cost."""
    budget_keys = models.JSONField(default=list, blank=True)
    """The budget windows that hold it, and that its cost is counted in."""
    rating = models.CharField(max_length=4, choices=Rating, null=True, blank=True)
    """What the visitor thinks of the answer; None while he has not said, or took it back."""
    rated_at = models.DateTimeField(null=True, blank=True)

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

    def reserve(self, amount: int, caps: Mapping[str, int]) -> str | None:
        """Holds `amount` billionths of a dollar for this answer in every budget window of `caps`, or in none.

        Returns the key of a window that has no room, None if it is held.
        """
        held: dict[str, Any] = {"reserved_usd_billionths": amount, "budget_keys": sorted(caps)}
        nothing: dict[str, Any] = {"reserved_usd_billionths": 0, "budget_keys": []}
        row = Message.objects.filter(pk=self.pk)
        with transaction.atomic():
            if not has_transactions():
                row.update(**held)  # first: what a stopped process holds must be found
            refused = BudgetWindow.objects.hold(self.pk, amount, caps)
            if has_transactions() and not refused:
                row.update(**held)
            elif refused and not has_transactions():
                row.update(**nothing)
        for name, value in (nothing if refused else held).items():
            setattr(self, name, value)
        return refused

    def settle_budgets(self) -> None:
        """Turns what the budgets hold for this message into its cost; nothing if they hold nothing.

        With transactions it must be part of the one that ends the message; without, it may be said again.
        """
        if self.budget_keys:
            BudgetWindow.objects.settle(
                self.pk, self.budget_keys, amount=self.reserved_usd_billionths, cost=self.cost_usd_billionths
            )

    @property
    def is_notice(self) -> bool:
        """A standard sentence: nothing that a visitor could call helpful or not."""
        return self.answered_by == self.AnsweredBy.NOTICE

    def take(self, answer: Answer) -> dict[str, Any]:
        """Sets this message's fields to the answer's, and returns them as the columns to write."""
        columns: dict[str, Any] = {
            "assistant_message": answer.text[:ASSISTANT_MESSAGE_MAX],
            "answered_by": answer.answered_by,
            "is_escalation": answer.is_escalation,
            "escalation_reason": answer.reason if answer.is_escalation else "",
            "model": answer.model,
            "price_id": answer.price_id,
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
