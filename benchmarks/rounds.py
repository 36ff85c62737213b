"""The desk beside its peers: the same number of visitors and answers for each in turn, several rounds."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import processes
import servers
from ask import ask
from servers import Target

_DELAY_S = 0.01
_SPREAD_S = 0.4
"""As long as an answer of 40 deltas takes: visitors who began together would go on asking together."""


@dataclass
class Measured:
    """What the rounds of one target came to."""

    target: Target
    cpu_ms: list[float] = field(default_factory=list)
    """CPU time an answer, of the server and its children, by round."""
    first_ms: list[float] = field(default_factory=list)
    """From the question to the first word, by answer."""
    client_cpu_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    pss_mb: float = 0.0

    def round(self, clients: int, answers: int) -> None:
        before_s = processes.cpu_s(self.target.pid)
        done = ask(self.target, clients=clients, answers=answers, spread_s=_SPREAD_S)
        self.cpu_ms.append((processes.cpu_s(self.target.pid) - before_s) * 1000 / answers)
        self.pss_mb = max(self.pss_mb, processes.pss_bytes(self.target.pid) / 1e6)
        self.first_ms += [seconds * 1000 for seconds in done.first_s]
        self.client_cpu_ms.append(done.cpu_s * 1000 / answers)
        self.failed += done.failed

    def cpu_ratio(self, other: Measured) -> float:
        """Of the CPU time of another, measured in the same rounds: a busy machine slows both."""
        return median(own / others for own, others in zip(self.cpu_ms, other.cpu_ms, strict=True))


def compare(folder: Path, *, rounds: int, answers: int, clients: int, only_desk: bool) -> list[Measured]:
    """Measures the direct call, the desk and, unless `only_desk`, the peers; in this order."""
    if not only_desk:
        servers.install_peers()
    with ExitStack() as stack:
        claude = stack.enter_context(servers.stand_in(folder, _DELAY_S))
        targets = [claude, stack.enter_context(servers.desk(folder, claude))]
        if not only_desk:
            targets += stack.enter_context(servers.fastapi_proxy(folder, claude))
            targets += stack.enter_context(servers.litellm(folder, claude))
            targets.append(stack.enter_context(servers.relay(folder, claude)))
        measured = [Measured(target) for target in targets]
        for target in targets:
            warm = ask(target, clients=clients, answers=clients * 2, spread_s=_SPREAD_S)
            if warm.failed:
                sys.exit(f"{target.name}: {len(warm.failed)} answers were not whole: {warm.failed[0]}")
        for number in range(rounds):
            # One after the other in each round, so that whatever else the machine does meets them all.
            for one in measured:
                one.round(clients, answers)
            print(f"Round {number + 1} of {rounds}: load average {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return measured


def report(measured: list[Measured]) -> str:
    """A Markdown table of what was measured, with what it was measured on."""
    direct, *others = measured
    peers = [one for one in others if one.target.name.startswith(("FastAPI, `create", "LiteLLM, messages"))]
    head = ["server", "CPU an answer", *(f"of {one.target.name.split(',')[0]}'s" for one in peers)]
    head += ["first word later than a direct call's", "memory"]
    rows = [head, ["---"] * len(head)]
    for one in others:
        rows.append(
            [
                one.target.name,
                f"{median(one.cpu_ms):.1f} ms ({min(one.cpu_ms):.1f} to {max(one.cpu_ms):.1f})",
                *(f"{one.cpu_ratio(peer):.2f}" for peer in peers),
                _later(one, direct),
                f"{one.pss_mb:.0f} MB",
            ]
        )
    notes = [
        f"{len(direct.first_ms):,} answers of each server in {len(direct.cpu_ms)} rounds.",
        "CPU and ratios: the medians of the rounds, in brackets the lowest and the highest.",
        f"A direct call has its first word after {median(direct.first_ms):.1f} ms.",
        f"Beside the server, the stand-in took {median(direct.cpu_ms):.1f} ms of CPU an answer",
        f"and the visitors {median(direct.client_cpu_ms):.1f} ms.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores.",
    ]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", *notes])


def _later(one: Measured, direct: Measured) -> str:
    if len(one.first_ms) < 2:
        return "-"
    base_ms = median(direct.first_ms)
    p90_ms = quantiles(one.first_ms, n=10)[8]
    return f"{median(one.first_ms) - base_ms:.1f} ms (p90 {p90_ms - base_ms:.1f})"
