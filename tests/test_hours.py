"""When the support team is here: the state at a moment, across changes of the clocks too, and how it is said."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support import hours
from support.bot import sentences
from support.clock import now
from support.hours import Day, Hours, State
from support.models import Conversation, HoursException, WeeklyHours
from support.models.hours import Span, clock, minute_of
from support.recovery import recover

LONDON = ZoneInfo("Europe/London")
OFFICE: Span = (9 * 60, 17 * 60)
WORKDAYS = ((OFFICE,),) * 5 + ((),) * 2
NEVER = ((),) * 7
MINUTE = timedelta(minutes=1)


def at(text: str, zone: ZoneInfo = LONDON) -> datetime:
    """A moment on the wall's clock in London."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def made(week: Any = WORKDAYS, *exceptions: Day, zone: ZoneInfo = LONDON) -> Hours:
    return Hours(zone, week, {day.date: day for day in exceptions})


def state(moment: datetime, known: Hours) -> State:
    found = hours.state(moment, known)
    assert found
    return found


def add(weekdays: Any, *spans: Span) -> None:
    for weekday in weekdays:
        for opens, closes in spans:
            WeeklyHours.objects.create(weekday=weekday, opens_minute=opens, closes_minute=closes)
    hours.forget()


def add_exception(day: str, name: str, *spans: Span) -> HoursException:
    row = HoursException.objects.create(date=date.fromisoformat(day), name=name, spans=[list(s) for s in spans])
    hours.forget()
    return row


# --- The state ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "is_open", "closes_at", "opens_at"),
    [
        ("2026-11-24 14:05", True, "2026-11-24 17:00", "2026-11-25 09:00"),
        ("2026-11-24 09:00", True, "2026-11-24 17:00", "2026-11-25 09:00"),
        ("2026-11-24 16:59:59.999", True, "2026-11-24 17:00", "2026-11-25 09:00"),
        ("2026-11-24 17:00", False, None, "2026-11-25 09:00"),
        ("2026-11-24 08:59:59.999", False, None, "2026-11-24 09:00"),
        ("2026-11-27 17:30", False, None, "2026-11-30 09:00"),
        # The clocks go back in the night to Sunday the 25th of October, and forward on the 29th of March.
        ("2026-10-23 18:00", False, None, "2026-10-26 09:00"),
        ("2026-03-27 16:00", True, "2026-03-27 17:00", "2026-03-30 09:00"),
    ],
)
def test_the_state_tells_until_when_and_from_when(
    moment: str, is_open: bool, closes_at: str | None, opens_at: str
) -> None:
    found = state(at(moment), made())
    assert (found.is_open, found.closes_at, found.opens_at) == (
        is_open,
        closes_at and at(closes_at),
        at(opens_at),
    )
    assert found.opens_at
    assert found.opens_at.tzinfo == UTC


def test_an_exception_takes_the_place_of_its_weekday() -> None:
    known = made(
        WORKDAYS,
        Day(date(2026, 12, 24), "Christmas Eve", ((9 * 60, 12 * 60),)),
        Day(date(2026, 12, 25), "Christmas Day", ()),
    )
    eve = state(at("2026-12-24 11:00"), known)
    assert (eve.is_open, eve.closes_at, eve.exception) == (True, at("2026-12-24 12:00"), "Christmas Eve")
    assert eve.opens_at == at("2026-12-28 09:00")
    day = state(at("2026-12-25 11:00"), known)
    assert (day.is_open, day.opens_at, day.exception) == (False, at("2026-12-28 09:00"), "Christmas Day")
    assert state(at("2026-12-26 11:00"), known).exception == ""


def test_hours_that_touch_are_one_also_over_midnight() -> None:
    night = (((22 * 60, 24 * 60),), ((0, 2 * 60),), (), (), (), (), ())
    found = state(at("2026-11-23 23:30"), made(night))
    assert (found.is_open, found.closes_at) == (True, at("2026-11-24 02:00"))
    assert found.opens_at == at("2026-11-30 22:00")


def test_a_team_that_is_always_here_never_closes() -> None:
    found = state(at("2026-11-23 23:30"), made((((0, 24 * 60),),) * 7))
    assert (found.is_open, found.closes_at, found.opens_at) == (True, None, None)


@pytest.mark.parametrize(("days", "is_found"), [(59, True), (60, False)])
def test_the_next_opening_is_looked_for_sixty_days_ahead(days: int, is_found: bool) -> None:
    noon = at("2026-11-24 12:00")
    opening = Day(date(2026, 11, 24) + timedelta(days=days), "Open day", ((13 * 60, 14 * 60),))
    found = state(noon, made(NEVER, opening))
    assert found.opens_at == (noon + timedelta(days=days, hours=1) if is_found else None)
    assert found.is_open is False


