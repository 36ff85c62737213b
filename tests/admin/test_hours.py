"""The pages of the opening hours, and the line that the list of conversations has of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from support import clock, hours
from support.models import HoursException, WeeklyHours
from tests.admin.page import LIST, Desk, fields_of

WEEK = "/admin/support/weeklyhours/"
EXCEPTIONS = "/admin/support/hoursexception/"


@pytest.fixture
def monday(db: None) -> WeeklyHours:
    return WeeklyHours.objects.create(weekday=0, opens_minute=540, closes_minute=1020)


@pytest.fixture
def christmas(db: None) -> HoursException:
    return HoursException.objects.create(date=date(2026, 12, 25), name="Christmas Day")


def add_hours(desk: Desk, *weekdays: int, opens: str = "9:00", closes: str = "17:00") -> str:
    """Fills in the form; returns what the page then says."""
    form = {"weekdays": [*weekdays], "opens_minute": opens, "closes_minute": closes}
    return str(desk.client.post(f"{WEEK}add/", form, follow=True).content.decode())


def add_exception(desk: Desk, spans: str, day: str = "2026-12-24") -> str:
    form = {"date": day, "name": "Christmas Eve", "spans": spans}
    return str(desk.client.post(f"{EXCEPTIONS}add/", form, follow=True).content.decode())


def all_spans() -> list[tuple[int, int, int]]:
    return list(WeeklyHours.objects.values_list("weekday", "opens_minute", "closes_minute"))


def test_every_page_opens(desk: Desk, monday: WeeklyHours, christmas: HoursException) -> None:
    for page, shown in (
        (WEEK, "<h2>Monday 9:00-17:00 (Europe/London)</h2>"),
        (f"{WEEK}add/", "Europe/London"),
        (f"{WEEK}{monday.pk}/change/", 'value="9:00"'),
        (EXCEPTIONS, "Friday 25 December 2026"),
        (f"{EXCEPTIONS}add/", "Empty if the team is away all day."),
        (f"{EXCEPTIONS}{christmas.pk}/change/", "Christmas Day"),
    ):
        response = desk.client.get(page)
        assert response.status_code == 200, page
        assert shown in response.content.decode(), page


def test_staff_without_the_permission_see_no_hours(client: Client, ben: Any, monday: WeeklyHours) -> None:
    client.force_login(ben)
    for page in (WEEK, EXCEPTIONS, f"{WEEK}add/", f"{WEEK}{monday.pk}/change/"):
        assert client.get(page).status_code == 403


def test_staff_who_may_only_look_see_times_too(
    client: Client, ben: Any, monday: WeeklyHours, christmas: HoursException
) -> None:
    HoursException.objects.filter(pk=christmas.pk).update(spans=[[600, 660]])
    names = ("view_weeklyhours", "view_hoursexception")
    ben.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(ben)
    for page, shown, raw in (
        (f"{WEEK}{monday.pk}/change/", "9:00-17:00", "540"),
        (f"{EXCEPTIONS}{christmas.pk}/change/", "10:00-11:00", "600"),
    ):
        html = client.get(page).content.decode()
        assert f'<div class="readonly">{shown}</div>' in html
        assert raw not in html.partition('<div class="readonly">')[2].partition("</fieldset>")[0]


def test_hours_are_added_to_several_days_at_once(desk: Desk) -> None:
    hours.known()
    html = add_hours(desk, 0, 1, 2)
    for day in ("Monday", "Tuesday", "Wednesday"):
        assert f"{day} 9:00-17:00" in html
    assert all_spans() == [(0, 540, 1020), (1, 540, 1020), (2, 540, 1020)]
    assert LogEntry.objects.count() == 3
    assert hours.week_text() == "Monday to Wednesday 9:00-17:00", "at once, in this process"


def test_midnight_can_be_typed_either_way(desk: Desk) -> None:
    add_hours(desk, 4, opens="0:00", closes="24:00")
    add_hours(desk, 5, opens="20.30", closes="00:00")
    assert all_spans() == [(4, 0, 1440), (5, 1230, 1440)]


@pytest.mark.parametrize(
    ("weekdays", "opens", "closes", "said"),
    [
        ((1,), "17:00", "9:00", "17:00-9:00 ends before it begins."),
        ((0, 1), "12:00", "20:00", "12:00-20:00 overlaps Monday 9:00-17:00."),
        ((1,), "nine", "17:00", "Write a time such as 9:00"),
        ((1,), "24:00", "24:00", "24:00-24:00 ends before it begins."),
        ((), "9:00", "17:00", "This field is required."),
        ((7,), "9:00", "17:00", "7 is not one of the available choices."),
        ((1,), "", "17:00", "This field is required."),
    ],
)
def test_hours_that_cannot_be_are_refused_once_and_nothing_is_saved(
    desk: Desk, monday: WeeklyHours, weekdays: tuple[int, ...], opens: str, closes: str, said: str
) -> None:
    html = add_hours(desk, *weekdays, opens=opens, closes=closes)
    assert html.count(said) == 1, html
    assert all_spans() == [(0, 540, 1020)]


def test_hours_are_changed_and_deleted_at_once(desk: Desk, monday: WeeklyHours) -> None:
    assert hours.week_text() == "Monday 9:00-17:00"
    page = f"{WEEK}{monday.pk}/change/"
    form = fields_of(desk.client.get(page).content.decode(), "weeklyhours_form")
    assert form["opens_minute"] == "9:00"
    desk.client.post(page, {**form, "weekday": "1", "closes_minute": "12:30"})
    assert hours.week_text() == "Tuesday 9:00-12:30"
    desk.client.post(f"{WEEK}{monday.pk}/delete/", {"post": "yes"})
    assert hours.week_text() == ""


def test_saving_hours_unchanged_changes_nothing(
    desk: Desk, monday: WeeklyHours, christmas: HoursException
) -> None:
    HoursException.objects.filter(pk=christmas.pk).update(spans=[[540, 660], [720, 1440]])
    for page, form_id in (
        (f"{WEEK}{monday.pk}/change/", "weeklyhours_form"),
        (f"{EXCEPTIONS}{christmas.pk}/change/", "hoursexception_form"),
    ):
        form = fields_of(desk.client.get(page).content.decode(), form_id)
        assert desk.client.post(page, form).status_code == 302
    assert LogEntry.objects.values_list("change_message", flat=True).distinct().get() == "[]"
    christmas.refresh_from_db()
    assert christmas.spans == [[540, 660], [720, 1440]]


@pytest.mark.parametrize(
    ("typed", "spans", "shown"),
    [
        ("", [], "closed"),
        ("13:00-17:00, 9:00 – 12:00", [[540, 720], [780, 1020]], "9:00-12:00 and 13:00-17:00"),
        ("0:00-0:00,", [[0, 1440]], "all day"),
    ],
)
def test_an_exception_is_typed_as_it_is_said(desk: Desk, typed: str, spans: list[Any], shown: str) -> None:
    hours.known()
    html = add_exception(desk, typed)
    assert HoursException.objects.get().spans == spans
    assert f'class="field-times">{shown}<' in html
    assert list(hours.known().exceptions) == [date(2026, 12, 24)], "at once, in this process"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("10-14", "Write a time such as 9:00"),
        ("closed", "Write hours such as 10:00-14:00"),
        ("10:00-14:00-16:00", "Write a time such as 9:00"),
        ("14:00-10:00", "14:00-10:00 ends before it begins."),
        ("9:00-12:00, 11:00-14:00", "11:00-14:00 overlaps 9:00-12:00."),
    ],
)
def test_an_exception_that_cannot_be_is_refused(desk: Desk, typed: str, said: str) -> None:
    html = add_exception(desk, typed)
    assert html.count(said) == 1
    assert f'value="{typed}"' in html, "what was typed is still there"
    assert not HoursException.objects.exists()


def test_a_date_has_one_exception(desk: Desk, christmas: HoursException) -> None:
    html = add_exception(desk, "10:00-12:00", day="2026-12-25")
    assert "There is an entry for this day already." in html
    assert HoursException.objects.get().is_closed


@pytest.mark.parametrize("page", [WEEK, EXCEPTIONS])
def test_delete_selected_is_known_at_once(
    desk: Desk, monday: WeeklyHours, christmas: HoursException, page: str
) -> None:
    row: Any = {WEEK: monday, EXCEPTIONS: christmas}[page]
    hours.known()
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    desk.client.post(page, chosen)
    assert not type(row).objects.exists()
    known = hours.known()
    assert (any(known.week), bool(known.exceptions)) == (page != WEEK, page != EXCEPTIONS)


def test_a_deleted_exception_is_forgotten_at_once(desk: Desk, christmas: HoursException) -> None:
    assert hours.known().exceptions
    desk.client.post(f"{EXCEPTIONS}{christmas.pk}/delete/", {"post": "yes"})
    assert not hours.known().exceptions


# --- The list of conversations --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "line"),
    [
        ("2026-11-24 14:05", "Open until 17:00"),
        ("2026-11-24 17:05", "Closed now, opens Wed 9:00"),
        ("2026-11-24 07:05", "Closed now, opens 9:00"),
        ("2026-12-25 12:00", "Closed now (Christmas Day), opens Mon 4 Jan 9:00"),
    ],
)
def test_the_list_says_whether_the_team_is_here(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, moment: str, line: str
) -> None:
    for weekday in range(5):
        WeeklyHours.objects.create(weekday=weekday, opens_minute=540, closes_minute=1020)
    for day in (*(date(2026, 12, n) for n in range(25, 32)), date(2027, 1, 1)):
        HoursException.objects.create(date=day, name="Christmas Day" if day.day == 25 else "Winter break")
    monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(moment).replace(tzinfo=UTC))
    html = desk.client.get(LIST).content.decode()
    assert f">{line}</span>" in html
    assert 'title="Europe/London' in html
    assert ("Friday 25 December 2026 (Christmas Day): closed" in html) == moment.startswith("2026-12")


def test_the_list_of_a_desk_without_hours_says_nothing_of_them(desk: Desk) -> None:
    assert "desk-opening" not in desk.client.get(LIST).content.decode()
