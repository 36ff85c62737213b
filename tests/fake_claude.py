"""A stand-in of Anthropic's Messages API on real TCP, so that tests meet the real SDK's retries and timeouts.

    with FakeClaude() as claude:
        claude.say(Script("One two three", fault=Fault.CUT, fault_after=1), "The second answer")
        ...  # code under test, in this process or another, calls claude.url
        claude.wait_for(lambda c: c.open_streams == 0)

As a program (`python -m tests.fake_claude 8099`) it echoes; a message with `#cut`, say, meets that fault.
"""

import asyncio
import itertools
import json
import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any, NoReturn, Self

_JsonObject = dict[str, Any]


class Fault(StrEnum):
    """What goes wrong."""

    # There is no answer, or an error.
    RATE_LIMIT = auto()  # 429 rate_limit_error
    OVERLOADED = auto()  # 529 overloaded_error
    SERVER_ERROR = auto()  # 500 api_error
    BAD_GATEWAY = auto()  # 502 with a page of HTML, as a proxy on the way sends
    SPEND_LIMIT = auto()  # 429 rate_limit_error that no waiting cures
    USAGE_LIMIT = auto()  # 400 invalid_request_error: the limit that the account's owner has set
    BILLING = auto()  # 400 invalid_request_error: the prepaid credit is spent
    PAYMENT_REQUIRED = auto()  # 402 billing_error
    UNAUTHORIZED = auto()  # 401 authentication_error
    REFUSED_CONNECTION = auto()  # reset on accept, see `FakeClaude.refused`
    STALL_AT_START = auto()  # the request is read and never answered
    # The stream breaks after `fault_after` deltas; an answer without streaming stays whole.
    CUT = auto()  # the connection ends (FIN) without the last chunk
    RESET = auto()  # the connection ends by RST
    STALL = auto()  # nothing more comes and the connection stays open until the client goes away
    ERROR_EVENT = auto()  # an `error` event, overloaded_error, then the end
    NO_MESSAGE_STOP = auto()  # a proper end of the HTTP answer, but no message_delta and message_stop
    GARBAGE = auto()  # an event whose data isn't JSON, then the end
    # The answer ends early, after `fault_after` deltas.
    REFUSAL = auto()  # stop_reason refusal
    MAX_TOKENS = auto()  # stop_reason max_tokens


_BREAKS = {Fault.CUT, Fault.RESET, Fault.STALL, Fault.ERROR_EVENT, Fault.NO_MESSAGE_STOP, Fault.GARBAGE}


def _error(kind: str, message: str, code: str | None = None) -> _JsonObject:
    return {"type": kind, "message": message} | ({"details": {"error_code": code}} if code else {})


_ENFORCED = "enforced_spend_limit_reached"
_ERRORS = {
    Fault.RATE_LIMIT: (429, _error("rate_limit_error", "This would exceed your account's rate limit.")),
    Fault.OVERLOADED: (529, _error("overloaded_error", "Overloaded")),
    Fault.SERVER_ERROR: (500, _error("api_error", "Internal server error")),
    Fault.SPEND_LIMIT: (429, _error("rate_limit_error", "Spend limit: usage limit reached.", _ENFORCED)),
    Fault.USAGE_LIMIT: (
        400,
        _error("invalid_request_error", "You have reached your specified API usage limits."),
    ),
    Fault.BILLING: (400, _error("invalid_request_error", "Your credit balance is too low.")),
    Fault.PAYMENT_REQUIRED: (402, _error("billing_error", "Payment is required.")),
    Fault.UNAUTHORIZED: (401, _error("authentication_error", "invalid x-api-key")),
}


@dataclass(frozen=True)
class ToolCall:
    """A tool_use block, sent after the text."""

    name: str
    input: Mapping[str, object] = field(default_factory=dict)
    json: str | None = None  # what is streamed as its input, whole or not; None: `input`


