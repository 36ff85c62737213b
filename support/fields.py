"""The one id of this project: 12 bytes shown as 24 hex digits, an ObjectId to MongoDB and text to SQL."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField

_HEX_24 = re.compile(r"[0-9a-f]{24}")
_NOBODY = "0" * 24
"""A well-formed id that no row has: what a malformed id is looked up as."""


def new_id() -> str:
    """4 bytes of time and 8 of the operating system's randomness, as 24 hex digits.

    An ObjectId made by the usual generator can be guessed from its neighbour (5 random bytes a process and
    a counter); ids here are what stands between a stranger and a conversation, so all 8 bytes are random.
    """
    return int(time.time()).to_bytes(4, "big").hex() + os.urandom(8).hex()


def is_id(value: object) -> bool:
    """Whether `value` is 24 lower-case hex digits."""
    return isinstance(value, str) and _HEX_24.fullmatch(value) is not None


class ObjectIdField(_CharField):
    """24 hex digits in Python; `objectId` on MongoDB, `varchar(24)` on SQL.

    A malformed value matches no row in a lookup and raises ValidationError when saved.
    """

    description = "Object id"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 24
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        # Not char(24): PostgreSQL's bulk insert would cast to an array of it.
        return "objectId" if connection.vendor == "mongodb" else "varchar(24)"

    def rel_db_type(self, connection: BaseDatabaseWrapper) -> str:
        return self.db_type(connection)

    def to_python(self, value: Any) -> Any:
        return str(value) if isinstance(value, ObjectId) else super().to_python(value)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> str | None:
        return None if value is None else str(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if value is None or is_id(value) else _NOBODY

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        value = super().get_db_prep_value(value, connection, prepared)
        return ObjectId(value) if value is not None and connection.vendor == "mongodb" else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if value is not None and not hasattr(value, "resolve_expression") and not is_id(str(value)):
            raise ValidationError(f"{value!r} is not an id of 24 hex digits.", code="invalid")
        return super().get_db_prep_save(value, connection)
