"""The one door to Anthropic's API: a question in, text deltas out, every fault as a `ModelFault`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx2
from django.conf import settings

from support.bot.prompt import CITE, CITED_MAX, ESCALATE, TOOLS, Prompt, escalation_reason
from support.ledger.pricing import Usage
from support.models.message import TOKENS_MAX
from support.text import ends_in_half, storable

log = logging.getLogger("support.claude")

_FRAME_SECONDS = 0.08
"""What arrives within this time is read at once: 12 pieces a second read as smoothly as 100."""

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
            http_client=anthropic.DefaultAioHttpClient(
                timeout=httpx2.Timeout(settings.CHAT_STALL_SECONDS, connect=5),
                limits=httpx2.Limits(max_connections=settings.CHAT_OPEN_STREAMS, max_keepalive_connections=50),
            ),
        )
    return _clients[loop]


async def close() -> None:
    """Closes this loop's connections."""
    if found := _clients.pop(asyncio.get_running_loop(), None):
        await found.close()


async def try_out() -> int:
    """Asks the model for one word and returns the tokens it took. Raises ModelFault."""
    try:
        async with asyncio.timeout(settings.CHAT_STALL_SECONDS):
            said = await client().messages.create(
                model=settings.CHAT_MODEL, max_tokens=1, messages=[{"role": "user", "content": "Hello"}]
            )
    except TimeoutError:
        raise ModelFault("no answer in time") from None
    except anthropic.APIStatusError as error:
        raise ModelFault(_kind(error)) from None
    except (anthropic.APIError, httpx2.HTTPError) as error:
        raise ModelFault(_connection_kind(error)) from None
    finally:
        await close()
    return _count(said.usage.input_tokens) + _count(said.usage.output_tokens)


@dataclass
class Call:
    """One call: iterate `deltas()`, then read what it came to. Usage is right at any moment, after a fault too."""

    prompt: Prompt
    stop_reason: str = ""
    escalation: str = ""
    """Why the model handed over, by its `escalate` tool; "" if it did not."""
    summary: str = ""
    cited: list[str] = field(default_factory=list)
    """The slugs that the model named by its `cite` tool; they may be of no article at all."""
    _start: dict[str, int] = field(default_factory=dict)
    _output_tokens: int = 0
    _received_bytes: int = 0
    _tools: dict[int, tuple[str, list[str]]] = field(default_factory=dict)
    """The tools called: name and pieces of the JSON of its input, by the block's index."""
    _half: str = ""

    @property
    def usage(self) -> Usage:
        """As the API measured it; the output of a call that broke off is estimated from what arrived."""
        output = self._output_tokens
        if not self.stop_reason:  # 3 bytes a token: on the careful side in any script
            output = min(max(output, self._received_bytes // 3), settings.CHAT_MAX_TOKENS)
        return Usage(**self._start, output_tokens=output)

    async def deltas(self) -> AsyncIterator[str]:
        """The answer's text as it arrives. Raises ModelFault; what arrived before it has been yielded."""
        try:
            # Until the first event: the SDK obeys a `retry-after` of any length.
            async with asyncio.timeout(settings.CHAT_STALL_SECONDS):
                stream = await client().messages.create(
                    model=settings.CHAT_MODEL,
                    max_tokens=settings.CHAT_MAX_TOKENS,
                    system=self.prompt.system,
                    messages=self.prompt.messages,
                    tools=TOOLS,
                    stream=True,
                )
            async with stream:
                async for lines in _lines(stream.response.aiter_bytes()):
                    texts, broken = self._take_all(lines)
                    if text := self._whole("".join(texts)):
                        self._received_bytes += len(text.encode())
                        yield text
                    if broken:
                        raise broken
                    if text and not self.stop_reason:
                        await asyncio.sleep(_FRAME_SECONDS)
            self._read_tools()
        except TimeoutError:
            raise ModelFault("no answer in time") from None
        except anthropic.APIStatusError as error:
            raise ModelFault(_kind(error)) from None
        except (anthropic.APIError, httpx2.HTTPError) as error:
            raise ModelFault(_connection_kind(error)) from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # The stream held something that is not the API's.
            log.warning("unreadable stream: %s", type(error).__name__)
            raise ModelFault("unreadable stream") from None
        if self.stop_reason == "refusal":
            raise ModelFault("refusal")
        if not self.stop_reason:
            raise ModelFault("ended without an end")
        self.prompt.prefix.learn(self.usage.prompt_tokens)

    def _take_all(self, lines: list[bytes]) -> tuple[list[str], Exception | None]:
        """The texts of events that arrived together, and what is wrong with the first that could not be taken."""
        texts: list[str] = []
        try:
            for line in lines:
                texts.append(self._take(json.loads(line[5:])))
        except Exception as error:  # what came before it has been shown in any case
            return texts, error
        return texts, None

    def _take(self, event: Any) -> str:
        """Takes note of one event; the text that it brings."""
        kind = event["type"]
        if kind == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "text_delta":
                return str(delta["text"])
            if delta["type"] == "input_json_delta" and event["index"] in self._tools:
                self._tools[event["index"]][1].append(delta["partial_json"])
                self._received_bytes += len(delta["partial_json"].encode())
        elif kind == "content_block_start":
            if event["content_block"]["type"] == "tool_use":
                self._tools[event["index"]] = (event["content_block"]["name"], [])
        elif kind == "message_start":
            self._start = _prompt_usage(event["message"]["usage"])
            self._output_tokens = _count(event["message"]["usage"].get("output_tokens"))
        elif kind == "message_delta":
            self.stop_reason = event["delta"].get("stop_reason") or ""
            self._output_tokens = _count(event["usage"].get("output_tokens"))
        elif kind == "error":
            raise ModelFault(f"broke off: {event['error']['type']}")
        return ""

    def _whole(self, text: str) -> str:
        """The text with every character whole: a first half waits for the event that brings its second."""
        text, self._half = self._half + text, ""
        if ends_in_half(text):
            text, self._half = text[:-1], text[-1]
        return storable(text)

    def _read_tools(self) -> None:
        """What the model called, whatever it put in: a tool called wrongly is called all the same."""
        for name, pieces in self._tools.values():
            try:
                given = json.loads("".join(pieces) or "{}")
            except ValueError:
                given = {}
            given = given if isinstance(given, dict) else {}
            if name == ESCALATE["name"]:
                self.escalation = escalation_reason(given.get("reason"))
                self.summary = storable(str(given.get("summary", "")))
            elif name == CITE["name"] and isinstance(slugs := given.get("articles"), list):
                self.cited += [slug for slug in slugs if isinstance(slug, str)][:CITED_MAX]


async def _lines(received: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The `data:` lines of a stream, those that arrived together at once.

    The SDK's own reading of them makes a typed object of each, which takes a third of the CPU time of an answer;
    what a typed object would refuse is refused where it is looked at.
    """
    rest = b""
    async for chunk in received:
        *lines, rest = (rest + chunk).split(b"\n")
        if data := [line for line in lines if line.startswith(b"data:")]:
            yield data


def _prompt_usage(usage: Any) -> dict[str, int]:
    """Prompt tokens by their price. Where the API does not say how long it keeps a write, it is 5 minutes."""
    one_hour = _count((usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"))
    return {
        "input_tokens": _count(usage.get("input_tokens")),
        "cache_write_5m_tokens": max(_count(usage.get("cache_creation_input_tokens")) - one_hour, 0),
        "cache_write_1h_tokens": one_hour,
        "cache_read_tokens": _count(usage.get("cache_read_input_tokens")),
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
