"""What a server must bear besides requests: silent connections, bursts, bodies too long, a model's odd bytes."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import psutil
import pytest

from support.models import Message
from tests.fake_claude import FakeClaude, Script, ToolCall
from tests.server import Server, text_of, wait_until


def connect(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127"], ids=["silent", "half a head"])
def test_a_connection_that_asks_for_nothing_is_closed(offline: Server, head: bytes) -> None:
    with closing(connect(offline)) as silent:
        silent.sendall(head)
        assert silent.recv(1) == b"", "closed by the server, well within our 30 seconds"


def test_silent_connections_do_not_keep_a_worker_from_stopping(start_server: Callable[..., Server]) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    silent = [connect(server) for _ in range(5)]
    began = time.monotonic()
    server.stop(signal.SIGTERM)
    assert time.monotonic() - began < 30, "the grace time for answers is 95 s; nothing is being answered"
    assert "Worker exiting" in server.log
    for connection in silent:
        connection.close()


def test_a_body_too_long_is_refused_before_it_is_sent(offline: Server) -> None:
    with closing(connect(offline)) as client:
        client.sendall(
            b"POST /api/support/chat HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert b" 413 " in client.recv(1000)


def test_who_sends_twenty_megabytes_sees_the_413(offline: Server) -> None:
    answer = offline.http.post(
        "/api/support/chat", content=b"x" * 20_000_000, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_foreign_host_is_refused_on_the_chat_as_everywhere(offline: Server) -> None:
    foreign = {"Host": "evil.example"}
    for path in ("/api/support/chat", "/api/support/conversations"):
        answer = offline.http.post(path, json={"message": "x"}, headers=foreign)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert "Traceback" not in offline.log


@pytest.fixture
def capped(start_server: Callable[..., Server], claude: FakeClaude) -> Server:
    return start_server(
        WEB_CONCURRENCY="1", ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, CHAT_OPEN_STREAMS="5"
    )


def test_a_burst_gets_no_more_streams_than_the_cap(capped: Server, claude: FakeClaude) -> None:
    claude.always(Script(text="Hold on", hold_after=0))
    seen: list[int] = []

    def ask() -> None:
        seen.append(capped.http.post("/api/support/chat", json={"message": "Now!"}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(seen) == 25)  # those refused are told at once, while the others still wait
    claude.wait_for(lambda c: c.held == 5)
    claude.always("Done.")
    claude.release()
    for thread in threads:
        thread.join(30)
    assert Counter(seen) == {200: 5, 503: 25}
    assert Message.objects.count() == 5


def test_open_streams_take_no_threads(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(text="Hold on", hold_after=0))
    (worker, *_) = (psutil.Process(pid) for pid in server.workers())
    before = worker.num_threads()
    threads = [threading.Thread(target=server.ask, args=("Hello there",)) for _ in range(40)]
    for thread in threads:
        thread.start()
    claude.wait_for(lambda c: c.held == 40)
    # The pools of threads for the database grow to their size at first; streams add none.
    assert worker.num_threads() - before < 15
    claude.always("Done.")
    claude.release()
    for thread in threads:
        thread.join(30)


# --- Odd bytes of the model -----------------------------------------------------------------------------


def test_a_character_that_arrives_in_two_halves_is_whole(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(deltas=("Enjoy ", "\ud83d", "\ude00", " your meal")))
    events = server.ask("Hello?")
    assert text_of(events) == "Enjoy \U0001f600 your meal" == Message.objects.get().assistant_message
    assert events[-1].data["is_escalation"] is False


@pytest.mark.parametrize("odd", ["half \ud83d of it", "a\x00b", "\x00"])
def test_what_no_database_can_hold_is_left_out_of_the_answer(server: Server, claude: FakeClaude, odd: str) -> None:
    claude.say(Script(deltas=("SECRETWORD ", odd, " end"), tool=ToolCall("escalate", {"summary": odd + "!"})))
    events = server.ask("Odd?")
    assert events[-1].data["status"] == "needs_review"
    message = Message.objects.get()
    assert message.assistant_message == text_of(events)
    assert message.assistant_message.startswith("SECRETWORD ")
    assert message.handover_summary.endswith("!")
    assert "SECRETWORD" not in server.log


@pytest.mark.parametrize("tokens", [-5, 2**70])
def test_odd_usage_does_not_cost_the_answer(server: Server, claude: FakeClaude, tokens: int) -> None:
    claude.say(Script(text="Kept.", input_tokens=tokens, output_tokens=tokens, cache_read_tokens=tokens))
    events = server.ask("Count?")
    assert (text_of(events), events[-1].data["is_escalation"]) == ("Kept.", False)
    assert Message.objects.get().output_tokens in (0, 10_000_000)
