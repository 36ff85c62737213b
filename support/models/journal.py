"""How a change of a conversation is written: with its audit rows and the pair it counts, all or nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.db import IntegrityError, OperationalError, models, transaction

from support.clock import now
from support.models.event import ConversationEvent
from support.models.message import Message
from support.models.transactions import has_transactions

_ATTEMPTS = 500


@dataclass
class Change:
    """What one writer wants a conversation to become: columns, audit rows, and the pair now in its sums."""

    columns: dict[str, Any]
    events: list[ConversationEvent] = field(default_factory=list)
    counted_message_id: str | None = None


class Journalled(models.Model):
    """A row that carries, where there are no transactions, the list of what still has to be written beside it."""

    version = models.PositiveBigIntegerField(default=0, editable=False)
    unsettled = models.JSONField(null=True, blank=True, editable=False)
    """MongoDB: the rows that belong to the latest change and may not be written yet."""
    unsettled_at = models.DateTimeField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True

    def _apply(self, decide: Callable[[Self], Change | None], first: Callable[[], bool] | None = None) -> bool:
        """Writes what `decide` makes of the row as it is now; False if `first` said there is nothing to do.

        With transactions all of it is one, under a lock on the row taken before anything else (a writer that
        inserts a message first holds a share lock, and two of those wait for each other for ever).

        Without, the row itself is the journal: one atomic update that succeeds only on the version that was
        read carries the new sums and the list of rows that belong to them; those are then written (each can
        be written twice without harm) and the list is cleared. Whoever comes next, or `recover_turns`, ends
        what a stopped process left. Raises OperationalError if others keep changing the row.
        """
        if has_transactions():
            with transaction.atomic(savepoint=False):
                current = self._rows().select_for_update(no_key=True).get(pk=self.pk)
                if first and not first():
                    return False
                if change := decide(current):
                    current._write(change)
                    ConversationEvent.objects.bulk_create(change.events)
            self._copy(current)
            return True
        if first and not first():
            return False
        for attempt in range(_ATTEMPTS):
            current = self._rows().get(pk=self.pk)
            if current.unsettled:
                current.settle()
            change = decide(current)
            if change is None or current._write(change, journal=True):
                if change:
                    current.settle()
                self._copy(current)
                return True
            time.sleep(random.uniform(0, min(0.002 * (attempt + 1), 0.05)))
        raise OperationalError(f"{self} is being changed by too many at once")

    def _write(self, change: Change, journal: bool = False) -> bool:
        columns = {**change.columns, "updated_at": now(), "version": self.version + 1}
        if journal:
            columns["unsettled"] = {
                "message": change.counted_message_id,
                "events": [_as_json(event) for event in change.events],
            }
            columns["unsettled_at"] = columns["updated_at"]
        written = self._rows().filter(pk=self.pk, version=self.version).update(**columns)
        if written:
            for name, value in columns.items():
                setattr(self, name, value)
        return bool(written)

    def settle(self) -> None:
        """Writes the rows that belong to the latest change, once each, and clears their list (MongoDB)."""
        journal = self.unsettled or {}
        for row in journal.get("events", ()):
            try:
                ConversationEvent(conversation_id=self.pk, **_from_json(row)).save(force_insert=True)
            except IntegrityError:
                continue  # written before, by us or by who settled it for us
        if journal.get("message"):
            uncounted = Message.objects.filter(pk=journal["message"], state=Message.State.ANSWERED)
            for message in uncounted:
                message.settle_budgets()
            uncounted.update(state=Message.State.COUNTED, deadline_at=None)
        self._rows().filter(pk=self.pk, version=self.version).update(unsettled=None, unsettled_at=None)
        self.unsettled = self.unsettled_at = None

    def _copy(self, current: Self) -> None:
        for column in self._meta.concrete_fields:
            setattr(self, column.attname, getattr(current, column.attname))

    def _rows(self) -> models.QuerySet[Self]:
        return type(self)._default_manager.all()


def _as_json(event: ConversationEvent) -> dict[str, str | None]:
    return {
        "id": event.pk,
        "kind": event.kind,
        "by_id": event.by_id,
        "from_value": event.from_value,
        "to_value": event.to_value,
        "created_at": event.created_at.isoformat(),
    }


def _from_json(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "created_at": datetime.fromisoformat(row["created_at"])}
