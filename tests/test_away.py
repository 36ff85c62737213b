"""A database that is away is said to be away, in the client's language, with when to try again; never a 500."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server import Server

AWAY = {
    "postgres": {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
    "mongodb": {"DATABASE_URL": "mongodb://127.0.0.1:1/"},
    "sqlite": {"DATABASE_URL": "sqlite:////nonexistent/folder/support.sqlite3"},
}


@pytest.mark.parametrize("database", AWAY)
def test_every_path_says_so(start_server: Callable[..., Server], database: str) -> None:
    server = start_server(**AWAY[database], WEB_CONCURRENCY="1")
    assert server.http.get("/healthz").json() == {"status": "ok"}

    ready = server.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert ready.json()["database"] != "ok"

    for path, body in {
        "/api/support/conversations": {},
        "/api/support/chat": {"message": "Is anybody there?"},
    }.items():
        answer = server.http.post(path, json=body)
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "unavailable"
        assert int(answer.headers["retry-after"]) == answer.json()["retry_after"] > 0

    hours = server.http.get("/api/support/hours")
    assert (hours.status_code, hours.json()["code"]) == (503, "unavailable")
    assert "cache-control" not in hours.headers, "a minute later it may be back"

    desk = server.http.get("/admin/", headers={"Cookie": "sessionid=" + "a" * 32})
    assert desk.status_code == 503
    assert "Traceback" not in desk.text
    assert desk.headers["retry-after"]
    assert "Is anybody there?" not in server.log


def test_readyz_names_a_cache_that_is_away(start_server: Callable[..., Server]) -> None:
    server = start_server(REDIS_URL="redis://127.0.0.1:1/0")
    answer = server.http.get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["database"], answer.json()["cache"]) == ("ok", "ConnectionError")
