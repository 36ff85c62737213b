"""Fields that take exactly what the API's description says: no number for a text, no "yes" for a true."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import urlsplit

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Text(serializers.CharField):
    """A string as it was sent, blanks included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Question(Text):
    """What a visitor writes: 1 to `max_length` characters, not only blanks."""

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not value.strip():
            self.fail("blank")
        return value


class PageUrl(Text):
    """An http(s) URL of up to 2,000 characters, or nothing."""

    default_error_messages = {"scheme": "Only http and https URLs are taken."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2000, allow_blank=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if value and not _is_http(value):
            self.fail("scheme")
        return value


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": 10_000_000, "default": 0})
class Tokens(serializers.Field):  # type: ignore[type-arg]
    """A number of tokens, 0 to 10,000,000."""

    default_error_messages = {
        "invalid": "A valid integer is required.",
        "limit": "Ensure this value is from 0 to 10000000.",
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        if not math.isfinite(data) or data != int(data):
            self.fail("invalid")
        if not 0 <= data <= 10_000_000:
            self.fail("limit")
        return int(data)

    def to_representation(self, value: Any) -> int:
        return int(value)


@extend_schema_field(OpenApiTypes.BOOL)
class Flag(serializers.BooleanField):
    """true or false, and nothing that merely looks like one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def idempotency_key(request: Any) -> str | None:
    """The request's `Idempotency-Key`, None without one. Raises ValidationError for one that can't be a key."""
    key: str | None = request.headers.get("Idempotency-Key") if isinstance(request, Request) else None
    if key is None:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        raise serializers.ValidationError(
            {"Idempotency-Key": ["Ensure it has 1 to 200 visible ASCII characters."]}
        )
    return key


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
