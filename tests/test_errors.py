"""Every error on a path of the API is JSON, and none is a 500, whatever a client sends."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from pymongo.errors import ServerSelectionTimeoutError

from rezvo_support.env import Rate
from support.api import views
from support.models import Conversation
from tests.server import JSON, Server

OPEN = "/api/support/conversations"
CHAT = "/api/support/chat"
ORIGIN = "https://www.rezvo.example"
TOO_LONG = b'{"user_id": "' + b"x" * 1_048_576 + b'"}'


def raw(server: Server, request: bytes) -> tuple[int, bytes, bytes]:
    """Sends bytes that no client library would; returns status, head and body."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b"}") and (part := connection.recv(65536)):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.lower(), body


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/support",
        "/api/support/",
        "/api/support/unknown",
        "/api/support/conversations/",
        f"/api/support/conversations/{'f' * 24}/",
        f"/api/support/conversations/{'f' * 24}/messages/",
        "/api/support/conversations/a/b/c",
        "/api/support/tickets/",
        "/api/schema/",
        "/api/%00%F0%9F%A6%86",
    ],
)
def test_an_unknown_path_is_a_404_in_json(anna: Any, method: str, path: str) -> None:
    """No redirect to a path with a slash, and no HTML of a failed CSRF check."""
    from rest_framework.test import APIClient

    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(anna)
    answer = getattr(browser, method)(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/json")
    assert answer.json() == {"detail": "Not found."}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", ["{", "", "[" * 100_000, "1" * 5_000, '{"user_id": NaN}', b"\xff", b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_a_400(api: Any, body: str | bytes) -> None:
    url = f"{OPEN}/{Conversation.objects.create().pk}/messages"
    answer = api.post(url, body, content_type="application/json")
    assert answer.status_code == 400
    assert list(answer.json()) in (["detail"], ["user_message"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "é"]
)
def test_another_media_type_is_a_415(api: Any, staff_api: Any, media_type: str) -> None:
    pk = Conversation.objects.create().pk
    for answer in (
        api.post(OPEN, "{}", content_type=media_type),
        api.post(f"{OPEN}/{pk}/messages", "{}", content_type=media_type),
        staff_api.patch(f"{OPEN}/{pk}", "{}", content_type=media_type),
    ):
        assert (answer.status_code, list(answer.json())) == (415, ["detail"])


@pytest.mark.django_db
def test_what_can_not_be_sent_is_a_406_in_json(staff_api: Any) -> None:
    for accept in ("text/html", "image/png", "x", "é/*;q=x"):
        answer = staff_api.get(OPEN, HTTP_ACCEPT=accept)
        assert (answer.status_code, answer.headers["Content-Type"]) == (406, "application/json")
    assert staff_api.get(OPEN, HTTP_ACCEPT="text/html, */*;q=0.8").status_code == 200, "a browser's own"


@pytest.mark.django_db
@pytest.mark.parametrize("fault", [OperationalError("gone"), ServerSelectionTimeoutError("gone")])
def test_a_database_that_is_away_is_a_503_that_says_when_to_come_again(
    api: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise fault

    monkeypatch.setattr(views, "get_object_or_404", fail)
    answer = api.post(f"{OPEN}/{'f' * 24}/messages", {"user_message": "x"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert (answer.json()["code"], answer.json()["retry_after"]) == ("unavailable", 5)
    assert answer.json()["message"] == answer.json()["detail"]


@pytest.mark.django_db
def test_a_fault_of_ours_is_json_too_and_says_nothing_about_itself(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(views, "get_object_or_404", fail)
    api.raise_request_exception = False
    answer = api.post(f"{OPEN}/{'f' * 24}/messages", {"user_message": "x"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "Something went wrong on our side."})


@pytest.mark.django_db
def test_too_many_requests_are_a_429_that_says_when_to_come_again(api: Any, settings: Any) -> None:
    settings.RATE_OPEN = settings.RATE_LOG = Rate(1, 60)
    opened = api.post(OPEN).json()
    url = f"{OPEN}/{opened['id']}/messages"
    assert api.post(url, {"user_message": "x"}).status_code == 201, "each endpoint has its own limit"
    for answer in (api.post(OPEN), api.post(url, {"user_message": "x"})):
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) == answer.json()["retry_after"] <= 60
        assert answer.json()["code"] == "rate_limited"


def test_a_body_over_1_mib_is_a_413(offline: Server) -> None:
    pk = offline.open()["id"]
    for method, path in (
        ("POST", OPEN),
        ("POST", f"{OPEN}/{pk}/messages"),
        ("PATCH", f"{OPEN}/{pk}"),
        ("POST", CHAT),
    ):
        answer = offline.http.request(method, path, content=TOO_LONG, headers=JSON)
        assert (answer.status_code, list(answer.json())) == (413, ["detail"]), path
    assert offline.http.post(OPEN, content=b'{"a": "' + b"x" * 1_048_567 + b'"}', headers=JSON).status_code == 201


@pytest.mark.parametrize("path", [OPEN, CHAT])
def test_a_body_in_chunks_without_a_length_is_a_413_as_well(offline: Server, path: str) -> None:
    chunks = b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(65)) + b"0\r\n\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    code, head_out, body = raw(offline, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    assert (code, b"content-type: application/json" in head_out) == (413, True)
    assert b"connection: close" in head_out
    assert body.startswith(b'{"detail"')


def test_a_body_in_chunks_is_read_like_any_other(offline: Server) -> None:
    answer = offline.http.post(OPEN, content=iter([b'{"user_', b'id": "7"}']), headers=JSON)
    assert (answer.status_code, answer.json()["user_id"]) == (201, "7")


def test_a_query_or_path_that_is_not_percent_encoded_is_a_400_without_html(offline: Server) -> None:
    for target in (f"{OPEN}?q=é".encode(), b"/api/support/\xff", f"{CHAT}?é".encode("latin-1")):
        code, head, body = raw(
            offline, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert code == 400
        assert b"html" not in head + body


@pytest.mark.parametrize("query", ["%", "=", "&&&", "?%ff=%fe", "q=%ff%00", "limit=%", "a=1&" * 900])
def test_an_odd_query_breaks_nothing(offline: Server, query: str) -> None:
    answer = offline.http.get(f"/api/support/tickets?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")


def test_a_query_over_4_kb_is_a_414(offline: Server) -> None:
    answer = offline.http.get(f"{OPEN}?q={'x' * 4_100}")
    assert (answer.status_code, answer.headers["content-type"]) == (414, "text/plain"), "gunicorn's own"


@pytest.mark.parametrize(
    "charset", ["hex", "idna", "undefined", "utf-16", "x", "", "utf-8;charset=hex", "*=utf-8''hex"]
)
def test_no_other_charset_than_utf_8_is_taken(offline: Server, charset: str) -> None:
    """Django would decode the query with it, outside its own handlers of errors: a 500 that is not JSON."""
    for path in (f"{OPEN}?x=1", f"{CHAT}?x=1"):
        headers = {"Content-Type": f"application/json; charset={charset}".replace("=*=", "*=")}
        answer = offline.http.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, list(answer.json())) == (415, ["detail"])


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", '"utf-8"', "utf-8; x=y"])
def test_utf_8_may_be_named(offline: Server, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    assert offline.http.post(OPEN, content=b"{}", headers=headers).status_code == 201


def test_a_host_that_is_not_ours_is_a_400_in_json(offline: Server) -> None:
    answer = offline.http.get(OPEN, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()) == (400, {"detail": "Bad request."})


def test_head_answers_without_a_body(offline: Server) -> None:
    for path, code in ((OPEN, 401), ("/api/schema", 200), ("/api/unknown", 404)):
        answer = offline.http.head(path)
        assert (answer.status_code, answer.content) == (code, b"")


def test_options_names_the_methods_of_the_chat(offline: Server) -> None:
    answer = offline.http.options(CHAT)
    assert (answer.status_code, answer.headers["allow"]) == (200, "POST, OPTIONS")


def test_a_header_with_underscores_is_not_taken_for_the_proxys(start_server: Callable[..., Server]) -> None:
    """`X_Forwarded_For` and `X-Forwarded-For` are the same variable to WSGI; the limits trust only the proxy's."""
    server = start_server(RATE_OPEN="1/min", TRUSTED_PROXIES="1")

    def send(forged: str, real: str) -> int:
        return server.http.post(OPEN, headers={"X_Forwarded_For": forged, "X-Forwarded-For": real}).status_code

    assert [send("203.0.113.1", "192.0.2.1"), send("203.0.113.2", "192.0.2.1")] == [201, 429]
    assert send("203.0.113.2", "192.0.2.2") == 201


def test_the_listed_origin_may_call_and_read_every_answer(start_server: Callable[..., Server]) -> None:
    server = start_server(CORS_ALLOWED_ORIGINS=ORIGIN)
    for path, method in ((OPEN, "POST"), (CHAT, "POST"), (f"{OPEN}/{'f' * 24}", "PATCH")):
        asked = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        }
        answer = server.http.options(path, headers=asked)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert method in answer.headers["access-control-allow-methods"]
        for name in asked["Access-Control-Request-Headers"].split(", "):
            assert name in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        # An error the page can't read would be an error the widget can't explain.
        answer = server.http.request(method, path, content=b"{", headers={"Origin": ORIGIN, **JSON})
        assert answer.status_code in (400, 401)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-expose-headers"] == "retry-after"
        stranger = server.http.options(path, headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"source": "\ud800"}, "source"),
        ("", {"source": 10**400}, "source"),
        ("/{id}/messages", {"user_message": "a", "input_tokens": 10**400}, "input_tokens"),
        ("/{id}/messages", {"user_message": "a", "output_tokens": 1e308}, "output_tokens"),
    ],
)
def test_a_value_that_cannot_even_be_repeated_is_a_400(
    api: Any, db: None, path: str, body: dict[str, Any], field: str
) -> None:
    conversation = Conversation.objects.create()
    sent = json.dumps(body)  # the client's own encoder could not say it
    answer = api.post(OPEN + path.format(id=conversation.pk), sent, content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_staff_who_show_a_visitors_token_are_that_visitor(client: Any, anna: Any) -> None:
    conversation = Conversation.objects.create(notes="for colleagues only")
    client.force_login(anna)
    path = f"/api/support/conversations/{conversation.pk}"
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {conversation.token}"}
    assert "notes" in client.get(path).json()
    assert "notes" not in client.get(path, **bearer).json()
    asked = client.patch(path, {"status": "needs_review"}, content_type="application/json", **bearer)
    assert asked.status_code == 200, "no CSRF token is needed where no cookie counts"
