from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from support.models import Conversation

_BOOLEANS = (("true", "true"), ("false", "false"))


class MomentField(forms.CharField):
    """An ISO 8601 date or time; without a zone it is UTC."""

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            moment = parse_datetime(text.replace(" ", "+")) or datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(
                "Enter a date or a time as in ISO 8601: 2026-02-18 or 2026-02-18T09:30:00Z."
            ) from None


class MomentFilter(django_filters.Filter):
    field_class = MomentField


class ConversationFilter(django_filters.FilterSet):
    """The filters of the list and of the tickets. A value that can't be is a 400 that names the filter."""

    status = django_filters.ChoiceFilter(choices=Conversation.Status.choices)
    source = django_filters.ChoiceFilter(choices=Conversation.Source.choices)
    escalated = django_filters.TypedChoiceFilter(choices=_BOOLEANS, coerce=lambda value: value == "true")
    assigned_to = django_filters.CharFilter(
        method="of_staff", label="A staff user's id, `me`, or `none` for what nobody has.", max_length=24
    )
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte", label="From this time on (ISO 8601).")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt", label="Before this time (ISO 8601).")
    q = django_filters.CharFilter(method="with_text", label="Text in a message or a note.", max_length=200)

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = ()

    def of_staff(self, queryset: QuerySet[Conversation], name: str, value: str) -> QuerySet[Conversation]:
        if value == "none":
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to_id=self.request.user.pk if value == "me" else value)

    def with_text(self, queryset: Any, name: str, value: str) -> QuerySet[Conversation]:
        found: QuerySet[Conversation] = queryset.with_text(value)
        return found
