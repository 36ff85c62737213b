"""The OpenAPI document: what drf-spectacular can't see of itself is added here.

That is the chat (an async view), the probes, the errors that endpoints share, and how a visitor is known.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from support.api import serializers
from support.api.fields import ID_SCHEMA, KEY_SCHEMA
from support.api.filters import ConversationFilter
from support.models import Message

_JSON = "application/json"
_STREAM = "text/event-stream"
_API = "/api/support/"
_SCHEMA = "/api/schema"
_CHAT = f"{_API}chat"
_PUBLIC = {"openConversation", "logMessage", "askBot", "getHours", "getSchema"}
_LIMITED = {"openConversation", "logMessage", "rateMessage", "askBot"}

ID = OpenApiParameter("id", ID_SCHEMA, OpenApiParameter.PATH, description="The conversation's id.")
MESSAGE_ID = OpenApiParameter("message_id", ID_SCHEMA, OpenApiParameter.PATH, description="The answer's id.")
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    KEY_SCHEMA,
    OpenApiParameter.HEADER,
    description=(
        "Sent again with the same key, the request gets the answer that it got before and is counted once. A key "
        "of less than 32 characters counts only from the same address where the answer holds a token."
    ),
)
DAYS = OpenApiParameter(
    "days",
    {"type": "integer", "minimum": 1, "maximum": 365, "default": 30},
    description="The last so many days in UTC, today included.",
)
THREAD = PolymorphicProxySerializer(
    "Thread", [serializers.Ticket, serializers.VisitorConversation], resource_type_field_name=None
)
"""What GET shows of a conversation: all of it to staff, less to its visitor."""
CHANGED = PolymorphicProxySerializer(
    "Changed", [serializers.StaffConversation, serializers.PublicConversation], resource_type_field_name=None
)
"""What PATCH answers: as for GET, without the messages."""


class VisitorScheme(OpenApiAuthenticationExtension):
    target_class = "support.api.auth.VisitorAuthentication"
    name = "visitorToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of one conversation, from the call that opened it.",
        }


class TextScheme(OpenApiSerializerFieldExtension):
    """Shows a text's rule as its `pattern`."""

    target_class = "support.api.fields.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": self.target.pattern}


class Document(APIView):
    """GET: this description. JSON unless YAML is asked for."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer, OpenApiYamlRenderer2)

    @extend_schema(
        operation_id="getSchema",
        summary="Describe the API",
        description="This OpenAPI document.",
        tags=["description"],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        return Response(_document())


@cache
def _document() -> dict[str, Any]:
    """Made once a process: it takes longer than any other answer and never changes."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


class _Chat(APIView):
    """What drf-spectacular reads in place of the async view; never called."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="askBot",
        summary="Ask the bot",
        description=(
            "With `Accept: text/event-stream` the answer is streamed as it is written, otherwise it comes whole. "
            "Without `conversation_id` a conversation is opened, and its token comes with the answer; with one, "
            "its token is needed, as a bearer or in the body. The question is stored before the model is asked; "
            "the answer is stored even if nobody waits for it. A request that comes again with the same "
            "`Idempotency-Key` gets the answer already given, or joins it while it is being written."
        ),
        tags=["chat"],
        auth=[{"visitorToken": []}, {}],  # type: ignore[list-item]  # raw entries are taken as they are
        parameters=[IDEMPOTENCY_KEY],
        request=serializers.Chat,
        responses=OpenApiResponse(serializers.ChatAnswer, description="The answer."),
    )
    def post(self, request: Request) -> Response:
        raise NotImplementedError


def include_chat(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """drf-spectacular's first step: the endpoints it found, and the chat."""
    return [*endpoints, (_CHAT, _CHAT, "POST", _Chat.as_view())]


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's last step: adds the event stream, the probes and every error."""
    schemas = result["components"]["schemas"]
    schemas |= {"Error": _ERROR, "Invalid": _INVALID, "Retry": _RETRY, "StreamEvent": _STREAM_EVENT}
    for name in ("Thread", "Changed"):
        schemas[name]["anyOf"] = schemas[name].pop("oneOf")  # what staff see is also all that a visitor sees
    filters = ConversationFilter.base_filters  # type: ignore[attr-defined]  # its metaclass makes them
    for component in schemas.values():
        for name, field in component.get("properties", {}).items():
            component["properties"][name] = _one_text(field)
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _add_errors(path, method, operation)
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in filters:
                    parameter["allowEmptyValue"] = True  # what an empty field of a form sends: no filter
    answers = result["paths"][_CHAT]["post"]["responses"]["200"]["content"]
    answers[_STREAM] = {"schema": _ref("StreamEvent")}
    result["paths"]["/healthz"] = {"get": _probe("healthz", "Is the process alive?", {"status"})}
    ready = _probe("readyz", "Do database and cache answer too?", {"status", "database", "cache"})
    ready["responses"]["503"] = ready["responses"]["200"] | {
        "description": "Something is away; its entry says what."
    }
    result["paths"]["/readyz"] = {"get": ready}
    return result


