"""gunicorn's ASGI worker, with an end to connections that ask for nothing.

gunicorn 27 waits without end for the first request of a connection: a few hundred sockets that send nothing take
all descriptors of a process, and a single one (a browser's preconnect) makes each stop last the whole grace time.
"""

from __future__ import annotations

import signal
from typing import Any
from weakref import WeakSet

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

FIRST_REQUEST_SECONDS = 10
"""How long a new connection may take to send the head of its first request; for later ones it is `keepalive`."""


class Connection(ASGIProtocol):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        self.worker.connections.add(self)
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()  # above this the process would run out of descriptors, and then serve nobody
            return
        # The protocol's own timer: it is taken back when a request has arrived, or the connection is lost.
        self._keepalive_handle = self.worker.loop.call_later(FIRST_REQUEST_SECONDS, self._keepalive_timeout)

    def close_if_idle(self) -> None:
        if self._awaiting_request:
            self._keepalive_timeout()  # type: ignore[no-untyped-call]


class Worker(gasgi.ASGIWorker):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.connections: WeakSet[Connection] = WeakSet()

    def init_signals(self) -> None:
        super().init_signals()  # type: ignore[no-untyped-call]
        # uvloop hears a signal only while it runs. One that came while the application was being loaded would be
        # lost, and the stop would last until the grace time is over.
        signal.signal(signal.SIGTERM, lambda *_: self.handle_exit_signal())  # type: ignore[no-untyped-call]
        for quick in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(quick, lambda *_: self.handle_quit_signal())  # type: ignore[no-untyped-call]

    async def _shutdown(self) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        await super()._shutdown()  # type: ignore[no-untyped-call]


gasgi.ASGIProtocol = Connection  # type: ignore[attr-defined]  # what the worker makes for each connection