@dataclass(frozen=True)
class Script:
    """One answer. Times in seconds; `hold_after` and `fault_after` in text deltas (0: before the first)."""

    text: str = "Hello from the stand-in."
    deltas: tuple[str, ...] | None = None  # None: the words of `text`
    first_delay_s: float = 0.0  # before the first byte of the answer, errors included
    delay_s: float = 0.0  # between deltas
    input_tokens: int = 120
    output_tokens: int = 12
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    stop_reason: str = "end_turn"  # a tool or a fault has its own
    tool: ToolCall | tuple[ToolCall, ...] | None = None  # not sent when there is a fault
    hold_after: int | None = None  # the stream waits there for `FakeClaude.release()`
    fault: Fault | None = None
    fault_after: int | None = None  # None: after the last delta
    fault_in_tool: bool = False  # a broken stream breaks in the middle of the tool's input instead
    retry_after: float | None = None  # seconds, a header of 4xx and 5xx answers

    def parts(self) -> tuple[str, ...]:
        """The text deltas that are sent before the end or the fault."""
        parts = tuple(re.findall(r"\S+\s*|\s+", self.text)) if self.deltas is None else self.deltas
        return parts if self.fault is None else parts[: self.fault_after]

    @property
    def tools(self) -> tuple[ToolCall, ...]:
        if self.tool is None or (self.fault is not None and not self.fault_in_tool):
            return ()
        return self.tool if isinstance(self.tool, tuple) else (self.tool,)

    def message(self, request: "Request") -> _JsonObject:
        """The whole message, as an answer without streaming has it."""
        text, tools = "".join(self.parts()), self.tools
        content: list[_JsonObject] = [{"type": "text", "text": text}] if text else []
        for n, tool in enumerate(tools):
            block = {"type": "tool_use", "id": f"toolu_fake_{request.number}_{n}", "name": tool.name}
            given = (
                dict(tool.input) if isinstance(tool.input, Mapping) else tool.input
            )  # a model may write anything
            content.append({**block, "input": given})
        refused = self.fault is Fault.REFUSAL
        early = self.fault in (Fault.REFUSAL, Fault.MAX_TOKENS) and str(self.fault)
        return {
            "id": f"msg_fake_{request.number}",
            "type": "message",
            "role": "assistant",
            "model": request.json["model"],
            "content": content,
            "stop_reason": early or ("tool_use" if tools and self.stop_reason == "end_turn" else self.stop_reason),
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
            "usage": {
                "input_tokens": self.input_tokens,
                "cache_creation_input_tokens": self.cache_write_5m_tokens + self.cache_write_1h_tokens,
                "cache_read_input_tokens": self.cache_read_tokens,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": self.cache_write_5m_tokens,
                    "ephemeral_1h_input_tokens": self.cache_write_1h_tokens,
                },
                "output_tokens": self.output_tokens,
            },
        }


@dataclass
class Request:
    """A request as it was read: header names in lower case, `json` its parsed body."""

    method: str
    path: str
    headers: dict[str, str]
    json: _JsonObject
    number: int  # 1, 2, … in the server's life
    deltas_sent: int = 0
    disconnected: bool = False  # the client closed before the end of the answer

    @property
    def last_user_text(self) -> str:
        """The text of the last message of role user, with that of its tool results."""
        for message in reversed(self.json.get("messages") or []):
            if message["role"] == "user":
                content = message["content"]
                blocks = [{"text": content}] if isinstance(content, str) else content
                return "\n".join(str(block.get("text") or block.get("content") or "") for block in blocks)
        return ""

    def complaint(self) -> str | None:
        """Why the real API would answer 400: mistakes that a lenient stand-in would hide."""
        messages = self.json.get("messages")
        if not isinstance(self.json.get("model"), str) or not isinstance(self.json.get("max_tokens"), int):
            return "model, max_tokens: Field required"
        if not messages or messages[0]["role"] != "user":
            return 'messages: at least one is required and the first must use the "user" role'
        for content in (message["content"] for message in messages):
            texts = [content] if isinstance(content, str) else [b["text"] for b in content if "text" in b]
            if not content or not all(text.strip() for text in texts):
                return "messages: text content blocks must contain non-whitespace text"
        return None


class _Reader(asyncio.StreamReader):
    """A reader whose future `gone` ends when the client closes, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.cancel()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.cancel()


@dataclass
class _Wire:
    """HTTP towards one client, for one answer."""

    writer: asyncio.StreamWriter
    request_id: str

    def head(self, status: int, content_type: str, **more: object) -> None:
        headers = {"content-type": content_type, "request-id": self.request_id, **more}
        lines = (f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"HTTP/1.1 {status} -\r\n{''.join(lines)}\r\n".encode())

    def whole(self, status: int, content_type: str, body: str, **headers: object) -> None:
        self.head(status, content_type, content_length=len(body.encode()), **headers)
        self.writer.write(body.encode())

    def error(self, status: int, error: _JsonObject, retry_after: float | None = None) -> None:
        body = json.dumps({"type": "error", "error": error, "request_id": self.request_id})
        headers = {} if retry_after is None else {"retry_after": f"{retry_after:g}"}
        self.whole(status, "application/json", body, **headers)

    def event(self, kind: str, **data: object) -> None:
        # Not ASCII only, as the real API: a client that splits the bytes wrongly is to fail.
        self.chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n")

    def chunk(self, text: str) -> None:
        """One chunk of a chunked body; an empty one ends the body."""
        data = text.encode()
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        """End the connection by RST: what closing does when it mustn't linger."""
        no_linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self.writer.transport.abort()


