"""The stand-in of Anthropic's API as a process of its own: every question gets the same answer at a set pace.

PYTHONPATH=. python benchmarks/standin.py PORT SECONDS_BETWEEN_DELTAS
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from dataclasses import replace

from answer import DELTAS, QUICKLY
from tests.fake_claude import FakeClaude, Script


def main() -> None:
    port, delay_s = int(sys.argv[1]), float(sys.argv[2])
    answer = Script(deltas=DELTAS, delay_s=delay_s, input_tokens=5200, output_tokens=160)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with FakeClaude(port) as claude:
        claude.requests = deque(maxlen=1)  # type: ignore[assignment]  # thousands of prompts are many megabytes
        claude.always(answer)
        claude.when(QUICKLY, replace(answer, delay_s=0))
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
