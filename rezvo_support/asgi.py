"""The one application that gunicorn's ASGI worker serves.

Chats are async and last for seconds: Django's ASGI handler, with the few middlewares a chat needs. Everything
else is short and synchronous: Django's WSGI handler in a small pool of long-lived threads, which keep their
database connections (a third of the CPU time that Django's own adapter takes for the same request).
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rezvo_support.settings")

from a2wsgi import WSGIMiddleware
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import JsonResponse

from rezvo_support.wsgi import application as pages
from support import process

# ASGI's own types; every library has typed them in a way of its own.
Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Any], Awaitable[None]]

CHAT_PATH = "/api/support/chat"
BODY_SECONDS = 30
"""How long a client may take to send a request's body. 1 MiB in that time is 35 kB a second."""

DRAIN_SECONDS = 2
"""For how long a refused body is read and thrown away."""


class ChatHandler(ASGIHandler):
    """Django's handler without sessions, CSRF and the like: a chat is known by its token alone.

    Each of those middlewares would cost a chat two changes of thread, and Django's own `__call__` a thread of its
    own for as long as its stream is open (1,000 streams, 1,000 threads), so that there is a shorter one here.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        request, refusal = self.create_request(scope, BytesIO(message["body"]))
        response: Any = refusal if request is None else await self.get_response_async(request)
        sending = asyncio.ensure_future(self.send_response(response, send))
        leaving = asyncio.ensure_future(receive())  # nothing more can come but the end of the connection
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            response.close()

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        view = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        self._middleware_chain = convert_exception_to_response(CorsMiddleware(view))  # type: ignore[arg-type]


_chat = ChatHandler()
_pages = WSGIMiddleware(cast(Any, pages), workers=settings.WEB_THREADS)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http":
        await _http(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1000})


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    # A header's name with an underscore would become the same variable as the real one: `X_Forwarded_For`.
    scope["headers"] = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    if not scope["query_string"].isascii():
        await _refuse(send, 400, "The query must be percent-encoded.")
        return
    if any(name == b"content-type" and not _is_utf8(value) for name, value in scope["headers"]):
        await _refuse(send, 415, "Text must come in UTF-8.")
        return
    if scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
        # Answered here: a process whose threads all wait for a database is alive.
        await _answer(send, JsonResponse({"status": "ok"}), with_body=scope["method"] == "GET")
        return
    body = b""
    too_long = f"A request may hold {settings.BODY_MAX_BYTES} bytes at the most."
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > settings.BODY_MAX_BYTES:
        await _refuse(send, 413, too_long, receive)
        return
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message.get("body", b"")
                if len(body) > settings.BODY_MAX_BYTES:
                    await _refuse(send, 413, too_long, receive)
                    return
                if not message.get("more_body"):
                    break
    except TimeoutError:
        await _refuse(send, 408, "The request took too long to arrive.")
        return
    # Known now, also for a body that came in chunks; a thread is given only what has arrived whole.
    scope["headers"] = [
        item for item in scope["headers"] if item[0] not in (b"content-length", b"transfer-encoding")
    ]
    scope["headers"].append((b"content-length", str(len(body)).encode()))
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    application: Any = _chat if scope["path"] == CHAT_PATH else _pages
    await application(scope, replay, send_head if scope["method"] == "HEAD" else send)


def _is_utf8(content_type: bytes) -> bool:
    """Whether a `Content-Type` names no other charset than UTF-8.

    Django decodes the query with whatever codec stands there, before any of its handlers of errors: `hex` would
    be a crash, `idna` takes time by the square.
    """
    named = content_type.lower().replace(b'"', b"").partition(b"charset")[2]
    is_utf8 = re.fullmatch(rb"\s*=\s*utf-?8\s*(;.*)?", named) is not None and b"charset" not in named
    return is_utf8 or not named


async def _refuse(send: Send, code: int, detail: str, receive: Receive | None = None) -> None:
    answer = JsonResponse({"detail": detail}, status=code)
    # What the client still sends is not read: this connection can't carry another request.
    answer["Connection"] = "close"
    await _answer(send, answer)
    if receive:
        # A client that is still sending when the connection closes may never see the answer.
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while (await receive()).get("more_body"):
                    pass


async def _answer(send: Send, answer: JsonResponse, with_body: bool = True) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.items()]
    headers.append((b"content-length", str(len(answer.content)).encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content if with_body else b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    try:
        running = await process.start()
    except process.CannotStart as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await process.stop(running)
    await send({"type": "lifespan.shutdown.complete"})
