"""What a stopped process left undone, found and ended. Safe to run at any time, by any number of processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from support import clock, hours
from support.bot import sentences
from support.models import Answer, Conversation, Message

log = logging.getLogger("support.recovery")

_GRACE = timedelta(seconds=30)
"""A write that is younger than this may still be under way."""


@dataclass(frozen=True)
class Recovered:
    handed_over: int = 0
    counted: int = 0
    settled: int = 0

    def __bool__(self) -> bool:
        return bool(self.handed_over or self.counted or self.settled)


def recover(now: datetime | None = None) -> Recovered:
    """Hands unanswered turns to a person, counts answers that are not in the sums, writes missing audit rows.

    Only what is past its deadline is touched. Two queries on small indexes when there is nothing to do.
    """
    now = now or clock.now()
    handed_over = counted = settled = 0
    for message in Message.objects.overdue(now).select_related("conversation"):
        with _one_by_one(message):
            if message.is_pending:
                handed_over += hand_over(message)
            else:
                counted += message.conversation.count(message)
    for conversation in Conversation.objects.unsettled(now - _GRACE):
        with _one_by_one(conversation):
            conversation.settle()
            settled += 1
    return Recovered(handed_over, counted, settled)


@contextmanager
def _one_by_one(row: Message | Conversation) -> Iterator[None]:
    """A row that can't be mended (deleted meanwhile, say) must not keep the others from it."""
    try:
        yield
    except Exception as error:
        log.error("%s: not recovered: %s", row, type(error).__name__)


def hand_over(message: Message) -> bool:
    """Ends a turn that nobody is writing any more: what was shown stays, and a person takes over."""
    shown = message.assistant_message
    handed_over = sentences.handed_over(hours.state(clock.now()))
    text = "\n\n".join(
        [shown, sentences.interrupted(), handed_over] if shown else [sentences.model_down(), handed_over]
    )
    return message.conversation.answer(
        message,
        Answer(
            text=text,
            answered_by=Message.AnsweredBy.NOTICE,
            is_escalation=True,
            reason=Conversation.Reason.UNANSWERED,
            fault="process stopped",
            # What it had used when it was last heard of.
            model=message.model,
            price_id=message.price_id,
            **{name: getattr(message, name) for name in Message.USAGE},
        ),
    )
