"""What the gate checks besides behaviour; `make lint types` shows the same to people."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import ROOT, environment

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("mypy",),
        ("python", "manage.py", "makemigrations", "--check", "--dry-run"),
    ],
    ids=" ".join,
)
def test_it_finds_nothing(command: tuple[str, ...]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_deployment_check_finds_nothing_under_https() -> None:
    done = subprocess.run(
        [BIN / "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=environment(HTTPS="on", SECRET_KEY="Vt7-" * 16 + "aZ9_kQ2m"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_requirement_is_without_its_exact_version() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().splitlines()
        loose = [line for line in lines if line and line[0] not in "#-" and not re.search(r"==[0-9.]+$", line)]
        assert loose == []
