from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from support.clock import now
from support.models.transactions import has_transactions


class BudgetWindowQuerySet(models.QuerySet["BudgetWindow"]):
    """Holding and settling, exact over all processes. Amounts are billionths of a dollar."""

    def hold(self, message_id: str, amount: int, caps: Mapping[str, int]) -> str | None:
        """Reserves `amount` in each window of `caps` (key to cap), in all of them or in none.

        Returns the key of a window that has no room for it, None if it is held. Spent, held and `amount`
        together never pass a cap by one unit.
        """
        for key, cap in caps.items():
            if amount > cap:
                return key
        if has_transactions():
            return _hold_in_one(amount, caps)
        held: list[str] = []
        for key in sorted(caps):
            if not _hold(key, message_id, amount, caps[key]):
                self.settle(message_id, held, amount=amount, cost=0)
                return key
            held.append(key)
        return None

    def settle(self, message_id: str, keys: Iterable[str], *, amount: int, cost: int) -> None:
        """Turns the `amount` held for a message into what it cost.

        With transactions it has to be part of the one that ends the message, so that it happens once; without,
        it may be said again: a window knows for which messages it holds something.
        """
        if has_transactions():
            _settle_in_one(keys, amount, cost)
            return
        for key in sorted(keys):
            _settle(key, message_id, amount, cost)

    def forgettable(self, before: datetime) -> models.QuerySet[BudgetWindow]:
        """Windows that are over since long and hold nothing."""
        return self.filter(updated_at__lt=before, reserved_usd_billionths=0)


class BudgetWindow(models.Model):
    """What one budget has spent in one span of time, and what it holds for answers that are being written.

    Keys: `day:2026-11-24`, `month:2026-11`, `address:HASH:2026-11-24`, `user:HASH:2026-11-24`,
    `conversation:ID`; days and months are UTC's.
    """

    key = models.CharField(max_length=120, primary_key=True, db_column="_id")
    spent_usd_billionths = models.BigIntegerField(default=0)
    reserved_usd_billionths = models.BigIntegerField(default=0)
    taken_usd_billionths = models.BigIntegerField(default=0)
    """Spent and held: what is compared with the cap."""
    cap_usd_billionths = models.BigIntegerField(default=0)
    """What was allowed when something was held here last."""
    holds = models.JSONField(default=dict)
    """MongoDB: the amounts held, by message. With transactions the sum says all."""
    updated_at = models.DateTimeField(default=now)

    objects = BudgetWindowQuerySet.as_manager()

    class Meta:
        db_table = "support_budget_windows"
        # Serves the removal of windows that are over.
        indexes = (models.Index(fields=["updated_at"], name="support_budget_updated"),)

    def __str__(self) -> str:
        return self.key


# --- With transactions: one statement for all windows -------------------------------------------------
# In SQL of its own, the same for SQLite and PostgreSQL: by the ORM it is four statements, a fifth of the CPU
# time of an answer. The rows come in the order of their keys: two that lock the same windows the other way round
# would wait for each other.

_UPSERT = """
INSERT INTO support_budget_windows (
  _id, spent_usd_billionths, reserved_usd_billionths, taken_usd_billionths, cap_usd_billionths, holds, updated_at
) VALUES {rows}
ON CONFLICT (_id) DO UPDATE SET
  spent_usd_billionths = support_budget_windows.spent_usd_billionths + excluded.spent_usd_billionths,
  reserved_usd_billionths = support_budget_windows.reserved_usd_billionths + excluded.reserved_usd_billionths,
  taken_usd_billionths = support_budget_windows.taken_usd_billionths + excluded.taken_usd_billionths,
  updated_at = excluded.updated_at
"""
_HOLD = f"""{_UPSERT.rstrip()},
  cap_usd_billionths = excluded.cap_usd_billionths
WHERE support_budget_windows.taken_usd_billionths + excluded.taken_usd_billionths <= excluded.cap_usd_billionths
RETURNING _id
"""


class _NoRoom(Exception):
    pass


def _hold_in_one(amount: int, caps: Mapping[str, int]) -> str | None:
    rows = [(key, 0, amount, amount, caps[key]) for key in sorted(caps)]
    refused: set[str] = set()
    with suppress(_NoRoom), transaction.atomic():
        refused = caps.keys() - {key for (key,) in _run(_HOLD, rows)}
        if refused:
            raise _NoRoom  # takes the other windows' back
    return min(refused, default=None)


def _settle_in_one(keys: Iterable[str], amount: int, cost: int) -> None:
    _run(_UPSERT, [(key, cost, -amount, cost - amount, 0) for key in sorted(keys)])


def _run(sql: str, rows: list[tuple[str, int, int, int, int]]) -> list[tuple[str]]:
    if not rows:
        return []
    moment = connection.ops.adapt_datetimefield_value(now())
    values = [value for row in rows for value in (*row, "{}", moment)]
    with connection.cursor() as cursor:
        cursor.execute(sql.format(rows=", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(rows))), values)
        return list(cursor.fetchall()) if cursor.description else []


# --- MongoDB: one atomic operation a window, which changes it only if it has not been changed so before ----


def _collection() -> Any:
    return connection.get_collection(BudgetWindow._meta.db_table)  # type: ignore[attr-defined]


def _hold(key: str, message_id: str, amount: int, cap: int) -> bool:
    amounts = ("spent_usd_billionths", "reserved_usd_billionths", "taken_usd_billionths", "cap_usd_billionths")
    fresh: dict[str, Any] = {**dict.fromkeys(amounts, 0), "holds": {}}
    _collection().update_one({"_id": key}, {"$setOnInsert": fresh | {"updated_at": now()}}, upsert=True)
    held = _collection().update_one(
        {"_id": key, "taken_usd_billionths": {"$lte": cap - amount}, f"holds.{message_id}": {"$exists": False}},
        {
            "$inc": {"reserved_usd_billionths": amount, "taken_usd_billionths": amount},
            "$set": {f"holds.{message_id}": amount, "cap_usd_billionths": cap, "updated_at": now()},
        },
    )
    return bool(held.matched_count)


def _settle(key: str, message_id: str, amount: int, cost: int) -> None:
    _collection().update_one(
        {"_id": key, f"holds.{message_id}": {"$exists": True}},
        {
            "$inc": {
                "reserved_usd_billionths": -amount,
                "spent_usd_billionths": cost,
                "taken_usd_billionths": cost - amount,
            },
            "$unset": {f"holds.{message_id}": ""},
            "$set": {"updated_at": now()},
        },
    )
