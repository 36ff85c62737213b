"""Starts what is measured: the desk, its peers and the stand-in of Anthropic's API, on free loopback ports."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from answer import QUICKLY

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS_VENV = ROOT / "var" / "bench-venv"
MODEL = "claude-haiku-4-5"
QUESTION = "How do payments and deposits work?"
_KEY = "sk-bench"
_START_SECONDS = 180
_STOP_SECONDS = 40

Command = list[str | Path]


@dataclass(frozen=True)
class Target:
    """A running server and how it is asked."""

    name: str
    pid: int
    port: int
    path: str
    body: dict[str, Any]
    end: str
    """What only a whole answer of this server holds."""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


_MESSAGES_BODY = {
    "model": MODEL,
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": QUESTION}],
    "stream": True,
}


def install_peers() -> None:
    """The peers' packages at their pins, in a venv of their own; nothing to do where they are."""
    wanted = (HERE / "requirements.txt").read_text()
    installed = PEERS_VENV / "installed.txt"
    if installed.exists() and installed.read_text() == wanted:
        return
    print("Installing the peers into var/bench-venv (800 MB, most of it LiteLLM's) …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", PEERS_VENV], check=True)
    pip = [PEERS_VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True, timeout=1800)
    installed.write_text(wanted)


@contextmanager
def stand_in(folder: Path, delay_s: float) -> Iterator[Target]:
    """The stand-in of Anthropic's API: itself the target of direct calls."""
    port = _free_port()
    command: Command = [sys.executable, HERE / "standin.py", str(port), str(delay_s)]
    with _running("stand-in", command, port, folder, PYTHONPATH=str(ROOT)) as pid:
        yield Target("direct call", pid, port, "/v1/messages", _MESSAGES_BODY, "message_stop")


@contextmanager
def desk(folder: Path, claude: Target, **values: str) -> Iterator[Target]:
    """This project as it is deployed: one worker, a fresh SQLite file, the demo articles, every limit on."""
    port = _free_port()
    env = {
        # A developer's own .env decides nothing here: what is set, though empty, is not read from it.
        **dict.fromkeys(dotenv_values(ROOT / ".env"), ""),
        "TRUSTED_PROXIES": "1",  # each question may come from an address of its own
        # Thousands of answers in minutes: in force like all limits, but out of their reach.
        "BUDGET_DAY_USD": "100000",
        "BUDGET_MONTH_USD": "100000",
        "BUDGET_ADDRESS_USD": "100000",
        "ANTHROPIC_API_KEY": _KEY,
        "ANTHROPIC_BASE_URL": claude.url,
        "CHAT_MODEL": MODEL,
        "DATABASE_URL": f"sqlite:///{folder / 'desk.sqlite3'}",
        "VAR_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PORT": str(port),
        **values,
    }
    setup = [sys.executable, "manage.py", "setup"]
    subprocess.run(setup, cwd=ROOT, env=_environment(**env), check=True, stdout=subprocess.DEVNULL, timeout=120)
    command: Command = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py"]
    with _running("desk", command, port, folder, **env) as pid:
        headers = {"Accept": "text/event-stream"}
        yield Target("this desk", pid, port, "/api/support/chat", {"message": QUESTION}, "event: done", headers)


@contextmanager
def fastapi_proxy(folder: Path, claude: Target) -> Iterator[tuple[Target, Target]]:
    """The FastAPI proxy by its two paths: the SDK's plain stream, and its stream helper."""
    port = _free_port()
    command: Command = [PEERS_VENV / "bin" / "uvicorn", "--app-dir", HERE / "peers", "fastapi_proxy:app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    env = {
        "ANTHROPIC_API_KEY": _KEY,
        "ANTHROPIC_BASE_URL": claude.url,
        "DATABASE": str(folder / "fastapi.sqlite3"),
    }
    with _running("fastapi", command, port, folder, **env) as pid:
        body = {"message": QUESTION}
        yield (
            Target("FastAPI, `create(stream=True)`", pid, port, "/chat", body, "event: done"),
            Target("FastAPI, `messages.stream()`", pid, port, "/chat-helper", body, "event: done"),
        )


@contextmanager
def litellm(folder: Path, claude: Target) -> Iterator[tuple[Target, Target]]:
    """LiteLLM's proxy, without a database, by its two ways of asking. It calls nothing but the stand-in."""
    port, master_key = _free_port(), f"sk-{secrets.token_hex(32)}"
    model = {"model": f"anthropic/{MODEL}", "api_base": claude.url, "api_key": _KEY}
    config = folder / "litellm.yaml"  # JSON is YAML too
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": model}]}))
    command: Command = [PEERS_VENV / "bin" / "litellm", "--config", config, "--num_workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    env = {
        "LITELLM_MASTER_KEY": master_key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
    }
    with _running("litellm", command, port, folder, **env) as pid:
        headers = {"Authorization": f"Bearer {master_key}"}
        yield (
            Target(
                "LiteLLM, chat completions", pid, port, "/v1/chat/completions", _MESSAGES_BODY, "[DONE]", headers
            ),
            Target("LiteLLM, messages", pid, port, "/v1/messages", _MESSAGES_BODY, "message_stop", headers),
        )


@contextmanager
def relay(folder: Path, claude: Target) -> Iterator[Target]:
    """A relay of bytes: below it nothing that stands in between can get."""
    port = _free_port()
    command: Command = [PEERS_VENV / "bin" / "python", HERE / "peers" / "relay.py", str(port)]
    env = {"ANTHROPIC_API_KEY": _KEY, "ANTHROPIC_BASE_URL": claude.url}
    with _running("relay", command, port, folder, **env) as pid:
        yield Target("relay of bytes (aiohttp)", pid, port, "/v1/messages", _MESSAGES_BODY, "message_stop")


def quick(desk: Target) -> Target:
    """The same desk asked something that the stand-in answers at once."""
    return replace(desk, body={"message": QUICKLY + QUESTION})


@contextmanager
def _running(name: str, command: Command, port: int, folder: Path, **env: str) -> Iterator[int]:
    """Runs a server until the end of the block; gives its process id once it listens."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(**env), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _environment(**values: str) -> dict[str, str]:
    """What a server sees of this machine: where programs are, and nothing that would change what it does."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return {**kept, "PYTHONUNBUFFERED": "1", **values}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
