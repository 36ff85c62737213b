"""Fields that take exactly what the API's description says: no number for a text, no "yes" for a true.

A text's rule is one regular expression, used here and shown in the description. Each means the same in Python
and in ECMAScript and takes linear time: no two neighbouring parts can match the same character.
"""

from __future__ import annotations

import math
import re
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

ID_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
KEY_SCHEMA = {"type": "string", "pattern": "^[!-~]{1,200}$"}

# `\s` is not the same everywhere: Python leaves out U+FEFF, ECMAScript U+001C to U+001F and U+0085.
_BLANK = r"\s\x1c-\x1f\x85\ufeff"
_CONTROL = r"\x00-\x1f\x7f"


@extend_schema_field(ID_SCHEMA)
class Id(serializers.CharField):
    """An id as it is shown."""


class Text(serializers.CharField):
    """A string as it was sent, blanks included. No null characters: PostgreSQL can't store them."""

    pattern = r"^[^\x00]*$"
    default_error_messages = {"pattern": "Null characters are not allowed."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if not re.fullmatch(self.pattern, data):
            self.fail("pattern")
        return super().to_internal_value(data)


class Question(Text):
    """What a visitor writes: 1 to `max_length` characters, not only blanks."""

    pattern = rf"^[{_BLANK}]*[^{_BLANK}\x00][^\x00]*$"
    default_error_messages = {"pattern": "Write something; null characters are not allowed."}


class PageUrl(Text):
    """An http(s) URL of up to 2,000 characters, or nothing.

    Little more than its scheme is looked at: an odd address is no reason to turn a visitor away. So whoever
    takes it apart must expect `urlsplit` to raise ValueError.
    """

    pattern = rf"^$|^[Hh][Tt][Tt][Pp][Ss]?://[^{_BLANK}{_CONTROL}/?#\\][^{_CONTROL}]*$"
    default_error_messages = {"pattern": "Only http and https URLs are taken."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2000, allow_blank=True, **kwargs)


class StaffId(Text):
    pattern = ID_SCHEMA["pattern"]
    default_error_messages = {"pattern": "There is no such member of staff."}


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
        if isinstance(data, float) and not (math.isfinite(data) and data.is_integer()):
            self.fail("invalid")
        if not 0 <= data <= 10_000_000:
            self.fail("limit")
        return int(data)

    def to_representation(self, value: Any) -> int:
        return int(value)


class Choice(serializers.ChoiceField):
    """One of a list. The message does not repeat what was sent: half a character can't be sent back."""

    default_error_messages = {"invalid_choice": "This is not a valid choice."}


@extend_schema_field(OpenApiTypes.BOOL)
class Flag(serializers.BooleanField):
    """true or false, and nothing that merely looks like one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


def idempotency_key(request: Any) -> str | None:
    """The request's `Idempotency-Key`, None without one. Raises ValidationError for one that can't be a key."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not re.fullmatch(KEY_SCHEMA["pattern"], key):
        raise serializers.ValidationError(
            {"Idempotency-Key": ["Ensure it has 1 to 200 visible ASCII characters."]}
        )
    return key
