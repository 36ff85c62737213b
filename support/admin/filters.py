"""The questions that staff ask of the list, a class each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from support.models import Conversation, Message, User

Choices = Iterable[tuple[str, str]]


class _Filter(admin.SimpleListFilter):
    template = "admin/support/conversation/filter.html"

    def value(self) -> str | None:
        """The choice in force; a value that is not on offer counts as none."""
        value = super().value()
        return value if value in dict(self.lookup_choices) else None


class StatusFilter(_Filter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("waiting", "waiting for a person"), *Conversation.Status.choices]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Conversation] | None:
        if self.value() == "waiting":
            found: QuerySet[Conversation] = queryset.waiting()
            return found
        return queryset.filter(status=self.value()) if self.value() else None


class SourceFilter(_Filter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return Conversation.Source.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        return queryset.filter(source=self.value()) if self.value() else None


class EscalatedFilter(_Filter):
    title = "escalated"
    parameter_name = "escalated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        return queryset.filter(escalated=self.value() == "yes") if self.value() else None


class WhoseFilter(_Filter):
    """Mine, nobody's, or a colleague's."""

    title = "assigned to"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        colleagues = User.objects.filter(is_staff=True, is_active=True).exclude(pk=request.user.pk)
        names = sorted((user.name, user.pk) for user in colleagues)
        return [("me", "me"), ("nobody", "nobody"), *((pk, name) for name, pk in names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        whose = self.value()
        if whose == "nobody":
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to_id=request.user.pk if whose == "me" else whose) if whose else None


class AnsweredByFilter(_Filter):
    """Conversations with at least one answer from there: Claude, or the offline answerer while it was away."""

    title = "answered by"
    parameter_name = "answered_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return Message.AnsweredBy.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        if not self.value():
            return None
        return queryset.filter(
            Exists(Message.objects.filter(conversation=OuterRef("pk"), answered_by=self.value()))
        )


class ReasonFilter(_Filter):
    title = "why escalated"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return Conversation.Reason.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        return queryset.filter(escalated=True, escalation_reason=self.value()) if self.value() else None


class RatedBadlyFilter(_Filter):
    """Conversations with at least one answer that their visitor now calls not helpful."""

    title = "rated badly"
    parameter_name = "rated_badly"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Conversation] | None:
        return queryset.filter(badly_rated_at__isnull=self.value() == "no") if self.value() else None


ALL = (
    StatusFilter,
    ReasonFilter,
    WhoseFilter,
    AnsweredByFilter,
    SourceFilter,
    EscalatedFilter,
    RatedBadlyFilter,
)
