"""What a streamed answer costs, of this desk and of its peers, measured in the same run. See benchmarks/README.md.

.venv/bin/python benchmarks/chat.py                  the desk beside its peers (six minutes)
.venv/bin/python benchmarks/chat.py --streams 1000   so many streams open at once, in one worker
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
from pathlib import Path

import rounds
import streams
from servers import ROOT


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # and so stops what it has started
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var") as name:
        if options.streams:
            outcome = streams.open_at_once(Path(name), options.streams, options.seconds)
            print(streams.report(outcome))
            failed = outcome.failed
        else:
            measured = rounds.compare(
                Path(name),
                rounds=options.rounds,
                answers=options.answers,
                clients=options.clients,
                only_desk=options.only_desk,
            )
            print(rounds.report(measured))
            failed = [f"{one.target.name}: {text}" for one in measured for text in one.failed]
    if failed:
        print(f"{len(failed)} answers were not whole, the first: {failed[0]}", file=sys.stderr)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=_number(100), default=6, help="rounds over all servers (6)")
    parser.add_argument("--answers", type=_number(100_000), default=200, help="of each server a round (200)")
    parser.add_argument("--clients", type=_number(1000), default=20, help="visitors at once (20)")
    parser.add_argument("--only-desk", action="store_true", help="without the peers; installs nothing")
    parser.add_argument("--streams", type=_number(20_000), help="hold so many streams of the desk open at once")
    parser.add_argument("--seconds", type=_number(50), default=30, help="how long each of them lasts (30)")
    return parser.parse_args()


def _number(at_most: int) -> object:
    def number(text: str) -> int:
        value = int(text)
        if not 1 <= value <= at_most:
            raise ValueError
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
