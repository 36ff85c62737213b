"""Very many visitors at once: what a worker of the desk holds for each stream that is open."""

from __future__ import annotations

import http.client
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import processes
import servers
from answer import DELTAS
from ask import ask, hold_open
from servers import Target

_STREAM_SECONDS = 30
_DESCRIPTORS_BESIDES = 500


@dataclass(frozen=True)
class Held:
    """What a process tree holds at one moment."""

    pss_bytes: int
    descriptors: int
    database_connections: int
    threads: int


@dataclass(frozen=True)
class Outcome:
    streams: int
    before: Held
    during: Held
    were_all_open: bool
    whole: int
    failed: list[str]
    one_more: str
    """Status and body of the answer to one visitor above the cap."""


def open_at_once(folder: Path, streams: int, seconds: float = _STREAM_SECONDS) -> Outcome:
    """Opens so many streams in one worker, each answered within `seconds`, and looks at it while all are open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * streams + _DESCRIPTORS_BESIDES:
        sys.exit(f"{streams} streams need {2 * streams + _DESCRIPTORS_BESIDES} descriptors (ulimit -Hn: {hard})")
    with (
        servers.stand_in(folder, seconds / len(DELTAS)) as claude,
        servers.desk(folder, claude, CHAT_OPEN_STREAMS=str(streams)) as desk,
    ):
        few = min(20, streams)
        ask(servers.quick(desk), clients=few, answers=few * 5, spread_s=0.2)
        before = _held(desk.pid)
        with hold_open(desk, streams=streams, spread_s=seconds / 2) as opened:
            during = _held(desk.pid)
            one_more = _refused(desk)
            result = opened.wait()
        return Outcome(streams, before, during, opened.is_all, len(result.whole_s), result.failed, one_more)


def report(outcome: Outcome) -> str:
    """A Markdown table: before, with all streams open, and the difference for one of them."""
    before, during, streams = outcome.before, outcome.during, outcome.streams
    grown_kb = (during.pss_bytes - before.pss_bytes) / 1000 / streams
    grown_descriptors = (during.descriptors - before.descriptors) / streams
    return "\n".join(
        [
            f"| | before | {streams:,} streams open | a stream |",
            "| --- | --- | --- | --- |",
            f"| memory | {before.pss_bytes / 1e6:.0f} MB | {during.pss_bytes / 1e6:.0f} MB | {grown_kb:.0f} kB |",
            f"| descriptors | {before.descriptors} | {during.descriptors} | {grown_descriptors:.1f} |",
            f"| database connections | {before.database_connections} | {during.database_connections} | |",
            f"| threads | {before.threads} | {during.threads} | |",
            "",
            f"All were open at once: {'yes' if outcome.were_all_open else 'no'}.",
            f"Answered whole, with `done`: {outcome.whole:,} of {streams:,}.",
            f"One visitor more was told: {outcome.one_more}",
        ]
    )


def _held(pid: int) -> Held:
    files = processes.open_files(pid)
    return Held(
        pss_bytes=processes.pss_bytes(pid),
        descriptors=len(files),
        database_connections=sum(name.endswith("/desk.sqlite3") for name in files),
        threads=processes.threads(pid),
    )


def _refused(desk: Target) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=30)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": "10.1.1.1", **desk.headers}
    connection.request("POST", desk.path, json.dumps(desk.body), headers)
    answer = connection.getresponse()
    # Only its beginning: where there was room after all it is a stream.
    told = answer.read(300).decode(errors="replace")
    connection.close()
    return f"{answer.status}, Retry-After {answer.headers['Retry-After']}, {told}"
