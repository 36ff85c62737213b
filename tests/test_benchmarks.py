"""The benchmarks still run, in seconds and without the peers. What they measure is in docs/performance.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.server import ROOT

RUNS = {
    "rounds": ("--only-desk", "--rounds", "1", "--answers", "8", "--clients", "4"),
    "streams": ("--streams", "20", "--seconds", "5"),
}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What each kind of run prints; they run side by side."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "benchmarks/chat.py", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, words in RUNS.items()
    }
    done = {}
    for name, process in running.items():
        done[name], wrong = process.communicate(timeout=120)
        assert process.returncode == 0, wrong
    return done


def test_the_desk_is_measured(told: dict[str, str]) -> None:
    _, cost, first_word, memory = _row(told["rounds"], "this desk")
    assert cost.partition(" ms")[0].replace(".", "").isdigit()
    assert "p90" in first_word
    assert memory.endswith(" MB")
    assert "8 answers of each server in 1 rounds" in told["rounds"]


def test_many_streams_are_held_open_at_once_and_one_more_is_told_to_come_back(told: dict[str, str]) -> None:
    assert "All were open at once: yes." in told["streams"]
    assert "Answered whole, with `done`: 20 of 20." in told["streams"]
    assert "One visitor more was told: 503" in told["streams"]
    assert '"code": "busy"' in told["streams"]
    _, before, during, for_a_stream = _row(told["streams"], "descriptors")
    assert int(during) > int(before)
    assert float(for_a_stream) > 0


def _row(told: str, name: str) -> list[str]:
    (line,) = [line for line in told.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]
