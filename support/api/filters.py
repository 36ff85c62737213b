from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django_filters.filterset import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from support.api.fields import Text
from support.models import Conversation

_Q_MAX = 200
_STAFF = "^([0-9a-f]{24}|me|none)$"
_BOOLEANS = (("true", "true"), ("false", "false"))
# `datetime.fromisoformat` takes more (week dates, any letter for the T), which the API's description does not.
_ISO_8601 = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


class MomentField(forms.CharField):
    """An ISO 8601 date or time; without a zone it is UTC."""

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        # The `+` of a zone arrives as a blank if the client did not percent-encode it.
        text = re.sub(r"(:[\d.]+) (?=\d\d:\d\d$)", r"\1+", text)
        try:
            if not _ISO_8601.fullmatch(text):
                raise ValueError
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(
                "Enter a date or a time as in ISO 8601: 2026-02-18 or 2026-02-18T09:30:00Z."
            ) from None


@extend_schema_field({"anyOf": [{"type": "string", "format": name} for name in ("date-time", "date")]})
class MomentFilter(django_filters.Filter):
    """A time to compare with; what it is for stands in the label."""

    field_class = MomentField  # type: ignore[assignment]


@extend_schema_field(OpenApiTypes.BOOL)
class FlagFilter(django_filters.TypedChoiceFilter):
    """true or false, in these words."""


class ConversationFilter(FilterSet):
    """The filters of the list and of the tickets. A value that can't be is a 400 that names the filter."""

    status = django_filters.ChoiceFilter(choices=Conversation.Status.choices)
    source = django_filters.ChoiceFilter(choices=Conversation.Source.choices)
    escalated = FlagFilter(choices=_BOOLEANS, coerce=lambda value: value == "true")  # type: ignore[no-untyped-call]
    assigned_to = django_filters.CharFilter(
        method="of_staff",
        strip=False,
        validators=[RegexValidator(_STAFF, "Enter a staff user's id of 24 hex digits, `me` or `none`.")],
    )
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")  # type: ignore[no-untyped-call]
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")  # type: ignore[no-untyped-call]
    q = django_filters.CharFilter(method="with_text", strip=False, max_length=_Q_MAX)

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = ()

    @extend_schema_field(
        {
            "type": "string",
            "pattern": _STAFF,
            "description": "A staff user's id, `me`, or `none`: what nobody has.",
        }
    )
    def of_staff(self, queryset: QuerySet[Conversation], name: str, value: str) -> QuerySet[Conversation]:
        if value == "none":
            return queryset.filter(assigned_to=None)
        return queryset.filter(assigned_to_id=self.request.user.pk if value == "me" else value)

    @extend_schema_field(
        {
            "type": "string",
            "pattern": Text.pattern,
            "maxLength": _Q_MAX,
            "description": "Text in a message or a note, in any case.",
        }
    )
    def with_text(self, queryset: Any, name: str, value: str) -> QuerySet[Conversation]:
        found: QuerySet[Conversation] = queryset.with_text(value.strip())
        return found
