"""What schemathesis can't know of this desk and an OpenAPI document can't say; see test_schema.py."""

from __future__ import annotations

import itertools
import os
import re
from typing import Any

import schemathesis

_CONVERSATION_ID = os.environ["SCHEMATHESIS_CONVERSATION_ID"]
_STAFF_ID = os.environ["SCHEMATHESIS_STAFF_ID"]
_numbers = itertools.count()


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{24}", value) is not None


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    # Of all well-formed ids only a few exist. Requests of its own chain of calls have real ids already.
    parameters = case.path_parameters or {}
    if _is_id(parameters.get("id")) and case.meta and case.meta.phase.name.value != "stateful":
        case.path_parameters = {**parameters, "id": _CONVERSATION_ID}
    if isinstance(case.body, dict) and _is_id(case.body.get("assigned_to")):
        case.body = {**case.body, "assigned_to": _STAFF_ID}
    # A key that comes again with another request is rightly refused: each request gets one of its own.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key):
        case.headers = {**case.headers, "Idempotency-Key": f"{key[:190]}{next(_numbers)}"}
