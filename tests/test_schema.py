"""GET /api/schema: the OpenAPI document is valid, complete and true. GET /docs: Swagger UI, all of it ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from rest_framework.authtoken.models import Token

from support.api.fields import PageUrl, Question, StaffId, Text
from support.models import Conversation
from tests.server import ROOT, Server

OPERATIONS = {
    ("/api/schema", "get"): "getSchema",
    ("/api/support/analytics", "get"): "getAnalytics",
    ("/api/support/chat", "post"): "askBot",
    ("/api/support/conversations", "get"): "listConversations",
    ("/api/support/conversations", "post"): "openConversation",
    ("/api/support/conversations/{id}", "get"): "getConversation",
    ("/api/support/conversations/{id}", "patch"): "changeConversation",
    ("/api/support/conversations/{id}/messages", "post"): "logMessage",
    ("/api/support/hours", "get"): "getHours",
    ("/api/support/conversations/{id}/messages/{message_id}/rating", "post"): "rateMessage",
    ("/api/support/tickets", "get"): "listTickets",
    ("/healthz", "get"): "healthz",
    ("/readyz", "get"): "readyz",
}
READ = {"200", "400", "401", "403", "406", "414", "503"}
WRITE = {"201", "400", "406", "408", "413", "414", "415", "429", "503"}
BODY = {"408", "413", "415"}
RESPONSES = {
    "getSchema": {"200", "406", "414"},
    "getAnalytics": READ,
    "getHours": READ - {"401", "403"},
    "listConversations": READ,
    "listTickets": READ,
    "getConversation": READ | {"404"},
    "changeConversation": READ | BODY | {"404"},
    "openConversation": WRITE,
    "logMessage": WRITE | {"404"},
    "rateMessage": (WRITE | {"200", "401", "403", "404"}) - {"201"},
    "askBot": (WRITE | {"200", "401", "403", "404"}) - {"201", "406"},
    "healthz": {"200"},
    "readyz": {"200", "503"},
}
STAFF = [{"tokenAuth": []}, {"cookieAuth": []}]


@pytest.fixture
def document(api: Any) -> dict[str, Any]:
    return dict(api.get("/api/schema").json())


@pytest.fixture
def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """The properties of an operation's JSON body."""
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return dict(document["components"]["schemas"][name]["properties"])


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert not list(OpenAPIV31SpecValidator(document).iter_errors())


def test_it_is_json_unless_yaml_is_asked_for(api: Any) -> None:
    assert api.get("/api/schema").headers["Content-Type"] == "application/json"
    answer = api.get("/api/schema", HTTP_ACCEPT="application/yaml")
    assert answer.content.startswith(b"openapi: 3.1.0")


def test_every_operation_is_there_with_a_summary_and_a_tag(document: dict[str, Any]) -> None:
    """The pages (/, /docs, /admin/) are no API."""
    found = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {key: operation["operationId"] for key, operation in found.items()} == OPERATIONS
    assert all(operation["summary"] and len(operation["tags"]) == 1 for operation in found.values())


