"""Runs load.py, the visitors, as a process of its own and brings home what they saw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from load import Orders, Result
from servers import HERE, Target

_SECONDS = 900


def ask(target: Target, *, clients: int, answers: int, spread_s: float) -> Result:
    """Asks `answers` questions, `clients` at a time."""
    with _visitors(target, clients=clients, answers=answers, spread_s=spread_s) as visitors:
        return _result(target, visitors)


class Open:
    """Streams that are open all at once."""

    def __init__(self, target: Target, visitors: subprocess.Popen[str]) -> None:
        self._target = target
        self._visitors = visitors
        assert visitors.stdout
        line = visitors.stdout.readline()
        self.is_all = line.startswith('{"open"')
        """Whether there was a moment when all of them were open."""
        self._first_line = "" if self.is_all else line

    def wait(self) -> Result:
        """Until the last one has ended."""
        return _result(self._target, self._visitors, self._first_line)


@contextmanager
def hold_open(target: Target, *, streams: int, spread_s: float) -> Iterator[Open]:
    """Opens so many streams; the block begins when all are open, or none of them is any more."""
    with _visitors(target, clients=streams, answers=streams, spread_s=spread_s, tell_when_open=True) as visitors:
        yield Open(target, visitors)


@contextmanager
def _visitors(target: Target, **how: float) -> Iterator[subprocess.Popen[str]]:
    orders = Orders(target.port, target.path, target.headers, target.body, target.end, **how)  # type: ignore[arg-type]
    with subprocess.Popen(
        [sys.executable, HERE / "load.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as visitors:
        assert visitors.stdin
        visitors.stdin.write(json.dumps(asdict(orders)))
        visitors.stdin.close()
        visitors.stdin = None
        try:
            yield visitors
        finally:
            visitors.kill()


def _result(target: Target, visitors: subprocess.Popen[str], first_line: str = "") -> Result:
    told, wrong = visitors.communicate(timeout=_SECONDS)
    lines = (first_line + told).splitlines()
    if visitors.returncode or not lines:
        sys.exit(f"The visitors of {target.name} failed:\n{wrong[-3000:]}")
    return Result(**json.loads(lines[-1]))
