"""POST /api/support/chat: the question in, the answer out as it is written.

An async view, because DRF has none; what is DRF's (bodies, errors) serves here too. The database is asked
twice, before the model and after it, by threads that hold no connection in between.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from support import clock
from support.api import limits, serializers
from support.api.auth import bearer_token
from support.api.errors import Busy, TooManyRequests, Unavailable, as_json
from support.api.fields import idempotency_key
from support.api.keys import scoped_key
from support.api.parsers import StrictJSONParser
from support.bot import turn
from support.bot.articles import Library
from support.bot.context import Context, context_of
from support.faults import DATABASE_FAULTS
from support.ledger import budget
from support.models import Conversation, Message
from support.models.transactions import has_transactions
from support.threads import in_thread

log = logging.getLogger("support.chat")

_METHODS = "POST, OPTIONS"


@dataclass
class Asked:
    """A stored question: who asked, and the context its answer is made from if it is a new one."""

    message: Message
    opened: bool
    context: Context | None

    @property
    def head(self) -> dict[str, str]:
        conversation = self.message.conversation
        token = {"token": conversation.token} if self.opened else {}
        return {"conversation_id": conversation.pk, **token, "message_id": self.message.pk}


@csrf_exempt
async def chat(request: HttpRequest) -> HttpResponseBase:
    if request.method == "OPTIONS":
        return HttpResponse(headers={"Allow": _METHODS})
    try:
        if request.method != "POST":
            raise exceptions.MethodNotAllowed(request.method or "")
        request.get_host()  # refuses a host that is not ours, as every other page does
        if turn.Load.is_full():
            raise Busy
        turn.Load.opening += 1  # at once: a burst must not slip in while the first of it are being stored
        # Shielded: a visitor who leaves at this very moment has asked all the same.
        asked = await asyncio.shield(asyncio.ensure_future(_begin(request)))
    except Exception as error:
        if answer := as_json(error):
            if isinstance(error, exceptions.MethodNotAllowed):
                answer["Allow"] = _METHODS
            return answer
        raise
    if "text/event-stream" in request.headers.get("Accept", ""):
        return StreamingHttpResponse(
            _events(asked),
            content_type="text/event-stream; charset=utf-8",
            # Proxies in front must neither keep the words back nor squeeze them.
            headers={
                "Cache-Control": "no-cache, no-transform",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            },
        )
    async for _ in _text(asked):
        pass
    end = _end(asked)
    if end is None:
        answer = as_json(Unavailable())
        assert answer is not None
        return answer
    return JsonResponse(asked.head | {"assistant_message": asked.message.assistant_message} | end)


async def _begin(request: HttpRequest) -> Asked:
    try:
        asked = await in_thread(_ask, request)
        if asked.context:
            turn.Turn(asked.message, asked.context).start()
        return asked
    finally:
        # In the same step as the start: a chat counts once, whether its visitor stays or not.
        turn.Load.opening -= 1


def _ask(request: HttpRequest) -> Asked:
    """Everything before the model: limits, the body, whose conversation it is, and storing the question."""
    if wait := limits.wait_seconds(request, "chat", settings.RATE_CHAT):
        raise TooManyRequests(wait)
    body = serializers.Chat(data=_json(request))
    body.is_valid(raise_exception=True)
    values = dict(body.validated_data)
    question = values.pop("message")
    token = bearer_token(request) or values.pop("token", "")
    values.pop("token", None)
    key = idempotency_key(request)
    with transaction.atomic():  # one commit for the rows and what the budgets hold
        message, opened, is_first, is_new = _stored(request, question, token, key, values)
        if not is_new:
            return Asked(message, opened, None)
        context = _context(message, is_first, limits.client_key(request))
    return Asked(message, opened, context)


def _context(message: Message, is_first: bool, address_key: str) -> Context:
    """What the answer is made from; whatever goes wrong with that, the question is kept and reaches a person."""
    try:
        return context_of(message, is_first=is_first, address_key=address_key)
    except Exception as error:
        if has_transactions() and isinstance(error, DATABASE_FAULTS):
            raise  # the question is not stored either: its visitor is told to ask again
        log.error("message %s: no context: %s", message.pk, type(error).__name__, exc_info=settings.DEBUG)
        return Context(Library([], None), reason=Conversation.Reason.UNANSWERED)


def _stored(
    request: HttpRequest, question: str, token: str, key: str | None, values: dict[str, Any]
) -> tuple[Message, bool, bool, bool]:
    """The question's message; whether this call opened its conversation, it is the first there, and it is new."""
    if "conversation_id" in values:
        conversation = get_object_or_404(Conversation, pk=values["conversation_id"])
        if not token:
            raise exceptions.NotAuthenticated("The conversation's token is needed to go on with it.")
        if not conversation.is_token(token):
            raise exceptions.PermissionDenied("This token does not open this conversation.")
        opened = is_first = False
    else:
        opening = scoped_key(request, "chat", key)
        conversation, is_first = Conversation.objects.open_new(**values, idempotency_key=opening)
        opened = True
    message, is_new = conversation.ask(
        question,
        deadline_at=clock.now() + turn.deadline(),
        idempotency_key=scoped_key(request, f"chat:{conversation.pk}", key),
    )
    message.conversation = conversation
    return message, opened, is_first, is_new


def _json(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        raise exceptions.UnsupportedMediaType(request.content_type or "")
    return StrictJSONParser().parse(BytesIO(request.body), parser_context={"encoding": "utf-8"})


async def _text(asked: Asked) -> AsyncIterator[str]:
    """The answer's text as it is written: here, by another process, or long ago."""
    turn.Load.following += asked.context is None
    try:
        if running := turn.here(asked.message.pk):
            async for text in running.follow():
                yield text
            asked.message = running.message
            return
        async for text in turn.follow_stored(asked.message):
            yield text
    finally:
        turn.Load.following -= asked.context is None


def _end(asked: Asked) -> dict[str, Any] | None:
    """What `done` says; None if the answer could not be stored."""
    message = asked.message
    if message.is_pending:
        return None
    return {
        "message_id": message.pk,
        "is_escalation": message.is_escalation,
        "is_notice": message.is_notice,
        "status": message.conversation.status,
        "input_tokens": message.input_tokens,
        "output_tokens": message.output_tokens,
        "answered_by": message.answered_by,
        "budget_spent": message.fault.startswith(budget.SPENT),
    }


async def _events(asked: Asked) -> AsyncIterator[bytes]:
    yield _event("start", asked.head)
    try:
        async for text in _text(asked):
            # A comment now and then keeps proxies from taking a thinking model for a dead one.
            yield _event("delta", {"text": text}) if text else b": waiting\n\n"
        end = _end(asked)
    except Exception as error:  # the headers are out: the error must go the way of the stream
        log.error("stream of message %s: %s", asked.message.pk, type(error).__name__)
        end = None
    if end is not None:
        yield _event("done", end)
    else:
        fault = Unavailable()
        yield _event(
            "error", {"code": fault.default_code, "message": str(fault.detail), "retry_after": fault.wait}
        )


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