def _one_text(field: dict[str, Any]) -> dict[str, Any]:
    """Undoes "this pattern, or an empty text": our patterns take the empty text themselves."""
    if field.get("oneOf", [])[1:] != [{"type": "string", "maxLength": 0}]:
        return field
    text: dict[str, Any] = field["oneOf"][0]
    return {key: value for key, value in field.items() if key != "oneOf"} | text


def _add_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    name, responses = operation["operationId"], operation["responses"]
    if path != _SCHEMA:
        responses["400"] = _response("Bad input: what is wrong with which field.", _ref("Invalid"))
        responses["503"] = _response("The database is away, or too many chats are open.", _ref("Retry"))
        responses["503"]["headers"] = _RETRY_AFTER
    if name not in _PUBLIC or path == _CHAT:
        responses["401"] = _response("Nobody is known by these credentials.", _ref("Error"))
        responses["403"] = _response("Known, but not allowed.", _ref("Error"))
    if "{id}" in path or path == _CHAT:
        missing = "conversation, or no such message in it" if "{message_id}" in path else "conversation"
        responses["404"] = _response(f"There is no such {missing}.", _ref("Error"))
    if path != _CHAT:
        responses["406"] = _response("`Accept` leaves nothing that can be sent.", _ref("Error"))
    if method in ("post", "patch"):
        responses["408"] = _response("The body took more than 30 seconds to arrive.", _ref("Error"))
        responses["413"] = _response("The body is over 1 MiB.", _ref("Error"))
        responses["415"] = _response("The body is not application/json.", _ref("Error"))
    responses["414"] = {
        "description": "The path with its query is over 4,094 bytes.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    if name in _LIMITED:
        responses["429"] = _response("Too many requests from this address.", _ref("Retry"))
        responses["429"]["headers"] = _RETRY_AFTER
    operation["responses"] = dict(sorted(responses.items()))


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _probe(name: str, summary: str, keys: set[str]) -> dict[str, Any]:
    answer = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in sorted(keys)},
        "required": sorted(keys),
    }
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["health"],
        "security": [{}],
        "responses": {"200": _response("Yes.", answer)},
    }


_ERROR = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
    "description": "What went wrong, in one sentence.",
}
_INVALID = {
    "type": "object",
    "description": "A list of messages for each field, or `detail` where the body is no JSON at all.",
    "additionalProperties": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
    "minProperties": 1,
}
_RETRY = {
    "type": "object",
    "properties": {
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": ["rate_limited", "busy", "unavailable"]},
        "message": {"type": "string"},
        "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds."},
    },
    "required": ["detail", "code", "message", "retry_after"],
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    }
}
_BUDGET_SPENT = "No budget for the model: the help pages answered."
_STREAM_EVENT = {
    "description": (
        "One event of the stream: `start` once, `delta` many times, then exactly one `done` or `error`. Each is "
        "sent as `event: NAME`, `data: JSON` and an empty line; lines that begin with a colon are to be skipped."
    ),
    "anyOf": [
        {
            "title": "start",
            "type": "object",
            "properties": {
                "conversation_id": ID_SCHEMA,
                "token": {"type": "string", "description": "Only when this call opened the conversation."},
                "message_id": ID_SCHEMA,
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
                "message_id": ID_SCHEMA,
                "is_escalation": {"type": "boolean"},
                "is_notice": {"type": "boolean", "description": "A standard sentence: nothing to rate."},
                "status": _ref("StatusEnum"),
                "input_tokens": {"type": "integer", "minimum": 0},
                "output_tokens": {"type": "integer", "minimum": 0},
                "answered_by": {"type": "string", "enum": list(Message.AnsweredBy.values)},
                "budget_spent": {"type": "boolean", "description": _BUDGET_SPENT},
            },
            "required": [
                "message_id",
                "is_escalation",
                "is_notice",
                "status",
                "input_tokens",
                "output_tokens",
                "answered_by",
                "budget_spent",
            ],
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
