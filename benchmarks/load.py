"""The visitors: ask over raw sockets and time the event streams, in a process of their own.

Reads its orders from stdin and writes JSON to stdout, one object a line; `Orders` and `Result` are the shapes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from answer import FIRST_WORD, is_whole

ANSWER_SECONDS = 120
"""An answer that is not whole by then has failed."""


@dataclass(frozen=True)
class Orders:
    port: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    end: str
    """What only a whole answer holds."""
    clients: int
    """Visitors at once; each asks his next question when his last one is answered."""
    answers: int
    """Questions of all of them together."""
    spread_s: float
    """Over how long a time they begin, so that they do not all ask at the same moment."""
    tell_when_open: bool = False
    """Whether to write `{"open": n}` once so many streams are open at one moment, as many as `clients`."""


@dataclass
class Result:
    first_s: list[float] = field(default_factory=list)
    """From asking to the first word, of each whole answer."""
    whole_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """The ends of what came instead of a whole answer."""
    cpu_s: float = 0
    """What this process itself took."""


class Connection(asyncio.Protocol):
    """A connection that is kept, with one answer on its way at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.is_open = False
        self.first_at: float | None = None
        self.has_begun = False
        self._begin: Callable[[], None]
        self._received = bytearray()
        self._whole: asyncio.Future[None] | None = None

    async def ask(self, request: bytes, begin: Callable[[], None]) -> bytes:
        """The whole answer, with its headers and the sizes of its chunks. Raises TimeoutError.

        `begin` is called when its headers have arrived.
        """
        self._received.clear()
        self._begin = begin
        self.has_begun = False
        self.first_at = None
        self._whole = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._whole
        return bytes(self._received)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.has_begun and b"\r\n\r\n" in self._received:
            self.has_begun = True
            self._begin()
        if self.first_at is None and FIRST_WORD in self._received:
            self.first_at = time.monotonic()
        if self._received.endswith(b"\r\n0\r\n\r\n"):  # the last chunk: no event holds a carriage return
            self._end()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._end()

    def _end(self) -> None:
        if self._whole and not self._whole.done():
            self._whole.set_result(None)


class Load:
    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.result = Result()
        self._numbers = itertools.count()
        self._open = 0
        self._body = json.dumps(orders.body).encode()

    async def run(self) -> None:
        clients = self.orders.clients
        await asyncio.gather(*(self._client(self.orders.spread_s * n / clients) for n in range(clients)))

    async def _client(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        connection: Connection | None = None
        while (number := next(self._numbers)) < self.orders.answers:
            try:
                if connection is None or not connection.is_open:
                    loop = asyncio.get_running_loop()
                    _, connection = await loop.create_connection(Connection, "127.0.0.1", self.orders.port)
                await self._ask(connection, number)
            except (OSError, TimeoutError) as error:
                self.result.failed.append(type(error).__name__)
        if connection:
            connection.transport.close()

    async def _ask(self, connection: Connection, number: int) -> None:
        asked_at = time.monotonic()
        answer = await connection.ask(self._request(number), self._begin)
        self._open -= connection.has_begun
        status = answer.partition(b"\r\n")[0]
        is_good = b" 200" in status and self.orders.end.encode() in answer and is_whole(answer)
        if is_good and connection.first_at:
            self.result.first_s.append(connection.first_at - asked_at)
            self.result.whole_s.append(time.monotonic() - asked_at)
        else:
            self.result.failed.append(answer[-300:].decode(errors="replace"))

    def _begin(self) -> None:
        self._open += 1
        if self._open == self.orders.clients and self.orders.tell_when_open:
            print(json.dumps({"open": self._open}), flush=True)

    def _request(self, number: int) -> bytes:
        headers = {
            "Host": f"127.0.0.1:{self.orders.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(self._body)),
            # Another visitor's each time, as far as a server that counts addresses can see.
            "X-Forwarded-For": f"10.0.{number // 250 % 250}.{number % 250 + 1}",
            "Idempotency-Key": str(uuid4()),
            **self.orders.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.orders.path} HTTP/1.1\r\n{head}\r\n".encode() + self._body


def main() -> None:
    load = Load(Orders(**json.load(sys.stdin)))
    asyncio.run(load.run())
    used = resource.getrusage(resource.RUSAGE_SELF)
    load.result.cpu_s = used.ru_utime + used.ru_stime
    print(json.dumps(asdict(load.result)), flush=True)


if __name__ == "__main__":
    main()
