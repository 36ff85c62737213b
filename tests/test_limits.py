"""Whose requests a limit counts, and over which span of time."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from rezvo_support.env import Rate
from support.api import limits
from support.models import Conversation, RateWindow
from tests.conftest import TEST_REDIS_URL


def address(settings: Any, forwarded: str | None, proxies: int, remote: str = "10.0.0.1") -> str:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return limits.client_address(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        (None, 0, "10.0.0.1"),
        ("203.0.113.9", 0, "10.0.0.1"),  # nobody in front writes it: it is the client's own invention
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", 1, "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 198.51.100.7", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "10.0.0.1"),  # came past a proxy: only the connection itself can be believed
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("[2001:db8::1]:4711", 1, "2001:db8::"),
        ("2001:db8:0:0:aaaa::1", 1, "2001:db8::"),
        ("2001:db8:0:0:bbbb::2", 1, "2001:db8::"),
        ("2001:db8:0:1::1", 1, "2001:db8:0:1::"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("fe80::1%eth0", 1, "fe80::"),
        ("not an address", 1, "unknown"),
        ("", 1, "10.0.0.1"),
    ],
)
def test_the_address_counted_is_the_one_that_a_trusted_proxy_wrote(
    settings: Any, forwarded: str | None, proxies: int, expected: str
) -> None:
    assert address(settings, forwarded, proxies) == expected


def stores() -> list[Any]:
    return ["database", pytest.param("redis", marks=pytest.mark.redis)]


@pytest.fixture(params=stores())
def store(request: Any, settings: Any, db: None) -> str:
    settings.REDIS_URL = ""
    if request.param == "redis":
        import redis

        settings.REDIS_URL = TEST_REDIS_URL
        redis.Redis.from_url(TEST_REDIS_URL).flushdb()
    return str(request.param)


def waits(requests: int, rate: Rate, scope: str = "open", remote: str = "192.0.2.1") -> list[int]:
    request = RequestFactory().get("/", REMOTE_ADDR=remote)
    return [limits.wait_seconds(request, scope, rate) for _ in range(requests)]


def test_it_lets_the_rate_through_and_tells_the_rest_how_long_to_wait(store: str) -> None:
    seen = waits(5, Rate(3, 60))
    assert seen[:3] == [0, 0, 0]
    assert all(58 <= wait <= 60 for wait in seen[3:])


def test_clients_and_endpoints_are_counted_apart(store: str) -> None:
    rate = Rate(1, 60)
    assert waits(1, rate) + waits(1, rate, scope="chat") + waits(1, rate, remote="192.0.2.2") == [0, 0, 0]


def test_a_place_becomes_free_when_its_request_leaves_the_window(store: str) -> None:
    from tests.server import wait_until

    rate = Rate(2, 1)
    assert waits(3, rate) == [0, 0, 1]
    wait_until(lambda: waits(1, rate) == [0], timeout_s=5)


def test_a_refusal_takes_no_place_itself(store: str) -> None:
    from tests.server import wait_until

    rate = Rate(1, 1)
    waits(1, rate)
    # Asking again and again while refused must not push the end of the wait away.
    wait_until(lambda: waits(1, rate) == [0], timeout_s=5, every_s=0.01)


def test_no_address_is_kept_only_a_keyed_hash(db: None) -> None:
    waits(1, Rate(3, 60), remote="192.0.2.77")
    row = RateWindow.objects.get()
    assert "192.0.2.77" not in row.pk
    assert len(row.pk) == len("open:") + 32


def test_old_rows_are_forgotten(db: None) -> None:
    from datetime import timedelta

    from support import clock

    waits(1, Rate(3, 60))
    assert limits.forget_old() == 0
    RateWindow.objects.update(updated_at=clock.now() - timedelta(days=2))
    assert limits.forget_old() == 1


@pytest.mark.parametrize(("setting", "path"), [("RATE_OPEN", ""), ("RATE_LOG", "/{id}/messages")])
def test_an_endpoint_over_its_rate_answers_429_with_retry_after(
    settings: Any, api: Any, db: None, setting: str, path: str
) -> None:
    conversation = Conversation.objects.create()
    setattr(settings, setting, Rate(1, 60))
    url = "/api/support/conversations" + path.format(id=conversation.pk)
    body = {"user_message": "Q"} if path else {}
    assert api.post(url, body, format="json").status_code == 201
    answer = api.post(url, body, format="json")
    assert answer.status_code == 429
    assert answer.json()["code"] == "rate_limited"
    assert int(answer["Retry-After"]) == answer.json()["retry_after"] in (59, 60)
    setattr(settings, setting, None)
    assert api.post(url, body, format="json").status_code == 201


def test_a_forged_forwarded_header_gains_nothing(start_server: Any) -> None:
    server = start_server(RATE_CHAT="2/min", TRUSTED_PROXIES="1")

    def ask(**headers: str) -> int:
        named = {name.replace("__", "-"): value for name, value in headers.items()}
        answer = server.http.post("/api/support/chat", json={"message": "hi"}, headers=named)
        return int(answer.status_code)

    # What a client writes stands to the left of what the proxy adds.
    codes = [ask(X__Forwarded__For=f"198.51.100.{n}, 192.0.2.1") for n in range(4)]
    assert codes == [200, 200, 429, 429]
    # A name with underscores would become the same variable.
    forged = {"X_Forwarded_For": "198.51.100.99", "X-Forwarded-For": "192.0.2.1"}
    assert server.http.post("/api/support/chat", json={"message": "hi"}, headers=forged).status_code == 429