class FakeClaude:
    """The server, in a thread of its own; its methods may be called from any other thread."""

    def __init__(self, port: int = 0, echo_delay_s: float = 0.0) -> None:
        """Port 0: any free one. `echo_delay_s`: between the deltas of an answer that nobody scripted."""
        self.requests: list[Request] = []
        self.refused = 0  # connections reset by REFUSED_CONNECTION; those reset unread have no Request
        self.held = 0  # streams that wait for release()
        self._port = port
        self._echo_delay_s = echo_delay_s
        self._queue: deque[Script] = deque()
        self._rules: list[tuple[str, deque[Script]]] = []
        self._default: Script | None = None
        self._conversations: set[asyncio.Task[None]] = set()  # a loop alone refers to its tasks weakly
        self._answers: set[asyncio.Task[bool]] = set()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        # Bound here and not in the thread: a port in use is then the caller's exception.
        self._socket = socket.create_server(("127.0.0.1", self._port))
        # Its connections inherit it. Without, a client that is slow to acknowledge gets four deltas at a time.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._gate = asyncio.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fake-claude", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def say(self, *scripts: Script | str) -> None:
        """Queue answers, one for each request that no rule of `when` takes."""
        with self._change():
            self._queue.extend(map(_script, scripts))

    def always(self, script: Script | str) -> None:
        """The answer when nothing is queued; without it an echo."""
        with self._change():
            self._default = _script(script)

    def when(self, substring: str, *scripts: Script | str) -> None:
        """Answers to a last user text with `substring`, in order, the last one for ever; newer rules win."""
        with self._change():
            self._rules.insert(0, (substring, deque(map(_script, scripts))))

    def release(self) -> None:
        """Let the streams go that are held now."""
        self._loop.call_soon_threadsafe(self._open_gate)

    def reset(self) -> None:
        """Forget scripts and records, and break off the answers under way."""
        with self._change():
            self._queue.clear()
            self._rules.clear()
            self._default = None
            self.requests.clear()
            self.refused = 0
            for answer in self._answers:
                self._loop.call_soon_threadsafe(answer.cancel)

    @property
    def open_streams(self) -> int:
        """Requests that are being answered now, with those that wait for their first byte."""
        return len(self._answers)

    def wait_for(self, condition: Callable[[Self], object], timeout_s: float = 10.0) -> None:
        """Block until `condition(self)` is true; AssertionError after `timeout_s`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_s):
                state = f"open_streams={self.open_streams} held={self.held} refused={self.refused}"
                raise AssertionError(f"not within {timeout_s} s: {state} requests={self.requests}")

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._protocol, sock=self._socket, backlog=1024)
        await self._stop.wait()
        server.close()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Not a coroutine: asyncio 3.11 prints a traceback for one that the server's end cancels.
            conversation = self._loop.create_task(self._converse(reader, writer))
            self._conversations.add(conversation)
            conversation.add_done_callback(self._conversations.discard)

        return asyncio.StreamReaderProtocol(reader, connected)

    async def _converse(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests one after the other until one side ends it."""
        try:
            if self._refuses():
                _Wire(writer, "").reset()
                return
            while request := await self._read(reader):
                wire = _Wire(writer, f"req_fake_{request.number}")
                answer = asyncio.create_task(self._answer(request, wire))
                with self._change():
                    self.requests.append(request)
                    self._answers.add(answer)
                await asyncio.wait({answer, reader.gone}, return_when=asyncio.FIRST_COMPLETED)
                with self._change():
                    request.disconnected = not answer.done()
                    self._answers.discard(answer)
                if answer.cancel() or answer.cancelled() or not answer.result():
                    return
        finally:
            writer.close()

    async def _read(self, reader: _Reader) -> Request | None:
        """The next request; None if the client has closed."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = {name.lower(): value for name, value in re.findall(r"\n([^:]+):[ \t]*([^\r]*)", head)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        method, path = head.split(" ")[:2]
        return Request(method, path, headers, json.loads(body or "{}"), next(self._numbers))

    def _refuses(self) -> bool:
        """Whether to reset a new connection unread; where there are rules, the text has to be read first."""
        with self._change():
            script = self._queue[0] if self._queue else self._default
            if self._rules or script is None or script.fault is not Fault.REFUSED_CONNECTION:
                return False
            if self._queue:
                self._queue.popleft()
            self.refused += 1
            return True

    def _choose(self, text: str) -> Script:
        with self._change():
            for substring, scripts in self._rules:
                if substring in text:
                    return scripts.popleft() if len(scripts) > 1 else scripts[0]
            if self._queue:
                return self._queue.popleft()
            echo = Script(f"Thank you for your message. You wrote: {text}", delay_s=self._echo_delay_s)
            return self._default or echo

    async def _answer(self, request: Request, wire: _Wire) -> bool:
        """Send one answer; whether the connection may be kept."""
        if (request.method, request.path.partition("?")[0]) != ("POST", "/v1/messages"):
            wire.error(404, _error("not_found_error", request.path))
            return True
        if complaint := request.complaint():
            wire.error(400, _error("invalid_request_error", complaint))
            return True
        script = self._choose(request.last_user_text)
        if script.fault is Fault.REFUSED_CONNECTION:  # chosen by a rule, or on a connection kept from before
            with self._change():
                self.refused += 1
            wire.reset()
            return False
        await asyncio.sleep(script.first_delay_s)
        if script.fault is Fault.STALL_AT_START:
            await _for_ever()
        if script.fault is Fault.BAD_GATEWAY:
            wire.whole(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>")
        elif script.fault in _ERRORS:
            wire.error(*_ERRORS[script.fault], script.retry_after)
        elif request.json.get("stream"):
            return await self._stream(script, request, wire)
        else:
            wire.whole(200, "application/json", json.dumps(script.message(request)))
        return True

    async def _stream(self, script: Script, request: Request, wire: _Wire) -> bool:
        wire.head(200, "text/event-stream; charset=utf-8", transfer_encoding="chunked")
        message, parts = script.message(request), script.parts()
        usage = message["usage"]
        begun: _JsonObject = {"content": [], "stop_reason": None, "stop_details": None}
        begun["usage"] = {**usage, "output_tokens": 1}
        wire.event("message_start", message=message | begun)
        if parts:
            wire.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        wire.event("ping")
        for sent, part in enumerate((*parts, None)):
            # At once after the delta: a test that has seen it may already call release().
            if sent == script.hold_after:
                await self._hold()
            if part is None:
                break
            if sent:
                await asyncio.sleep(script.delay_s)
            wire.event("content_block_delta", index=0, delta={"type": "text_delta", "text": part})
            with self._change():
                request.deltas_sent += 1
        if script.fault in _BREAKS and not script.fault_in_tool:
            return await _break(script.fault, wire)
        if parts:
            wire.event("content_block_stop", index=0)
        for n, tool in enumerate(script.tools):
            index, block = n + bool(parts), message["content"][n + bool(parts)]
            wire.event("content_block_start", index=index, content_block=block | {"input": {}})
            streamed = json.dumps(block["input"]) if tool.json is None else tool.json
            pieces = ("", *re.findall(".{1,12}", streamed))
            for piece in pieces[:2] if script.fault_in_tool else pieces:
                delta = {"type": "input_json_delta", "partial_json": piece}
                wire.event("content_block_delta", index=index, delta=delta)
            if script.fault in _BREAKS:
                return await _break(script.fault, wire)
            wire.event("content_block_stop", index=index)
        end = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
        cumulative = {name: count for name, count in usage.items() if name != "cache_creation"}
        wire.event("message_delta", delta=end, usage=cumulative)
        wire.event("message_stop")
        wire.chunk("")
        return True

    async def _hold(self) -> None:
        with self._change():
            self.held += 1
        try:
            await self._gate.wait()
        finally:
            with self._change():
                self.held -= 1

    def _open_gate(self) -> None:
        self._gate.set()
        self._gate = asyncio.Event()  # for the streams that come later


def _script(script: Script | str) -> Script:
    return Script(script) if isinstance(script, str) else script


async def _break(fault: Fault, wire: _Wire) -> bool:
    """Break a stream; whether the connection may be kept."""
    if fault is Fault.STALL:
        await _for_ever()
    if fault is Fault.RESET:
        wire.reset()
    if fault in (Fault.CUT, Fault.RESET):
        return False
    if fault is Fault.ERROR_EVENT:
        wire.event("error", error=_error("overloaded_error", "Overloaded"))
    if fault is Fault.GARBAGE:
        wire.chunk('event: content_block_delta\ndata: {"type": oops\n\n')
    wire.chunk("")
    return True


async def _for_ever() -> NoReturn:
    """Wait until the task is cancelled, which the client's going away does."""
    while True:
        await asyncio.Event().wait()


def main() -> None:
    """Serve on the port of the first argument until interrupted."""
    with FakeClaude(int(sys.argv[1]), echo_delay_s=0.05) as claude:
        for fault in Fault:
            claude.when(f"#{fault}", Script("One two three four", delay_s=0.2, fault=fault, fault_after=2))
        print(claude.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
