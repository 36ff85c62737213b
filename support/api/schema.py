"""The OpenAPI document: what drf-spectacular can't see of itself is added here.

That is the chat (an async view), the probes, the errors that endpoints share, and how a visitor is known.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

_JSON = "application/json"
_STREAM = "text/event-stream"
_API = "/api/support/"
_LIMITED = {("post", "conversations"), ("post", "conversations/{id}/messages"), ("post", "chat")}

OBJECT_ID = OpenApiParameter("id", {"type": "string", "pattern": "^[0-9a-f]{24}$"}, OpenApiParameter.PATH)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,200}$"},
    OpenApiParameter.HEADER,
    description="Sent again with the same key within a day, the request is answered as before and counted once.",
)
DAYS = OpenApiParameter("days", {"type": "integer", "minimum": 1, "maximum": 365, "default": 30})


class VisitorScheme(OpenApiAuthenticationExtension):
    target_class = "support.api.auth.VisitorAuthentication"
    name = "visitorToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of one conversation, from the call that opened it.",
        }


_ERROR = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
    "description": "What went wrong, in one sentence.",
}
_INVALID = {
    "type": "object",
    "description": "A list of messages for each field, or `detail` where the body is no JSON object at all.",
    "additionalProperties": {"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
}
_RETRY = {
    "type": "object",
    "properties": {
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": ["rate_limited", "busy", "unavailable"]},
        "message": {"type": "string"},
        "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds."},
    },
    "required": ["detail"],
}
_STREAM_EVENT = {
    "description": (
        "One event of the stream: `start` once, `delta` many times, then exactly one `done` or `error`. Each is "
        "sent as `event: NAME`, `data: JSON` and an empty line; lines that begin with a colon are to be skipped."
    ),
    "oneOf": [
        {
            "title": "start",
            "type": "object",
            "properties": {
                "conversation_id": {"type": "string"},
                "token": {"type": "string", "description": "Only when this call opened the conversation."},
                "message_id": {"type": "string"},
            },
            "required": ["conversation_id", "message_id"],
        },
        {
            "title": "delta",
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
        },
        {
            "title": "done",
            "type": "object",
            "properties": {
                "message_id": {"type": "string"},
                "is_escalation": {"type": "boolean"},
                "status": {"$ref": "#/components/schemas/StatusEnum"},
                "input_tokens": {"type": "integer", "minimum": 0},
                "output_tokens": {"type": "integer", "minimum": 0},
            },
            "required": ["message_id", "is_escalation", "status", "input_tokens", "output_tokens"],
        },
        {
            "title": "error",
            "type": "object",
            "properties": {
                "code": {"type": "string", "enum": ["rate_limited", "busy", "unavailable", "invalid"]},
                "message": {"type": "string"},
                "retry_after": {"type": "integer", "minimum": 0},
            },
            "required": ["code", "message", "retry_after"],
        },
    ],
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "required": True}
}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's last step: adds the chat, the probes and every error."""
    schemas = result["components"]["schemas"]
    schemas |= {"Error": _ERROR, "Invalid": _INVALID, "Retry": _RETRY, "StreamEvent": _STREAM_EVENT}
    result["paths"][f"{_API}chat"] = {"post": _chat()}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _add_errors(path.removeprefix(_API), method, operation)
    result["paths"]["/healthz"] = {"get": _probe("healthz", "The process answers.")}
    ready = _probe("readyz", "Database and cache answer too.")
    ready["responses"]["503"] = _response("Something is away; the body names it.", {"type": "object"})
    result["paths"]["/readyz"] = {"get": ready}
    return result


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _add_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses["400"] = _response("Bad input: what is wrong with which field.", _ref("Invalid"))
    if (method, path) not in _LIMITED or path == "chat":
        responses["401"] = _response("Nobody is known by these credentials.", _ref("Error"))
        responses["403"] = _response("Known, but not allowed.", _ref("Error"))
    if "{id}" in path or path == "chat":
        responses["404"] = _response("There is no such conversation.", _ref("Error"))
    if method in ("post", "patch"):
        responses["408"] = _response("The body took more than 30 seconds to arrive.", _ref("Error"))
        responses["413"] = _response("The body is over 1 MiB.", _ref("Error"))
        responses["415"] = _response("The body is not application/json.", _ref("Error"))
    if (method, path) in _LIMITED:
        responses["429"] = _response("Too many requests from this address.", _ref("Retry"))
        responses["429"]["headers"] = _RETRY_AFTER
    responses["503"] = _response("The database is away, or too many chats are open.", _ref("Retry"))
    responses["503"]["headers"] = _RETRY_AFTER


def _probe(name: str, description: str) -> dict[str, Any]:
    answer = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    return {
        "operationId": name,
        "description": description,
        "tags": ["health"],
        "security": [{}],
        "responses": {"200": _response(description, answer)},
    }


def _chat() -> dict[str, Any]:
    return {
        "operationId": "support_chat",
        "description": (
            "Asks the bot. With `Accept: text/event-stream` the answer is streamed as it is written, otherwise it "
            "comes whole. Without `conversation_id` a conversation is opened, and its token comes with the answer. "
            "The question is stored before the model is asked; the answer is stored even if nobody waits for it."
        ),
        "tags": ["support"],
        "security": [{}, {"visitorToken": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": IDEMPOTENCY_KEY.type,
                "description": "The answer already given is replayed, or joined while it is being written.",
            }
        ],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("ChatRequest")}}},
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {_JSON: {"schema": _ref("ChatAnswer")}, _STREAM: {"schema": _ref("StreamEvent")}},
            }
        },
    }
