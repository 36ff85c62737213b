"""The one door to Anthropic's API: a question in, text deltas out, every fault as a `ModelFault`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
from django.conf import settings

from support.bot.prompt import ESCALATE
from support.ledger.pricing import Usage
from support.models.message import TOKENS_MAX
from support.text import ends_in_half, storable

if TYPE_CHECKING:
    from anthropic.types import MessageParam, RawMessageStreamEvent, TextBlockParam

log = logging.getLogger("support.claude")

_clients: dict[asyncio.AbstractEventLoop, anthropic.AsyncAnthropic] = {}


class ModelFault(Exception):
    """The model gave no whole answer. `kind` is a word for the desk and the logs; it never holds a text."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def client() -> anthropic.AsyncAnthropic:
    """This event loop's client. Its connections belong to the loop, so each loop has its own."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = anthropic.AsyncAnthropic(
            api_key=settings.ANTHROPIC_API_KEY,
            base_url=settings.ANTHROPIC_BASE_URL or None,
            max_retries=2,
            http_client=anthropic.DefaultAsyncHttpxClient(
                timeout=httpx2.Timeout(settings.CHAT_STALL_SECONDS, connect=5),
                limits=httpx2.Limits(max_connections=settings.CHAT_OPEN_STREAMS, max_keepalive_connections=50),
            ),
        )
    return _clients[loop]


async def close() -> None:
    """Closes this loop's connections."""
    if found := _clients.pop(asyncio.get_running_loop(), None):
        await found.close()


@dataclass
class Call:
    """One call: iterate `deltas()`, then read what it came to. Usage is right at any moment, after a fault too."""

    system: list[TextBlockParam]
    messages: list[MessageParam]
    stop_reason: str = ""
    handover: bool = False
    """The model called the `escalate` tool."""
    summary: str = ""
    _start: dict[str, int] = field(default_factory=dict)
    _output_tokens: int = 0
    _received_characters: int = 0
    _tool_json: str = ""
    _half: str = ""

    @property
    def usage(self) -> Usage:
        """As the API measured it; the output of a call that broke off is estimated from what arrived."""
        output = (
            self._output_tokens if self.stop_reason else max(self._output_tokens, self._received_characters // 4)
        )
        return Usage(**self._start, output_tokens=output)

    async def deltas(self) -> AsyncIterator[str]:
        """The answer's text as it arrives. Raises ModelFault; what arrived before it has been yielded."""
        try:
            # Until the first event: the SDK obeys a `retry-after` of any length.
            async with asyncio.timeout(settings.CHAT_STALL_SECONDS):
                stream = await client().messages.create(
                    model=settings.CHAT_MODEL,
                    max_tokens=settings.CHAT_MAX_TOKENS,
                    system=self.system,
                    messages=self.messages,
                    tools=[ESCALATE],
                    stream=True,
                )
            async with stream:
                async for event in stream:
                    if text := self._whole(self._take(event)):
                        self._received_characters += len(text)
                        yield text
        except TimeoutError:
            raise ModelFault("no answer in time") from None
        except anthropic.APIStatusError as error:
            raise ModelFault(_kind(error)) from None
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise ModelFault(_connection_kind(error)) from None
        except (ValueError, TypeError, AttributeError) as error:
            # The stream held something that is not the API's: the SDK raises whatever its parser does.
            log.warning("unreadable stream: %s", type(error).__name__)
            raise ModelFault("unreadable stream") from None
        if self.stop_reason == "refusal":
            raise ModelFault("refusal")
        if not self.stop_reason:
            raise ModelFault("ended without an end")
        if self.handover:
            self._read_summary()

    def _take(self, event: RawMessageStreamEvent) -> str:
        if event.type == "content_block_delta":
            if event.delta.type == "text_delta":
                return event.delta.text
            if event.delta.type == "input_json_delta":
                self._tool_json += event.delta.partial_json
        elif event.type == "content_block_start":
            if event.content_block.type == "tool_use" and event.content_block.name == ESCALATE["name"]:
                self.handover = True
        elif event.type == "message_start":
            self._start = _prompt_usage(event.message.usage)
            self._output_tokens = _count(event.message.usage.output_tokens)
        elif event.type == "message_delta":
            self.stop_reason = event.delta.stop_reason or ""
            self._output_tokens = _count(event.usage.output_tokens)
        return ""

    def _whole(self, text: str) -> str:
        """The text with every character whole: a first half waits for the event that brings its second."""
        text, self._half = self._half + text, ""
        if ends_in_half(text):
            text, self._half = text[:-1], text[-1]
        return storable(text)

    def _read_summary(self) -> None:
        try:
            self.summary = storable(str(json.loads(self._tool_json or "{}").get("summary", "")))
        except (ValueError, AttributeError):
            self.summary = ""


def _prompt_usage(usage: Any) -> dict[str, int]:
    """Prompt tokens by their price. Where the API does not say how long it keeps a write, it is 5 minutes."""
    one_hour = _count(usage.cache_creation and usage.cache_creation.ephemeral_1h_input_tokens)
    return {
        "input_tokens": _count(usage.input_tokens),
        "cache_write_5m_tokens": max(_count(usage.cache_creation_input_tokens) - one_hour, 0),
        "cache_write_1h_tokens": one_hour,
        "cache_read_tokens": _count(usage.cache_read_input_tokens),
    }


def _count(tokens: Any) -> int:
    """A number of tokens whatever the other side sent: a whole number that every database can hold."""
    return min(max(tokens, 0), TOKENS_MAX) if isinstance(tokens, int) else 0


_NO_MONEY = ("spend limit", "usage limit", "credit balance")


def _kind(error: anthropic.APIStatusError) -> str:
    # `type` is the API's own word; a proxy in between sends none, and in mid-stream the status says 200.
    kind = getattr(error, "type", None) or ""
    code = getattr(error, "error_code", None) or ""
    # The limit that the owner set himself comes as a plain 400, known by its words alone.
    if "spend_limit" in code or kind == "billing_error" or any(words in error.message for words in _NO_MONEY):
        return "spend limit reached"
    if error.status_code == 200:
        return f"broke off: {kind or 'error'}"
    return f"{kind or 'status'} ({error.status_code})"


def _connection_kind(error: Exception) -> str:
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return "stalled"
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
        return "connection cut"
    return "unreachable"
