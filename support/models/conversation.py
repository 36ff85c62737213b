from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from support.clock import now
from support.fields import ObjectIdField, new_id
from support.handoff import sends_to_support
from support.models.event import ConversationEvent
from support.models.message import Answer, Message

if TYPE_CHECKING:
    from support.models.staff import User

_ATTEMPTS = 500
_KEY_LIFETIME = timedelta(days=1)
_COUNTING_TIME = timedelta(seconds=30)
"""A write younger than this may still be under way (MongoDB)."""


class KeyReused(ValueError):
    """An Idempotency-Key came again with another request than the one it belongs to."""


@dataclass
class Change:
    """What one writer wants a conversation to become: columns, audit rows, and the pair now in its sums."""

    columns: dict[str, Any]
    events: list[ConversationEvent] = field(default_factory=list)
    counted_message_id: str | None = None


def has_transactions() -> bool:
    """Whether a block of writes is all or nothing here. Django's `atomic` does nothing on MongoDB."""
    return connection.vendor != "mongodb"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def waiting(self) -> Self:
        """Tickets: what waits for a person or is with one."""
        return self.filter(status__in=Conversation.WAITING)

    def with_text(self, text: str) -> Self:
        """Conversations that have `text` in a message or in their notes, in any case."""
        found = Message.objects.filter(conversation=models.OuterRef("pk")).filter(
            models.Q(user_message__icontains=text) | models.Q(assistant_message__icontains=text)
        )
        return self.filter(models.Q(notes__icontains=text) | models.Exists(found))

    def unsettled(self, before: datetime) -> Self:
        """Changes whose audit rows may be missing (MongoDB, after a crash)."""
        return self.filter(unsettled_at__lt=before)

    def open_new(
        self, *, source: str, page_url: str, user_id: str | None, idempotency_key: str | None = None
    ) -> tuple[Conversation, bool]:
        """Opens a conversation, or returns the one that the same key opened within a day, and whether it is new.

        Raises KeyReused if the key belongs to an opening with other values.
        """
        asked = {"source": source, "page_url": page_url, "user_id": user_id}
        try:
            with transaction.atomic():
                return self.create(**asked, idempotency_key=idempotency_key), True
        except IntegrityError:
            earlier = self.filter(idempotency_key=idempotency_key).first()
            if idempotency_key is None or earlier is None:
                raise
        if earlier.created_at < now() - _KEY_LIFETIME:
            self.filter(pk=earlier.pk).update(idempotency_key=None)
            return self.open_new(**asked, idempotency_key=idempotency_key)  # type: ignore[arg-type]
        if {name: getattr(earlier, name) for name in asked} != asked:
            raise KeyReused
        return earlier, False


