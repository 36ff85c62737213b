"""What may be spent: caps per day, month, visitor's address, user and conversation, in billionths of a dollar.

The most that an answer can cost is held in every window before the model is called, and becomes what it did cost
when the answer is stored, in the same write. Nothing is spent that was not held, so that no cap is passed however
many chats there are at once. A stopped process's hold ends with its message (`recovery.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.crypto import salted_hmac

from support import clock
from support.models import BudgetWindow, Conversation

log = logging.getLogger("support.budget")

WARN_AT = 0.8
_SPENT_AT = 0.99
SPENT = "budget spent"
"""How the fault of an answer begins that had no room in a budget; the scope follows."""
_KEPT = timedelta(days=40)
"""Longer than a month; a conversation that rests for longer is counted anew."""


def caps(conversation: Conversation, address_key: str, at: datetime | None = None) -> dict[str, int]:
    """The windows that an answer in this conversation counts in, and what each may hold and have spent in all.

    `address_key` is the keyed hash of the visitor's address; "" where nobody's address is known.
    """
    day, month = _day_and_month(at)
    wanted: dict[str, int | None] = {
        day: settings.BUDGET_DAY_USD_BILLIONTHS,
        month: settings.BUDGET_MONTH_USD_BILLIONTHS,
    }
    today = day.removeprefix("day:")
    if address_key:
        wanted[f"address:{address_key}:{today}"] = settings.BUDGET_ADDRESS_USD_BILLIONTHS
    if conversation.user_id:
        user = salted_hmac("support.user", conversation.user_id, algorithm="sha256").hexdigest()[:32]
        wanted[f"user:{user}:{today}"] = settings.BUDGET_USER_USD_BILLIONTHS
    wanted[f"conversation:{conversation.pk}"] = settings.BUDGET_CONVERSATION_USD_BILLIONTHS
    return {key: cap for key, cap in wanted.items() if cap is not None}


def refusal(key: str, amount: int, cap: int) -> str:
    """Why a window had no room for `amount`: its scope (`day`, `month`, `address`, `user` or `conversation`) where
    it is spent, `busy` where the answers that are being written hold what is left. One query."""
    scope = _scope(key)
    spent = BudgetWindow.objects.filter(pk=key).values_list("spent_usd_billionths", flat=True)
    if sum(spent) + amount <= cap:
        scope = "busy"
    log.warning("no room in the budget %s: the help pages answer", scope)
    return scope


def _scope(key: str) -> str:
    return key.partition(":")[0]


@dataclass(frozen=True)
class State:
    """How far the budget of the whole desk is used, in billionths of a dollar."""

    scope: str
    spent: int
    reserved: int
    cap: int

    @property
    def share(self) -> float:
        """What is spent of the cap; 1.0 where nothing may be spent at all."""
        return self.spent / self.cap if self.cap else 1.0

    @property
    def is_spent(self) -> bool:
        """Whether there is hardly room for one more answer: the last hundredth fits none of a usual size."""
        return self.share >= _SPENT_AT


def states(at: datetime | None = None) -> list[State]:
    """The day's and the month's budget, where there is one. One query."""
    day, month = _day_and_month(at)
    wanted = {day: settings.BUDGET_DAY_USD_BILLIONTHS, month: settings.BUDGET_MONTH_USD_BILLIONTHS}
    there = {window.key: window for window in BudgetWindow.objects.filter(pk__in=[day, month])}
    return [
        State(
            _scope(key),
            there[key].spent_usd_billionths if key in there else 0,
            there[key].reserved_usd_billionths if key in there else 0,
            cap,
        )
        for key, cap in wanted.items()
        if cap is not None
    ]


def forget_old() -> int:
    """Removes windows that are over. Returns how many."""
    gone, _ = BudgetWindow.objects.forgettable(clock.now() - _KEPT).delete()
    return gone


def _day_and_month(at: datetime | None) -> tuple[str, str]:
    at = at or clock.now()
    return f"day:{at:%Y-%m-%d}", f"month:{at:%Y-%m}"
