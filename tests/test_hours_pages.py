"""What a visitor who waits for a person is told of the team's hours: Chromium against a real gunicorn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from support.models import HoursException, WeeklyHours
from tests.server import Server

# Each test has a server of its own: one that has read the rows keeps them for ten seconds.
pytestmark = pytest.mark.chromium

LINE = "[data-chat=hours]"


@pytest.fixture
def visitor(_browser: Any) -> Iterator[Callable[..., Page]]:
    """A page of a visitor who lives by another clock."""
    contexts = []

    def page(time_zone: str, locale: str) -> Page:
        context = _browser.new_context(timezone_id=time_zone, locale=locale)
        contexts.append(context)
        return context.new_page()

    yield page
    for context in contexts:
        context.close()


def ask_for_a_person(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("[data-chat=open]").click()
    page.locator("[data-chat=person]").click()
    expect(page.locator("[data-chat=banner]")).to_contain_text("A person will take over")


def test_a_visitor_is_told_by_his_own_clock_when_the_team_is_back(
    start_server: Callable[..., Server], visitor: Callable[..., Page]
) -> None:
    day = date.today() + timedelta(days=12)
    HoursException.objects.create(date=day, name="The only day", spans=[[540, 1020]])
    opens = datetime.combine(day, time(9), tzinfo=ZoneInfo("Europe/London"))
    server = start_server()
    for zone, locale, said in (
        ("Europe/London", "en-GB", "{0:%A},? {0.day} {0:%B} at 0?9:00"),
        ("America/New_York", "en-US", r"{0:%A}, {0:%B} {0.day} at {0.hour}:00\sAM your time"),
        ("Asia/Kathmandu", "en-US", r"{0:%A}, {0:%B} {0.day} at {1}:45\sPM your time"),
        # The chat's words stay English around it; the time is written as the visitor writes it.
        ("Europe/Paris", "fr-FR", "{0:%A},? {0.day} {0:%B} at {0.hour}:00 your time"),
    ):
        page = visitor(zone, locale)
        ask_for_a_person(page, server.url)
        local = opens.astimezone(ZoneInfo(zone))
        line = said.format(local, local.hour - 12)
        expect(page.locator(LINE)).to_have_text(re.compile(rf"^Our team is back on {line}\.$"))
    page.reload()
    page.locator("[data-chat=open]").click()
    expect(page.locator(LINE)).to_be_visible()
    expect(page.locator(LINE)).to_contain_text("Our team is back on")


def test_while_the_team_is_here_the_line_says_until_when(
    start_server: Callable[..., Server], visitor: Callable[..., Page]
) -> None:
    london = ZoneInfo("Europe/London")
    for weekday in range(7):
        WeeklyHours.objects.create(weekday=weekday, opens_minute=0, closes_minute=1440)
    closes = datetime.now(london) + timedelta(hours=12)
    minute = closes.hour * 60 + closes.minute
    HoursException.objects.create(date=closes.date(), name="Day out", spans=[[0, minute]] if minute else [])
    page = visitor("Europe/London", "en-GB")
    ask_for_a_person(page, start_server().url)
    line = rf"^Our team is here now, until 0?{closes.hour}:{closes:%M}\.$"
    expect(page.locator(LINE)).to_have_text(re.compile(line))


def test_a_closing_in_some_days_is_not_told_as_if_it_were_today(
    page: Page, start_server: Callable[..., Server]
) -> None:
    for weekday in range(7):
        WeeklyHours.objects.create(weekday=weekday, opens_minute=0, closes_minute=1440)
    HoursException.objects.create(date=date.today() + timedelta(days=9), name="Away")
    ask_for_a_person(page, start_server().url)
    expect(page.locator(LINE)).to_have_text("Our team is here now.")


def test_without_hours_nothing_is_said_and_they_are_asked_for_only_when_the_chat_opens(
    page: Page, start_server: Callable[..., Server]
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/hours" in request.url else None)
    page.goto(start_server().url)
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if "/api/" in url] == []
    with page.expect_response("**/api/support/hours"):
        page.locator("[data-chat=open]").click()
    page.locator("[data-chat=person]").click()
    expect(page.locator("[data-chat=banner]")).to_have_text("A person will take over")


@pytest.mark.parametrize("failure", ["no connection", "an error", "no JSON"])
def test_a_chat_that_cannot_learn_the_hours_goes_on_without_them(
    page: Page, offline: Server, failure: str
) -> None:
    def fail(route: Any) -> None:
        if failure == "no connection":
            route.abort("connectionrefused")
        else:
            route.fulfill(status=500 if failure == "an error" else 200, body="<p>Oops</p>")

    page.route("**/api/support/hours", fail)
    ask_for_a_person(page, offline.url)
    expect(page.locator("[data-chat=banner]")).to_have_text("A person will take over")
    expect(page.locator("[data-role=system]").last).to_contain_text("take over and reply")