def test_every_answer_is_there(operations: dict[str, Any]) -> None:
    assert {name: set(operation["responses"]) for name, operation in operations.items()} == RESPONSES
    assert set(operations["askBot"]["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    for operation in operations.values():
        for code in ("429", "503"):
            if code in operation["responses"] and operation["operationId"] != "readyz":
                assert operation["responses"][code]["headers"]["Retry-After"]["required"]


def test_it_says_who_may_call_what(operations: dict[str, Any]) -> None:
    for name in ("openConversation", "logMessage", "getHours", "getSchema", "healthz", "readyz"):
        assert operations[name]["security"] == [{}], name
    for name in ("listConversations", "listTickets", "getAnalytics"):
        assert operations[name]["security"] == STAFF, name
    for name in ("getConversation", "changeConversation"):
        assert operations[name]["security"] == [{"visitorToken": []}, *STAFF], name
    assert operations["rateMessage"]["security"] == [{"visitorToken": []}]
    assert operations["askBot"]["security"] == [{"visitorToken": []}, {}]


def test_it_gives_the_limits_of_every_body(document: dict[str, Any], operations: dict[str, Any]) -> None:
    bodies = {
        name: body_of(document, operations[name])
        for name in ("openConversation", "logMessage", "changeConversation", "askBot")
    }
    page_url, question = {"maxLength": 2000, "pattern": PageUrl.pattern}, {"maxLength": 8000, "minLength": 1}
    tokens = {"minimum": 0, "maximum": 10_000_000, "type": "integer", "default": 0}
    for name, field, limits in (
        ("openConversation", "page_url", page_url),
        ("openConversation", "user_id", {"maxLength": 200, "type": ["string", "null"]}),
        ("logMessage", "user_message", {**question, "pattern": Question.pattern}),
        ("logMessage", "assistant_message", {"maxLength": 32000, "pattern": Text.pattern}),
        ("logMessage", "input_tokens", tokens),
        ("logMessage", "output_tokens", tokens),
        ("logMessage", "is_escalation", {"type": "boolean", "default": False}),
        ("changeConversation", "notes", {"maxLength": 20000}),
        ("changeConversation", "assigned_to", {"type": ["string", "null"], "pattern": StaffId.pattern}),
        ("askBot", "message", {**question, "pattern": Question.pattern}),
        ("askBot", "page_url", page_url),
    ):
        assert limits.items() <= bodies[name][field].items(), (name, field)
    assert operations["logMessage"]["requestBody"]["required"]
    assert operations["askBot"]["requestBody"]["required"]
    assert not operations["openConversation"]["requestBody"].get("required"), "everything in it is optional"


def test_an_articles_version_may_be_unknown_but_is_always_there(document: dict[str, Any]) -> None:
    article = document["components"]["schemas"]["Article"]
    assert article["properties"]["version"]["type"] == ["integer", "null"]
    assert set(article["required"]) == {"slug", "title", "version"}


def test_ids_and_keys_have_their_pattern(operations: dict[str, Any]) -> None:
    for operation in operations.values():
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in ("id", "message_id"):
                assert parameter["schema"] == {"type": "string", "pattern": "^[0-9a-f]{24}$"}
    for name in ("openConversation", "logMessage", "askBot"):
        assert "Idempotency-Key" in {parameter["name"] for parameter in operations[name]["parameters"]}


def test_it_is_true(start_server: Callable[..., Server], anna: Any, ben: Any, tmp_path: Path) -> None:
    """schemathesis tries what the document allows and what it forbids, one by one and in chains of calls.

    All of its checks are on, for every operation. `schema_hooks.py` fills in what is true of this desk but can't
    stand in any document: which well-formed ids exist (an assignment to nobody is rightly a 400), and that an
    Idempotency-Key belongs to one request (with another body it is rightly a 400).
    """
    server = start_server(ACCESS_LOG="yes")
    conversation = Conversation.objects.create()
    message, _ = conversation.log(
        user_message="Q",
        assistant_message="A",
        input_tokens=0,
        output_tokens=0,
        is_escalation=False,
        cost_usd_billionths=0,
    )
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={ROOT / 'tests' / 'schemathesis.toml'}",
            "run",
            f"{server.url}/api/schema",
            f"--header=Authorization: Token {Token.objects.create(user=anna).key}",
            "--checks=all",
            "--continue-on-failure",
            "--no-color",
        ],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.schema_hooks",
            "SCHEMATHESIS_CONVERSATION_ID": conversation.pk,
            "SCHEMATHESIS_MESSAGE_ID": message.pk,
            "SCHEMATHESIS_TOKEN": conversation.token,
            "SCHEMATHESIS_STAFF_ID": ben.pk,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr + server.log
    tested = len(OPERATIONS) - 1  # the tool leaves out the operation that it has the document from
    assert re.search(rf"Tested: +{tested}\b", run.stdout), run.stdout
    assert conversation.events.filter(kind="assigned", to_value=ben.pk).exists(), "valid requests got through"
    assert set(conversation.messages.values_list("answered_by", flat=True)) >= {"client", "offline"}
    assert f'/{message.pk}/rating" 200 ' in server.log, (
        "valid ratings got through; the last may have taken it back"
    )


class Links(HTMLParser):
    """The addresses that a page loads, and what strict content security policies forbid on it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline: list[str] = []
        self._is_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.urls += [value for name in ("src", "href") if (value := values.get(name))]
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        self._is_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.inline.append(data)


def test_the_docs_load_from_this_server_alone(offline: Server) -> None:
    page = offline.http.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = Links(page.text)
    assert len(links.urls) == 5
    assert not links.inline, "no script in the page itself: a strict policy may forbid those"
    for url in links.urls:
        assert url.startswith("/"), url
        assert not url.startswith("//"), url
        assert offline.http.get(url).status_code == 200, url


def test_the_docs_ask_no_other_server_later(offline: Server) -> None:
    script = offline.http.get("/docs?script=")
    assert script.headers["content-type"].startswith("application/javascript")
    assert "/api/schema" in script.text
    assert '"validatorUrl": null' in script.text, "else Swagger UI shows a badge made by swagger.io"
    assert not re.search(r"https?://", script.text)
    css = offline.http.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css").text
    assert not re.search(r"@import|url\(['\"]?(https?:)?//", css)
