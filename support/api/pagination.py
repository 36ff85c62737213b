from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from support.models import Conversation

_CURSOR = re.compile(r"([np])([0-9]{1,16})-([0-9a-f]{24})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


class KeysetPagination(BasePagination):
    """Newest first by (created_at, id). A page starts where a row stands, not at a number of rows to skip.

    So rows that are added meanwhile move nothing, and page 10,000 costs what page 1 does.
    """

    def paginate_queryset(  # type: ignore[override]  # pages conversations alone
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Conversation]:
        self._url = request.build_absolute_uri()
        limit = _limit(request.query_params.get("limit"))
        cursor = request.query_params.get("cursor")
        backwards, position = _read(cursor) if cursor is not None else (False, None)
        order = ("created_at", "id") if backwards else ("-created_at", "-id")
        rows = list(_beyond(queryset, backwards, position).order_by(*order)[: limit + 1])
        more = len(rows) > limit
        rows = rows[:limit]
        if backwards:
            rows.reverse()
        has_older = more if not backwards else bool(rows)
        has_newer = more if backwards else position is not None and bool(rows)
        self._next = self._link("n", rows[-1]) if has_older else None
        self._previous = self._link("p", rows[0]) if has_newer else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
        cursor = {"type": "string", "pattern": f"^{_CURSOR.pattern}$"}
        return [
            {"name": "limit", "in": "query", "required": False, "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "schema": cursor,
                "description": "Where a page starts; taken from `next` and `previous`.",
            },
        ]

    def _link(self, direction: str, row: Conversation) -> str:
        micros = (row.created_at - _EPOCH) // timedelta(microseconds=1)
        return str(replace_query_param(self._url, "cursor", f"{direction}{micros}-{row.pk}"))


def _limit(value: str | None) -> int:
    if value is None:
        return LIMIT_DEFAULT
    if not (value.isascii() and value.isdigit() and len(value) < 5 and 1 <= int(value) <= LIMIT_MAX):
        raise ValidationError({"limit": [f"Ensure this value is a whole number from 1 to {LIMIT_MAX}."]})
    return int(value)


def _read(cursor: str) -> tuple[bool, tuple[datetime, str]]:
    found = _CURSOR.fullmatch(cursor)
    if not found:
        raise ValidationError({"cursor": ["This is no cursor; take it from `next` or `previous`."]})
    return found[1] == "p", (_EPOCH + timedelta(microseconds=int(found[2])), found[3])


def _beyond(queryset: QuerySet[Any], backwards: bool, position: tuple[datetime, str] | None) -> QuerySet[Any]:
    if position is None:
        return queryset
    at, pk = position
    than = "gt" if backwards else "lt"
    # The first condition is implied by the second; it is there because every database can use an index on it.
    return queryset.filter(
        Q(**{f"created_at__{than}e": at}),
        Q(**{f"created_at__{than}": at}) | Q(created_at=at, **{f"id__{than}": pk}),
    )
