from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from support.clock import now
from support.fields import ObjectIdField, new_id
from support.handoff import sends_to_support
from support.models.event import ConversationEvent
from support.models.journal import Change, Journalled
from support.models.message import Answer, Message
from support.models.transactions import has_transactions

if TYPE_CHECKING:
    from support.models.staff import User

_KEY_LIFETIME = timedelta(days=1)
_COUNTING_TIME = timedelta(seconds=30)
"""A write younger than this may still be under way (MongoDB)."""


class KeyReused(ValueError):
    """An Idempotency-Key came again with another request than the one it belongs to."""


class NotAnswered(ValueError):
    """A question that is still being answered was rated."""


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


class Conversation(Journalled):
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
        NO_ARTICLE = "no_article", "no article fits"
        ACCOUNT = "account", "account, booking or payment"
        COMPLAINT = "complaint", "unhappy visitor"
        BROKEN = "broken", "something does not work"
        SENSITIVE = "sensitive", "health, safety or law"
        BOT_HANDED_OVER = "bot_handed_over", "bot handed over"
        LISTED_WORD = "listed_word", "listed word"
        REPEATED = "repeated", "repeated question"
        LONG = "long", "long conversation"
        MODEL_FAULT = "model_fault", "model unavailable"
        REFUSED = "refused", "model refused"
        UNANSWERED = "unanswered", "answer was interrupted"
        LOGGED = "logged", "logged by the client"
        BADLY_RATED = "badly_rated", "answers rated badly"
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

    cost_usd_billionths = models.PositiveBigIntegerField(default=0)
    claimed_cost_usd_billionths = models.PositiveBigIntegerField(
        default=0, help_text="The part of the cost that clients claimed; the rest was measured by this server."
    )
    escalation_reason = models.CharField(max_length=20, choices=Reason, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When it last went to a person, or a person dealt with it: the rules that count start from here."""
    badly_rated_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When the latest of its answers that are rated bad was rated so; None while none is."""
    idempotency_key = models.CharField(max_length=64, null=True, blank=True, editable=False)

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
            # 'Rated badly' in the desk, newest first. Only such rows are in it; on MongoDB, where the condition
            # lets all rows in, the second column tells them apart.
            models.Index(
                fields=["-created_at", "badly_rated_at"],
                name="support_conv_badly_rated",
                condition=models.Q(badly_rated_at__isnull=False),
            ),
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

    # --- Who has it -------------------------------------------------------------------------------

    @property
    def is_handed_over(self) -> bool:
        """Whether it waits for a person or is with one: handing it over once more would be the same case."""
        return self.escalated and self.status in (self.Status.NEEDS_REVIEW, self.Status.IN_PROGRESS)

    @property
    def has_person(self) -> bool:
        """Whether a colleague works on it, so that the bot keeps silent."""
        taken = self.assigned_to_id is not None and self.status in self.WAITING
        return taken or self.status == self.Status.IN_PROGRESS

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
        message.tokens_measured = True
        columns = message.take(answer) | {"tokens_measured": True, **_state_of_an_answer()}

        def end() -> bool:
            if not Message.objects.filter(pk=message.pk, state=Message.State.PENDING).update(**columns):
                return False
            if has_transactions():
                message.settle_budgets()
            return True

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

    def rate(self, message: Message, rating: str | None) -> bool:
        """Stores what the visitor thinks of an answer of this conversation; None takes it back.

        CHAT_BAD_RATINGS answers rated bad since `handled_at` call a person. True if this rating was one of those
        for which a person was called. A rating that is told again counts once, and the same is returned. Raises
        NotAnswered while the answer is being written.
        """
        if message.is_pending:
            raise NotAnswered
        is_new = False

        def store() -> bool:
            nonlocal is_new
            columns = {"rating": rating, "rated_at": now() if rating else None}
            is_new = bool(Message.objects.filter(pk=message.pk).exclude(rating=rating).update(**columns))
            message.rating = rating
            if is_new:
                message.rated_at = columns["rated_at"]
            return True

        def decide(current: Conversation) -> Change | None:
            # What counts is asked of the rows, not kept: if a process stops after `store` (MongoDB), the repeat
            # of its request finds the same and does what is missing.
            bad = Message.objects.filter(conversation=current, rating=Message.Rating.BAD)
            columns: dict[str, Any] = {"badly_rated_at": bad.aggregate(latest=models.Max("rated_at"))["latest"]}
            events = []
            if rating == Message.Rating.BAD and current._is_let_down(bad):
                columns |= current._escalation(self.Reason.BADLY_RATED)
                events.append(current._event(ConversationEvent.Kind.ESCALATED, self.Reason.BADLY_RATED))
            # A new rating moves the version in any case: who looked before it was there must look again.
            return Change(columns, events) if is_new or current._differs(columns) else None

        self._apply(decide, first=store)
        return rating == Message.Rating.BAD and self._was_called_for(message)

    def _is_let_down(self, bad: models.QuerySet[Message]) -> bool:
        """Whether enough answers were rated bad since a person last dealt with this, and none has it now."""
        if not settings.CHAT_BAD_RATINGS or self.status in self.WAITING:
            return False
        since = bad.filter(rated_at__gt=self.handled_at) if self.handled_at else bad
        return since.count() >= settings.CHAT_BAD_RATINGS

    def _was_called_for(self, message: Message) -> bool:
        """Whether a person has this conversation because of bad ratings, with that of `message` among them."""
        if self.escalation_reason != self.Reason.BADLY_RATED or self.status not in self.WAITING:
            return False
        return bool(message.rated_at and self.handled_at and message.rated_at <= self.handled_at)

    # --- Verbs: the ticket ------------------------------------------------------------------------

    def escalate(self, reason: str, *, by: User | None = None) -> None:
        """Hands the conversation to a person, once: one that waits for a person or is with one stays as it is."""

        def decide(current: Conversation) -> Change | None:
            if current.is_handed_over:
                return None
            event = current._event(ConversationEvent.Kind.ESCALATED, reason, by)
            return Change(current._escalation(reason), [event])

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
            events = list(current._events_of(changed, by))
            if "status" in changed:
                changed["handled_at"] = now()
            return Change(changed, events)

        self._apply(decide)

    # --- What a change is made of -----------------------------------------------------------------

    def _differs(self, columns: dict[str, Any]) -> bool:
        return any(getattr(self, name) != value for name, value in columns.items())

    def _escalation(self, reason: str) -> dict[str, Any]:
        status = self.status if self.status == self.Status.IN_PROGRESS else self.Status.NEEDS_REVIEW
        return {"escalated": True, "status": status, "escalation_reason": reason, "handled_at": now()}

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
            "claimed_cost_usd_billionths": current.claimed_cost_usd_billionths
            + (0 if message.tokens_measured else message.cost_usd_billionths),
            "estimated_cost_usd": (billionths + 500) // 1000,
        }
        events = []
        if message.is_escalation and not current.is_handed_over:
            columns |= current._escalation(message.escalation_reason)
            events.append(current._event(ConversationEvent.Kind.ESCALATED, message.escalation_reason))
        return Change(columns, events, counted_message_id=message.pk)

    return decide


def _token(conversation_id: str, secret_key: str) -> str:
    return salted_hmac("support.visitor", conversation_id, secret=secret_key, algorithm="sha256").hexdigest()
