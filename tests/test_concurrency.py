"""Many at once: on one conversation nothing is refused, lost or counted twice; limits let exactly N through."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from support.models import Conversation, Message, RateWindow
from tests.conftest import TEST_REDIS_URL
from tests.server import Server

CLIENT = """
import json, sys
import httpx2
url, body, times, keys = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
seen = {}
with httpx2.Client(timeout=120) as http:
    for n in range(times):
        headers = {"Idempotency-Key": f"{keys}-{n}"} if keys else {}
        answer = http.post(url, json=body | ({"user_message": f"{keys} {n}"} if keys else {}), headers=headers)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["retry-after"]) <= 60, answer.headers
print(json.dumps(seen))
"""


def clients(processes: int, times: int, url: str, body: dict[str, Any], keys: bool = False) -> Counter[int]:
    """So many processes send the request so many times each; how often each status was answered."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, url, json.dumps(body), str(times), f"client{n}" * keys],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    seen: Counter[int] = Counter()
    for process in started:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        seen.update({int(code): number for code, number in json.loads(out).items()})
    return seen


def test_eight_processes_log_into_one_conversation_and_the_books_are_exact(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(WEB_CONCURRENCY="4")
    # The wire server for tests keeps its rows in one thread of Python: fewer there, with the same claim.
    processes, times = (4, 25) if connection.vendor == "mongodb" else (8, 250)
    ticket = server.open()
    pair = {"assistant_message": "A", "input_tokens": 234, "output_tokens": 156}
    url = f"{server.url}/api/support/conversations/{ticket['id']}/messages"
    assert clients(processes, times, url, pair, keys=True) == {201: processes * times}
    # Everything once more, as a flaky line would: the same answers, counted once.
    assert clients(processes, 5, url, pair, keys=True) == {201: processes * 5}
    pairs = processes * times
    conversation = Conversation.objects.get()
    assert conversation.message_count == pairs == Message.objects.filter(state="counted").count()
    assert conversation.total_input_tokens == 234 * pairs
    assert conversation.total_output_tokens == 156 * pairs
    assert conversation.estimated_cost_usd == (234 + 5 * 156) * pairs
    assert conversation.unsettled is None


@pytest.mark.parametrize("store", ["database", pytest.param("redis", marks=pytest.mark.redis)])
def test_with_four_workers_not_one_request_more_than_the_limit_gets_through(
    start_server: Callable[..., Server], store: str
) -> None:
    redis_url = _empty_redis() if store == "redis" else ""
    server = start_server(WEB_CONCURRENCY="4", RATE_OPEN="30/min", REDIS_URL=redis_url)
    seen = clients(8, 12, f"{server.url}/api/support/conversations", {})
    assert seen == {201: 30, 429: 96 - 30}
    assert Conversation.objects.count() == 30
    assert RateWindow.objects.count() == (0 if store == "redis" else 1)


@pytest.mark.redis
def test_the_database_keeps_the_limit_while_redis_is_away(start_server: Callable[..., Server]) -> None:
    server = start_server(RATE_OPEN="5/min", REDIS_URL="redis://127.0.0.1:1/0")
    assert clients(1, 8, f"{server.url}/api/support/conversations", {}) == {201: 5, 429: 3}
    assert "Redis is away" in server.log


def test_two_openings_with_one_key_at_once_are_one_conversation(start_server: Callable[..., Server]) -> None:
    server = start_server(WEB_CONCURRENCY="4")
    url = f"{server.url}/api/support/conversations"
    same = [
        subprocess.Popen([sys.executable, "-c", CLIENT, url, "{}", "3", "the-same-key-for-everybody-of-them"])
        for _ in range(6)
    ]
    assert [process.wait(60) for process in same] == [0] * 6
    assert Conversation.objects.count() == 3


def _empty_redis() -> str:
    import redis

    redis.Redis.from_url(TEST_REDIS_URL).flushdb()
    return TEST_REDIS_URL