@pytest.mark.parametrize("known", [made(NEVER), made(NEVER, Day(date(2026, 12, 25), "Christmas Day", ()))])
def test_without_any_hour_there_is_no_state(known: Hours) -> None:
    assert hours.state(at("2026-11-24 12:00"), known) is None


# Half an hour's change in Lord Howe; a whole day that Samoa left out; a change at midnight in Beirut.
ZONES = {
    "Europe/London": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),
    "Pacific/Apia": ("2011-12-30T10:00",),
    "Asia/Beirut": ("2025-03-29T22:00", "2025-10-25T21:00"),
    "Asia/Kathmandu": ("2026-07-01T00:00",),
}
minutes = st.one_of(st.integers(0, 1440), st.integers(0, 16).map(lambda n: n * 15))


@st.composite
def spans_of_a_day(draw: Any) -> tuple[Span, ...]:
    ends = sorted(draw(st.lists(minutes, max_size=6, unique=True)))
    return tuple((ends[i], ends[i + 1]) for i in range(0, len(ends) - 1, 2))


@st.composite
def moments_near_a_change(draw: Any) -> tuple[str, datetime]:
    name = draw(st.sampled_from(sorted(ZONES)))
    change = datetime.fromisoformat(draw(st.sampled_from(ZONES[name]))).replace(tzinfo=UTC)
    return name, change + draw(st.integers(-36 * 60, 6 * 60)) * MINUTE


@settings(deadline=None)
@given(
    moments_near_a_change(),
    st.lists(spans_of_a_day(), min_size=7, max_size=7).map(tuple),
    st.dictionaries(st.integers(-1, 3), spans_of_a_day(), max_size=2),
)
@example(("Europe/London", datetime(2026, 3, 29, 0, 0, tzinfo=UTC)), (((90, 120), (121, 150)),) * 7, {})
@example(("Europe/London", datetime(2026, 10, 25, 0, 0, tzinfo=UTC)), (((75, 90),),) * 7, {})
def test_the_state_is_what_a_look_at_the_clock_every_minute_finds(
    near: tuple[str, datetime], week: Any, special: dict[int, tuple[Span, ...]]
) -> None:
    name, moment = near
    zone = ZoneInfo(name)
    first = moment.astimezone(zone).date()
    known = made(
        week,
        *(Day(first + timedelta(days=n), "Special", spans) for n, spans in sorted(special.items())),
        zone=zone,
    )

    def is_open(when: datetime) -> bool:
        wall = when.astimezone(zone)
        exception = known.exceptions.get(wall.date())
        spans = exception.spans if exception else week[wall.weekday()]
        return any(opens <= wall.hour * 60 + wall.minute < closes for opens, closes in spans)

    looked = [is_open(moment + n * MINUTE) for n in range(3 * 24 * 60)]
    changes = [n for n in range(1, len(looked)) if looked[n] != looked[n - 1]]
    closings = [moment + n * MINUTE for n in changes if not looked[n]]
    openings = [moment + n * MINUTE for n in changes if looked[n]]

    found = hours.state(moment, known)
    if found is None:
        assert not any(looked)
        return
    assert found.is_open == looked[0]
    if openings:
        assert found.opens_at == openings[0]
    if looked[0] and closings:
        assert found.closes_at == closings[0]
    end = moment + len(looked) * MINUTE
    assert openings or found.opens_at is None or found.opens_at >= end
    assert not looked[0] or closings or found.closes_at is None or found.closes_at >= end


