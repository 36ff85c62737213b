"""What schemathesis can't know of this desk and an OpenAPI document can't say; see test_schema.py."""

from __future__ import annotations

import itertools
import os
import re
from typing import Any

import schemathesis

_CONVERSATION_ID = os.environ["SCHEMATHESIS_CONVERSATION_ID"]
_MESSAGE_ID = os.environ["SCHEMATHESIS_MESSAGE_ID"]
_TOKEN = os.environ["SCHEMATHESIS_TOKEN"]
_STAFF_ID = os.environ["SCHEMATHESIS_STAFF_ID"]
_numbers = itertools.count()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{24}", value) is not None


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    body = case.body if isinstance(case.body, dict) else {}
    path = case.path_parameters or {}
    # Of all well-formed ids few exist. The stateful phase takes ids out of earlier answers, save where only the
    # visitor's own token opens the door.
    if _is_id(path.get("message_id")):
        path = {**path, "message_id": _MESSAGE_ID}
    if _is_id(path.get("id")) and case.meta and ("message_id" in path or case.meta.phase.name.value != "stateful"):
        path = {**path, "id": _CONVERSATION_ID}
    case.path_parameters = path
    if _is_id(body.get("assigned_to")):
        case.body = {**body, "assigned_to": _STAFF_ID}
    if "conversation_id" in body and case.meta and case.meta.generation.mode.is_positive:
        case.body = {**body, "conversation_id": _CONVERSATION_ID, "token": _TOKEN}
    # A key that comes again with another request is rightly refused: each request gets one of its own.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key):
        case.headers = {**case.headers, "Idempotency-Key": f"{key[:190]}{next(_numbers)}"}
