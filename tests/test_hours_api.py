"""GET /api/support/hours: for everybody, cheap, and safe to keep for a minute."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from support import clock
from support.models import HoursException, WeeklyHours

URL = "/api/support/hours"
pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> None:
    """Monday to Friday from 9 to 5 with a break on Mondays, and Saturday until midnight."""
    spans = {0: [(540, 720), (780, 1020)], **{day: [(540, 1020)] for day in range(1, 5)}, 5: [(1200, 1440)]}
    for weekday, of_day in spans.items():
        for opens, closes in of_day:
            WeeklyHours.objects.create(weekday=weekday, opens_minute=opens, closes_minute=closes)
    HoursException.objects.create(date=date(2026, 12, 24), name="Christmas Eve", spans=[[540, 720]])
    HoursException.objects.create(date=date(2026, 12, 25), name="Christmas Day")
    HoursException.objects.create(date=date(2027, 4, 2), name="Good Friday")


@pytest.fixture
def it_is(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock, in UTC."""
    return lambda text: monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_it_says_all_there_is_to_know(api: Any, office: None, it_is: Any) -> None:
    it_is("2026-12-24 11:00")
    answer = api.get(URL)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.json() == {
        "time_zone": "Europe/London",
        "is_open": True,
        "closes_at": "2026-12-24T12:00:00Z",
        "opens_at": "2026-12-26T20:00:00Z",
        "text": "Monday 9:00-12:00 and 13:00-17:00, Tuesday to Friday 9:00-17:00, Saturday 20:00-24:00",
        "exceptions": [
            {"date": "2026-12-24", "name": "Christmas Eve", "closed": False, "spans": [["09:00", "12:00"]]},
            {"date": "2026-12-25", "name": "Christmas Day", "closed": True, "spans": []},
        ],
        "week": [
            {"weekday": 0, "spans": [["09:00", "12:00"], ["13:00", "17:00"]]},
            *({"weekday": day, "spans": [["09:00", "17:00"]]} for day in range(1, 5)),
            {"weekday": 5, "spans": [["20:00", "24:00"]]},
            {"weekday": 6, "spans": []},
        ],
    }


def test_times_are_in_utc_whatever_the_season(api: Any, office: None, it_is: Any) -> None:
    it_is("2026-07-01 17:00")
    answer = api.get(URL).json()
    assert (answer["is_open"], answer["closes_at"]) == (False, None)
    assert answer["opens_at"] == "2026-07-02T08:00:00Z", "9:00 in London"


def test_without_rows_nothing_is_promised(api: Any) -> None:
    answer = api.get(URL).json()
    assert (answer["is_open"], answer["closes_at"], answer["opens_at"], answer["text"]) == (None, None, None, "")
    assert answer["exceptions"] == []
    assert [day["spans"] for day in answer["week"]] == [[]] * 7


@pytest.mark.not_on_mongodb(reason="counts SQL statements")
def test_it_asks_the_database_once_in_ten_seconds(api: Any, office: None) -> None:
    api.get(URL)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert api.get(URL).status_code == 200
    assert len(captured) == 0


def test_no_credentials_are_needed_and_wrong_ones_do_no_harm(api: Any) -> None:
    api.credentials(HTTP_AUTHORIZATION="Token nobody's")
    assert api.get(URL).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_is_only_read(api: Any, method: str) -> None:
    answer = getattr(api, method)(URL)
    assert answer.status_code == 405
    assert "Cache-Control" not in answer.headers


def test_pages_of_allowed_origins_may_read_it(api: Any, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://rezvo.example"]
    answer = api.get(URL, HTTP_ORIGIN="https://rezvo.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://rezvo.example"
    assert "origin" in answer.headers["Vary"].lower(), "a cache must not give it to another origin"
