from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright has a loop in the tests' own thread

import hypothesis

from tests import server as servers
from tests.fake_claude import FakeClaude

# How long an example takes says how busy the machine is, nothing of the code.
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("desk")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TEST_REDIS_URL = os.environ.get("TEST_REDIS_URL", "")
_ANY_SERVER = {"server", "offline", "start_server"}
_NEEDS = {
    "chromium": (bool(CHROMIUM), "needs Chromium: apt-get install chromium"),
    "redis": (bool(TEST_REDIS_URL), "needs Redis: TEST_REDIS_URL=redis://127.0.0.1:6379/15"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from django.conf import settings

    on_mongodb = settings.DATABASE_URL.startswith("mongodb")
    if not settings.DATABASE_URL.startswith("postgres"):
        elsewhere = [item for item in items if item.get_closest_marker("only_on_postgresql")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
    for item in items:
        for name, (is_there, what_starts_it) in _NEEDS.items():
            if item.get_closest_marker(name) and not is_there:
                if os.environ.get("NOTHING_SKIPPED"):
                    pytest.exit(f"{item.nodeid} {what_starts_it}", returncode=1)
                item.add_marker(pytest.mark.skip(reason=what_starts_it))
        marker = item.get_closest_marker("not_on_mongodb")
        if marker and on_mongodb:
            item.add_marker(pytest.mark.skip(reason=f"not on MongoDB: {marker.kwargs['reason']}"))
        # Other processes see what these tests write only when it is committed.
        fixtures = getattr(item, "fixturenames", ())
        if _ANY_SERVER & set(fixtures):
            item.add_marker(pytest.mark.django_db(transaction=True))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from django.conf import settings

    if settings.DATABASE_URL.startswith("sqlite"):
        terminalreporter.write_line(
            "Ran on SQLite. The same suite runs on PostgreSQL with DATABASE_URL=postgres://USER@HOST/NAME and on "
            "MongoDB with DATABASE_URL=mongodb://HOST/ (a wire server for tests: tests/mongo_server.py)."
        )


_REFERENCE = {"django_migrations", "django_content_type", "auth_permission", "support_model_prices"}


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """After a test that committed its writes the tables are emptied, but for those that come filled.

    Django's own flush makes content types, permissions and prices anew, which takes longer than most tests.
    """
    from django.core.management.color import no_style
    from django.db import connection
    from django.test import TransactionTestCase

    from support.ledger.pricing import load_prices
    from support.models import ModelPrice

    prices: list[Any] = []

    def empty(case: Any) -> None:
        tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - _REFERENCE)
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, allow_cascade=False))
        now = list(ModelPrice.objects.order_by("pk").values())
        if not prices:
            ModelPrice.objects.all().delete()
            load_prices()
            prices.extend(ModelPrice.objects.order_by("pk").values())
        elif now != prices:
            ModelPrice.objects.all().delete()
            ModelPrice.objects.bulk_create([ModelPrice(**row) for row in prices])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest.fixture(autouse=True)
def _plain_settings(settings: Any, request: pytest.FixtureRequest) -> None:
    """Limits off, no key and no Redis, whatever the developer's own environment says."""
    if not _ANY_SERVER & set(request.fixturenames):
        # A real hash takes a quarter of a second by design; where a real server checks it, it must be real.
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.RATE_OPEN = settings.RATE_LOG = settings.RATE_CHAT = None
    settings.ANTHROPIC_API_KEY = settings.REDIS_URL = ""


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    from support import hours
    from support.api import limits
    from support.ledger import pricing

    yield
    hours.forget()
    pricing.forget()
    limits._redis_script.cache_clear()


@pytest.fixture
def anna(db: None) -> Any:
    """A superuser of the support team."""
    from support.models import User

    return User.objects.create_superuser("anna", password="anna's password", first_name="Anna")


@pytest.fixture
def ben(db: None) -> Any:
    """A colleague of Anna's."""
    from support.models import User

    return User.objects.create_user("ben", password="ben's password", is_staff=True, first_name="Ben")


@pytest.fixture
def api() -> Any:
    """An anonymous client of the API."""
    from rest_framework.test import APIClient

    return APIClient()


@pytest.fixture
def staff_api(anna: Any) -> Any:
    """Anna's client of the API."""
    from rest_framework.authtoken.models import Token
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=anna).key}")
    return client


@pytest.fixture(scope="session")
def _claude() -> Iterator[FakeClaude]:
    with FakeClaude() as claude:
        yield claude


@pytest.fixture
def claude(_claude: FakeClaude) -> Iterator[FakeClaude]:
    """The stand-in of Anthropic's API, with nothing scripted and nothing recorded."""
    _claude.reset()
    yield _claude
    _claude.reset()


@pytest.fixture(scope="session")
def _server(
    django_db_setup: None, django_db_blocker: Any, _claude: FakeClaude, tmp_path_factory: Any
) -> Iterator[servers.Server]:
    with django_db_blocker.unblock():
        server = servers.start(
            tmp_path_factory.mktemp("server") / "log",
            ANTHROPIC_API_KEY="sk-test",
            ANTHROPIC_BASE_URL=_claude.url,
            CHAT_TURN_SECONDS="6",
            CHAT_STALL_SECONDS="2",
        )
    yield server
    server.stop()


@pytest.fixture
def server(transactional_db: None, claude: FakeClaude, _server: servers.Server) -> servers.Server:
    """A gunicorn that answers with Claude (the stand-in); turns end within 6 s, stalls after 2 s."""
    return _server


@pytest.fixture(scope="session")
def _offline(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[servers.Server]:
    with django_db_blocker.unblock():
        server = servers.start(tmp_path_factory.mktemp("offline") / "log")
    yield server
    server.stop()


@pytest.fixture
def offline(transactional_db: None, _offline: servers.Server) -> servers.Server:
    """A gunicorn without a key."""
    return _offline


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., servers.Server]]:
    """Starts a gunicorn with settings of the test's own; stopped after it."""
    started: list[servers.Server] = []

    def start(**values: str) -> servers.Server:
        server = servers.start(tmp_path / f"log{len(started)}", **values)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # Without these Chromium calls home at every start.
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(_browser: Any) -> Iterator[Any]:
    """A page of a fresh browser profile; any error in its console or request to another host fails the test."""
    context = _browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            or wrong.append(f"request to another host: {request.url}")
        ),
    )
    yield page
    context.close()
    assert wrong == []
