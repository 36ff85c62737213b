"""A real gunicorn on the test database, and a client that reads its event streams."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
JSON = {"Content-Type": "application/json"}
STREAM = {"Accept": "text/event-stream", **JSON}

# What a developer has in his own environment or `.env` must not decide what the tests see.
_DESK_SETTINGS = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "REDIS_URL", "RATE_OPEN", "RATE_LOG", "RATE_CHAT")


def database_env() -> dict[str, str]:
    """The environment under which another process opens this test's own database."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return {"DATABASE_URL": f"sqlite:///{name}"}
    if connection.vendor == "mongodb":
        return {"DATABASE_URL": settings.DATABASE_URL, "MONGODB_NAME": name}
    return {"DATABASE_URL": settings.DATABASE_URL.rpartition("/")[0] + f"/{name}"}


def environment(**values: str) -> dict[str, str]:
    """A desk's environment on the test database, with limits off unless a test sets them."""
    return {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"},
        **dict.fromkeys(_DESK_SETTINGS, ""),
        "RATE_OPEN": "off",
        "RATE_LOG": "off",
        "RATE_CHAT": "off",
        "SECRET_KEY": settings.SECRET_KEY,
        "VAR_DIR": str(settings.VAR_DIR),
        **database_env(),
        **values,
    }


def manage(*words: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Runs `manage.py` on the test database."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment(**values),
        capture_output=True,
        text=True,
        timeout=120,
    )


def wait_until(condition: Any, timeout_s: float = 20, every_s: float = 0.05) -> Any:
    """Asks until the condition holds, and returns what it said."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {condition}")
        time.sleep(every_s)
    return value


@dataclass
class Event:
    name: str
    data: dict[str, Any]


@dataclass
class Server:
    url: str
    process: subprocess.Popen[bytes]
    log_path: Path
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=self.url, timeout=60)

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def open(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/api/support/conversations", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def ask(self, message: str, headers: dict[str, str] | None = None, **body: Any) -> list[Event]:
        """Asks and reads the whole stream."""
        with self.stream(message, headers, **body) as events:
            return list(events)

    @contextmanager
    def stream(
        self, message: str, headers: dict[str, str] | None = None, **body: Any
    ) -> Iterator[Iterator[Event]]:
        """Asks and gives the events as they arrive."""
        body = {"message": message, **body}
        with self.http.stream("POST", "/api/support/chat", json=body, headers=STREAM | (headers or {})) as answer:
            assert answer.status_code == 200, answer.read().decode()
            yield events_of(answer.iter_lines())

    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout_s: float = 60) -> None:
        self.http.close()  # an idle connection would keep the worker for its keep-alive time
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise


def events_of(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events out of lines; comments are skipped."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield Event(name, json.loads(line.removeprefix("data: ")))


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(log_path: Path, **values: str) -> Server:
    """Starts gunicorn as in production and waits until it answers."""
    port = free_port()
    workers = int(values.get("WEB_CONCURRENCY") or settings.WEB_CONCURRENCY)
    log_file = log_path.open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"],
        cwd=ROOT,
        env=environment(**{"PORT": str(port), "BIND": "", "WEB_CONCURRENCY": str(workers), **values}),
        stdout=log_file,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    log_file.close()
    server = Server(f"http://127.0.0.1:{port}", process, log_path)

    def all_workers_listen() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"gunicorn ended:\n{server.log}")
        return server.log.count("ASGI server listening") >= workers

    # All of them: one that still boots while the test's tables are emptied would find no prices and give up.
    wait_until(all_workers_listen, timeout_s=60)
    return server