class Conversation(models.Model):
    """One chat session, and so one ticket. Changes go through its verbs, which write the audit rows too."""

    class Source(models.TextChoices):
        WEB = "web", "website"
        APP_OWNER = "app_owner", "restaurant app"
        APP_DINER = "app_diner", "diner app"
        DASHBOARD = "dashboard", "dashboard"

    class Status(models.TextChoices):
        AUTO_RESOLVED = "auto_resolved", "answered by the bot"
        NEEDS_REVIEW = "needs_review", "needs review"
        OPEN = "open", "open"
        IN_PROGRESS = "in_progress", "in progress"
        CLOSED = "closed", "closed"

    class Reason(models.TextChoices):
        """Why a conversation went to a person."""

        VISITOR_ASKED = "visitor_asked", "visitor asked for a person"
        BOT_HANDED_OVER = "bot_handed_over", "bot handed over"
        NO_ARTICLE = "no_article", "no article fits"
        MODEL_FAULT = "model_fault", "model unavailable"
        REFUSED = "refused", "model refused"
        UNANSWERED = "unanswered", "answer was interrupted"
        LOGGED = "logged", "logged by the client"
        STAFF = "staff", "marked by staff"

    WAITING = (Status.NEEDS_REVIEW, Status.OPEN, Status.IN_PROGRESS)

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    source = models.CharField(max_length=10, choices=Source, default=Source.WEB)
    page_url = models.CharField(max_length=2000, blank=True)
    user_id = models.CharField(max_length=200, null=True, blank=True)
    status = models.CharField(max_length=15, choices=Status, default=Status.AUTO_RESOLVED)
    escalated = models.BooleanField(default=False)
    message_count = models.PositiveIntegerField(default=0)
    total_input_tokens = models.PositiveBigIntegerField(default=0)
    total_output_tokens = models.PositiveBigIntegerField(default=0)
    estimated_cost_usd = models.PositiveBigIntegerField(
        "cost in millionths of a dollar",
        default=0,
        help_text="Rounded once, from the exact sum in billionths.",
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="conversations",
        db_column="assigned_to",
        db_index=False,
    )
    notes = models.TextField(blank=True, max_length=20_000)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    cost_usd_billionths = models.PositiveBigIntegerField(default=0)
    escalation_reason = models.CharField(max_length=20, choices=Reason, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    version = models.PositiveBigIntegerField(default=0, editable=False)
    unsettled = models.JSONField(null=True, blank=True, editable=False)
    """MongoDB: the rows that belong to the latest change and may not be written yet."""
    unsettled_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "support_conversations"
        indexes = (
            # The list, newest first.
            models.Index(fields=["-created_at"], name="support_conv_created"),
            # The list of one status, and the tickets.
            models.Index(fields=["status", "-created_at"], name="support_conv_status"),
            # What went to a person.
            models.Index(fields=["escalated", "-created_at"], name="support_conv_escalated"),
            # 'Mine' in the desk.
            models.Index(fields=["assigned_to", "-created_at"], name="support_conv_assigned"),
            # Earlier conversations of the same user.
            models.Index(fields=["user_id", "-created_at"], name="support_conv_user"),
            # Changes to settle after a crash: none on SQL.
            models.Index(
                fields=["unsettled_at"],
                name="support_conv_unsettled",
                condition=models.Q(unsettled_at__isnull=False),
            ),
        )
        constraints = (models.UniqueConstraint(fields=["idempotency_key"], name="support_conv_idempotency"),)

    def __str__(self) -> str:
        return f"Conversation {self.id}"

    # --- The visitor's token ----------------------------------------------------------------------

    @property
    def token(self) -> str:
        """What the visitor shows to read this conversation: keyed to its id, stored nowhere."""
        return _token(self.pk, settings.SECRET_KEY)

    def is_token(self, token: str) -> bool:
        """Whether `token` opens this conversation, also one made under an earlier secret key."""
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return any(constant_time_compare(token, _token(self.pk, key)) for key in keys)

    # --- Verbs: pairs -----------------------------------------------------------------------------

    def ask(
        self, user_message: str, *, deadline_at: datetime, idempotency_key: str | None
    ) -> tuple[Message, bool]:
        """Stores a question that is about to be answered; returns its message and whether it is new.

        Raises KeyReused if the key belongs to another question.
        """
        message = Message(
            conversation=self,
            user_message=user_message,
            deadline_at=deadline_at,
            idempotency_key=idempotency_key,
        )
        return self._once(message, lambda: message.save(force_insert=True))

    def answer(self, message: Message, answer: Answer) -> bool:
        """Ends a pending turn: answer, tokens, cost, sums and escalation, once. False if it had ended already.

        An answer that names the support address escalates, whoever gave it.
        """
        if not answer.is_escalation and sends_to_support(answer.text):
            answer = replace(answer, is_escalation=True, reason=self.Reason.BOT_HANDED_OVER)
        columns = message.take(answer)
        columns |= {"tokens_measured": True, **_state_of_an_answer()}

        def end() -> bool:
            return bool(Message.objects.filter(pk=message.pk, state=Message.State.PENDING).update(**columns))

        ended = self._apply(_counting(message), first=end)
        if ended:
            message.state = columns["state"]
        return ended

    def log(
        self,
        *,
        user_message: str,
        assistant_message: str,
        input_tokens: int,
        output_tokens: int,
        is_escalation: bool,
        cost_usd_billionths: int,
        idempotency_key: str | None = None,
    ) -> tuple[Message, bool]:
        """Stores a pair that a client had elsewhere; returns its message and whether it is new.

        Its tokens are the client's claim. An answer that names the support address escalates whatever the
        client says. Raises KeyReused if the key belongs to another pair.
        """
        message = Message(
            conversation=self,
            user_message=user_message,
            idempotency_key=idempotency_key,
            **_state_of_an_answer(),
        )
        message.take(
            Answer(
                text=assistant_message,
                answered_by=Message.AnsweredBy.CLIENT,
                is_escalation=is_escalation or sends_to_support(assistant_message),
                reason=self.Reason.LOGGED,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cost_usd_billionths=cost_usd_billionths,
            )
        )

        def insert() -> bool:
            message.save(force_insert=True)
            return True

        return self._once(message, lambda: self._apply(_counting(message), first=insert))

    def _once(self, message: Message, write: Callable[[], object]) -> tuple[Message, bool]:
        """Runs `write`, or finds the message that the same idempotency key wrote before."""
        try:
            with transaction.atomic():
                write()
            return message, True
        except IntegrityError:
            earlier = Message.objects.filter(idempotency_key=message.idempotency_key).first()
            if message.idempotency_key is None or earlier is None:
                raise
        claimed = message.state != Message.State.PENDING
        if earlier.user_message != message.user_message or (claimed and _claims(earlier) != _claims(message)):
            raise KeyReused
        if earlier.state == Message.State.ANSWERED:  # its writer died between the pair and the sums
            self.count(earlier)
        return earlier, False

    def count(self, message: Message) -> bool:
        """Brings an answered message into the sums if it is not there yet (MongoDB, after a crash)."""
        return self._apply(_counting(message))

    # --- Verbs: the ticket ------------------------------------------------------------------------

    def escalate(self, reason: str, *, by: User | None = None) -> None:
        """Hands the conversation to a person. One that a person already works on stays with them."""

        def decide(current: Conversation) -> Change | None:
            columns = current._escalation(reason)
            if all(getattr(current, name) == value for name, value in columns.items()):
                return None
            return Change(columns, [current._event(ConversationEvent.Kind.ESCALATED, reason, by)])

        self._apply(decide)

    def assign(self, staff: User | None, *, by: User) -> None:
        """Gives the conversation to a colleague, who then works on it, or back to nobody."""
        columns: dict[str, Any] = {"assigned_to_id": staff.pk if staff else None}
        if staff:
            columns["status"] = self.Status.IN_PROGRESS
        self.change(by=by, **columns)

    def close(self, *, by: User) -> None:
        self.change(by=by, status=self.Status.CLOSED)

    def change(self, *, by: User | None, **columns: Any) -> None:
        """Sets `status`, `notes`, `assigned_to_id` or `escalated` as staff asks, with an audit row for each."""

        def decide(current: Conversation) -> Change | None:
            changed = {name: value for name, value in columns.items() if getattr(current, name) != value}
            if not changed:
                return None
            if changed.get("escalated"):
                changed["escalation_reason"] = current.escalation_reason or self.Reason.STAFF
            return Change(changed, list(current._events_of(changed, by)))

        self._apply(decide)

    # --- How a change is written ------------------------------------------------------------------

    def _apply(
        self, decide: Callable[[Conversation], Change | None], first: Callable[[], bool] | None = None
    ) -> bool:
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
                current = Conversation.objects.select_for_update(no_key=True).get(pk=self.pk)
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
            current = Conversation.objects.get(pk=self.pk)
            if current.unsettled:
                current.settle()
            change = decide(current)
            if change is None or current._write(change, journal=True):
                if change:
                    current.settle()
                self._copy(current)
                return True
            time.sleep(random.uniform(0, min(0.002 * (attempt + 1), 0.05)))
        raise OperationalError(f"Conversation {self.pk} is being changed by too many at once")

    def _write(self, change: Change, journal: bool = False) -> bool:
        columns = {**change.columns, "updated_at": now(), "version": self.version + 1}
        if journal:
            columns["unsettled"] = {
                "message": change.counted_message_id,
                "events": [_as_json(event) for event in change.events],
            }
            columns["unsettled_at"] = columns["updated_at"]
        written = Conversation.objects.filter(pk=self.pk, version=self.version).update(**columns)
        if written:
            for name, value in columns.items():
                setattr(self, name, value)
        return bool(written)

    def settle(self) -> None:
        """Writes the rows that belong to the latest change, once each, and clears their list (MongoDB)."""
        journal = self.unsettled or {}
        for row in journal.get("events", ()):
            try:
                ConversationEvent(conversation=self, **_from_json(row)).save(force_insert=True)
            except IntegrityError:
                continue  # written before, by us or by who settled it for us
        if journal.get("message"):
            uncounted = Message.objects.filter(pk=journal["message"], state=Message.State.ANSWERED)
            uncounted.update(state=Message.State.COUNTED, deadline_at=None)
        Conversation.objects.filter(pk=self.pk, version=self.version).update(unsettled=None, unsettled_at=None)
        self.unsettled = self.unsettled_at = None

    def _copy(self, current: Conversation) -> None:
        for column in self._meta.concrete_fields:
            setattr(self, column.attname, getattr(current, column.attname))

    def _escalation(self, reason: str) -> dict[str, Any]:
        status = self.status if self.status == self.Status.IN_PROGRESS else self.Status.NEEDS_REVIEW
        return {"escalated": True, "status": status, "escalation_reason": reason}

    def _event(self, kind: str, to_value: str, by: User | None = None, from_value: str = "") -> ConversationEvent:
        return ConversationEvent(
            conversation_id=self.pk,
            kind=kind,
            by_id=by.pk if by else None,
            from_value=from_value,
            to_value=to_value,
        )

    def _events_of(self, changed: dict[str, Any], by: User | None) -> Iterable[ConversationEvent]:
        kind = ConversationEvent.Kind
        if "status" in changed:
            yield self._event(kind.STATUS, changed["status"], by, self.status)
        if "assigned_to_id" in changed:
            yield self._event(kind.ASSIGNED, changed["assigned_to_id"] or "", by, self.assigned_to_id or "")
        if "notes" in changed:
            yield self._event(kind.NOTES, "", by)
        if "escalated" in changed:
            cleared = kind.ESCALATED if changed["escalated"] else kind.ESCALATION_CLEARED
            yield self._event(cleared, self.Reason.STAFF, by)


def _claims(message: Message) -> tuple[str, int, int]:
    """What a client said of a pair that it logged."""
    return message.assistant_message, message.input_tokens, message.output_tokens


def _state_of_an_answer() -> dict[str, Any]:
    """An answer is in the sums at once where its write is one with theirs, else when its conversation says so."""
    if has_transactions():
        return {"state": Message.State.COUNTED, "deadline_at": None}
    return {"state": Message.State.ANSWERED, "deadline_at": now() + _COUNTING_TIME}


def _counting(message: Message) -> Callable[[Conversation], Change | None]:
    """The change that brings one answered message into its conversation's sums."""

    def decide(current: Conversation) -> Change | None:
        # Asked after the row was read: whoever counts another message first marks this one, so a message
        # that is still uncounted now was not counted at the version we hold.
        if not has_transactions():
            if not Message.objects.filter(pk=message.pk, state=Message.State.ANSWERED).exists():
                return None
        billionths = current.cost_usd_billionths + message.cost_usd_billionths
        columns: dict[str, Any] = {
            "message_count": current.message_count + 1,
            "total_input_tokens": current.total_input_tokens + message.input_tokens,
            "total_output_tokens": current.total_output_tokens + message.output_tokens,
            "cost_usd_billionths": billionths,
            "estimated_cost_usd": (billionths + 500) // 1000,
        }
        events = []
        if message.is_escalation:
            columns |= current._escalation(message.escalation_reason)
            events.append(current._event(ConversationEvent.Kind.ESCALATED, message.escalation_reason))
        return Change(columns, events, counted_message_id=message.pk)

    return decide


def _token(conversation_id: str, secret_key: str) -> str:
    return salted_hmac("support.visitor", conversation_id, secret=secret_key, algorithm="sha256").hexdigest()


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