# --- The rows -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_rows_are_read_joined_and_by_the_settings_clock(settings: Any) -> None:
    settings.SUPPORT_TIME_ZONE = "America/New_York"
    add([0], (13 * 60, 17 * 60), (9 * 60, 12 * 60), (12 * 60, 12 * 60 + 30))
    add_exception("2026-12-25", "Christmas Day")
    add_exception("2026-12-24", "Christmas Eve", (600, 720))
    known = hours.known()
    assert known.zone.key == "America/New_York"
    assert known.week == (((540, 750), (780, 1020)), (), (), (), (), (), ())
    assert [(day.date.day, day.spans) for day in known.exceptions.values()] == [(24, ((600, 720),)), (25, ())]
    found = hours.state(datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
    assert found
    assert found.closes_at == datetime(2026, 11, 23, 17, 30, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.not_on_mongodb(reason="counts SQL statements")
def test_two_queries_serve_for_ten_seconds_with_and_without_rows() -> None:
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            for _ in range(3):
                hours.state(at("2026-11-24 12:00"))
                hours.for_prompt(at("2026-11-24 12:00"))
        assert len(captured) == 2
        add(range(5), OFFICE)


@pytest.mark.django_db
def test_what_another_process_saved_is_known_after_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = at("2026-11-24 12:00")
    assert hours.state(moment) is None
    WeeklyHours.objects.create(weekday=1, opens_minute=540, closes_minute=1020)
    assert hours.state(moment) is None
    monkeypatch.setattr(hours, "_CACHE_SECONDS", -1)
    assert hours.state(moment)


@pytest.mark.parametrize(
    ("text", "minute"), [("0:00", 0), ("9:00", 540), ("09:05", 545), (" 17.30 ", 1050), ("24:00", 1440)]
)
def test_times_are_read_as_people_write_them(text: str, minute: int) -> None:
    assert minute_of(text) == minute
    assert minute_of(clock(minute)) == minute


@pytest.mark.parametrize("text", ["", "9", "9:5", "9:60", "24:01", "25:00", "nine", "-1:00", "9:00 pm", "٩:٠٠"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"such as 9:00"):
        minute_of(text)


def refused(row: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        row.full_clean()
    return " ".join(raised.value.messages)


@pytest.mark.django_db
def test_overlapping_and_reversed_hours_are_refused() -> None:
    add([0], OFFICE)
    for opens, closes in ((480, 541), (1019, 1440), (600, 660), (0, 1440), OFFICE):
        row = WeeklyHours(weekday=0, opens_minute=opens, closes_minute=closes)
        assert refused(row) == f"{clock(opens)}-{clock(closes)} overlaps Monday 9:00-17:00."
    for opens, closes in ((1020, 540), (540, 540)):
        assert "ends before it begins" in refused(WeeklyHours(weekday=3, opens_minute=opens, closes_minute=closes))
    assert "1440" in refused(WeeklyHours(weekday=3, opens_minute=0, closes_minute=1441))
    for weekday, opens, closes in ((0, 480, 540), (0, 1020, 1440), (1, 540, 1020)):
        WeeklyHours(weekday=weekday, opens_minute=opens, closes_minute=closes).full_clean()
    WeeklyHours.objects.get().full_clean()


@pytest.mark.django_db
def test_an_exception_is_refused_for_the_same_and_for_a_second_on_its_date() -> None:
    day = date(2026, 12, 24)
    assert "10:30-12:00 overlaps 9:00-11:00" in refused(
        HoursException(date=day, name="Eve", spans=[[630, 720], [540, 660]])
    )
    assert "ends before it begins" in refused(HoursException(date=day, name="Eve", spans=[[720, 600]]))
    add_exception("2026-12-24", "Eve")
    assert refused(HoursException(date=day, name="Again")) == "There is an entry for this day already."
    HoursException.objects.get().full_clean()


# --- In words -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        ([(range(5), [OFFICE]), ([5], [(600, 840)])], "Monday to Friday 9:00-17:00, Saturday 10:00-14:00"),
        ([(range(7), [OFFICE])], "Every day 9:00-17:00"),
        ([(range(7), [(0, 1440)])], "Every day all day"),
        ([([5, 6], [(1200, 1440)])], "Saturday and Sunday 20:00-24:00"),
        ([([0, 2, 4], [OFFICE])], "Monday, Wednesday and Friday 9:00-17:00"),
        (
            [([0, 1, 2, 4], [(540, 720), (780, 1020)]), ([3], [(780, 1200)])],
            "Monday to Wednesday and Friday 9:00-12:00 and 13:00-17:00, Thursday 13:00-20:00",
        ),
    ],
)
def test_equal_days_of_the_week_are_told_together(rows: Any, text: str) -> None:
    for weekdays, spans in rows:
        add(weekdays, *spans)
    assert hours.week_text() == text


@pytest.mark.django_db
def test_exceptions_are_told_for_the_next_two_weeks() -> None:
    moment = at("2026-12-11 23:30")
    add_exception("2026-12-10", "Yesterday")
    add_exception("2026-12-24", "Christmas Eve", (540, 720), (780, 840))
    add_exception("2026-12-25", "Christmas Day")
    add_exception("2026-12-26", "Boxing Day")
    eve = "Thursday 24 December 2026 (Christmas Eve): 9:00-12:00 and 13:00-14:00"
    day = "Friday 25 December 2026 (Christmas Day): closed"
    assert hours.exceptions_text(moment) == [eve, day]
    assert hours.exceptions_text(moment - timedelta(hours=24)) == [
        "Thursday 10 December 2026 (Yesterday): closed",
        eve,
    ]


@pytest.mark.django_db
def test_the_prompt_changes_with_the_rows_and_not_with_the_time() -> None:
    moment = at("2026-11-24 14:05")
    assert hours.for_prompt(moment) == hours.now_for_prompt(moment) == ""
    add(range(5), OFFICE)
    add_exception("2026-11-23", "Gone by")
    add_exception("2026-12-25", "Christmas Day")
    text = hours.for_prompt(moment)
    for said in (
        "Monday to Friday 9:00-17:00.",
        "Europe/London",
        "\n- Friday 25 December 2026 (Christmas Day): closed",
    ):
        assert said in text
    assert "Gone by" not in text
    for days in (1, 10, 31):
        assert hours.for_prompt(moment + timedelta(days=days, hours=3)) == text
    assert "Christmas" not in hours.for_prompt(at("2026-12-26 00:00"))
    add([5], (600, 840))
    assert hours.for_prompt(moment) != text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("moment", "line"),
    [
        (
            "2026-11-24 14:05",
            "It is Tuesday 24 November 2026, 14:05 in Europe/London; the team is here until 17:00.",
        ),
        (
            "2026-11-27 17:05",
            "It is Friday 27 November 2026, 17:05 in Europe/London; the team is away and back on Monday at 9:00.",
        ),
        (
            "2026-12-25 08:00",
            "It is Friday 25 December 2026, 8:00 in Europe/London; the team is away (Christmas Day) and back on "
            "Monday 4 January at 9:00.",
        ),
    ],
)
def test_the_model_is_told_what_time_it_is_for_the_team(moment: str, line: str) -> None:
    add(range(5), OFFICE)
    for day in range(25, 32):
        add_exception(f"2026-12-{day}", "Christmas Day" if day == 25 else "Winter break")
    add_exception("2027-01-01", "New Year’s Day")
    assert hours.now_for_prompt(at(moment)) == line


def test_who_is_handed_over_is_told_when_a_person_is_there() -> None:
    closing = made(WORKDAYS, Day(date(2026, 12, 25), "Christmas Day", ()))
    away = made((((0, 1440),),) * 7, Day(date(2026, 12, 1), "Away", ()))
    always, late = made((((0, 1440),),) * 7), made((((600, 1440),),) * 7)
    holiday = made(NEVER, Day(date(2027, 6, 1), "Open day", (OFFICE,)))
    for known, moment, said in (
        (closing, "2026-11-24 14:05", "Our team is here now until 17:00 (UK time)."),
        (closing, "2026-11-24 07:05", "Our team is back today at 9:00 (UK time)."),
        (closing, "2026-11-27 17:05", "Our team is back on Monday at 9:00 (UK time)."),
        (
            closing,
            "2026-12-25 11:00",
            "Our team is away today (Christmas Day) and back on Monday at 9:00 (UK time).",
        ),
        (always, "2026-11-24 14:05", "Our team is here now."),
        (away, "2026-11-24 14:05", "Our team is here now."),
        (late, "2026-11-24 14:05", "Our team is here now until midnight (UK time)."),
        (holiday, "2026-11-24 14:05", "reply to you."),
    ):
        text = sentences.handed_over(state(at(moment), known))
        assert "a person will take over" in text
        assert f"{said} You can also email" in text
    assert "Our team" not in sentences.handed_over()
    assert sentences.handed_over() == sentences.handed_over(None)


@pytest.mark.django_db
def test_a_visitor_whose_turn_was_lost_is_told_too() -> None:
    add(range(7), (0, 1440))
    conversation = Conversation.objects.create()
    message, _ = conversation.ask("Q", deadline_at=now() - MINUTE, idempotency_key=None)
    assert recover().handed_over == 1
    message.refresh_from_db()
    assert "a person will take over from here and reply to you. Our team is here now." in message.assistant_message


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/London", "UK time"),
        ("Europe/Berlin", "Berlin time"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires time"),
        ("UTC", "UTC"),
        ("Etc/GMT+5", "GMT+5"),
    ],
)
def test_visitors_are_told_by_which_clock(zone: str, text: str) -> None:
    assert hours.zone_text(ZoneInfo(zone)) == text


@pytest.mark.django_db
def test_a_date_is_stored_as_the_date_that_it_is() -> None:
    add_exception("2026-12-25", "Christmas Day", (0, 1440))
    row = HoursException.objects.get(date=date(2026, 12, 25))
    assert (type(row.date), row.date, row.spans) == (date, date(2026, 12, 25), [[0, 1440]])
    assert HoursException.objects.filter(date__gt=date(2026, 12, 25)).count() == 0
    assert datetime.combine(row.date, time()) == datetime(2026, 12, 25)
