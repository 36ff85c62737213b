"""When the support team is here: by the week and by date, on the clock of SUPPORT_TIME_ZONE.

Where no hours are given the functions return None or "", and nobody promises anything. Moments are aware
datetimes, results in UTC; only text speaks the time zone's clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from support.models import HoursException, WeeklyHours
from support.models.hours import DAY_MINUTES, Span, clock, day_text, span_text

AHEAD = timedelta(days=60)
"""How far ahead the next opening is looked for."""
_SOON = timedelta(days=14)
_IN_PROMPT = 20

_CACHE_SECONDS = 10
_cache: tuple[float, Hours] | None = None


@dataclass(frozen=True)
class Day:
    """A date with hours of its own; no spans where the team is away."""

    date: date
    name: str
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return f"{day_text(self.date)} ({self.name}): {spans_text(self.spans)}"


@dataclass(frozen=True)
class Hours:
    """What the rows say at one moment. Spans are in order and have a gap between them."""

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    """The spans of each weekday, Monday first."""
    exceptions: dict[date, Day]
    """By date, in order."""

    @property
    def are_given(self) -> bool:
        """Whether there is any hour to promise; days on which the team is away promise none."""
        return any(self.week) or any(day.spans for day in self.exceptions.values())

    def on(self, day: date) -> tuple[Span, ...]:
        """The spans of a date: its own if it has any, else its weekday's."""
        exception = self.exceptions.get(day)
        return exception.spans if exception else self.week[day.weekday()]

    def exceptions_from(self, moment: datetime, ahead: timedelta) -> list[Day]:
        """The exceptions from the date of `moment` on, up to that far ahead."""
        today = moment.astimezone(self.zone).date()
        return [day for date, day in self.exceptions.items() if today <= date <= today + ahead]


@dataclass(frozen=True)
class State:
    """Whether the team is here at `moment`, until when, and when it opens the next time after it."""

    zone: ZoneInfo
    moment: datetime
    is_open: bool
    closes_at: datetime | None
    """None while closed, and where no closing comes within `AHEAD`."""
    opens_at: datetime | None
    """The next opening, also while open; None where there is none within `AHEAD`."""
    exception: str
    """The name of today's exception, "" on an ordinary day."""


# --- The rows -------------------------------------------------------------------------------------


def known() -> Hours:
    """The hours as they are now. Two small queries, once in ten seconds."""
    # Asked for with every question and every page; hours change a few times a year.
    global _cache
    cached = _cache  # another thread may forget it at any moment
    if cached is None or time.monotonic() - cached[0] > _CACHE_SECONDS:
        cached = _cache = (time.monotonic(), _read())
    return cached[1]


def forget() -> None:
    """Reads the rows anew at the next question: called when hours are saved or deleted in this process."""
    global _cache
    _cache = None


def _read() -> Hours:
    week: list[list[Span]] = [[] for _ in range(7)]
    for row in WeeklyHours.objects.all():
        week[row.weekday].append(row.span)
    exceptions = {
        row.date: Day(row.date, row.name, _joined([(opens, closes) for opens, closes in row.spans]))
        for row in HoursException.objects.order_by("date")
    }
    zone = ZoneInfo(settings.SUPPORT_TIME_ZONE)
    return Hours(zone, tuple(map(_joined, week)), exceptions)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """In order, and one where one ends as the next begins (or later: two members of staff may save at once)."""
    joined: list[Span] = []
    for opens, closes in sorted(spans):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
        else:
            joined.append((opens, closes))
    return tuple(joined)


# --- The state at a moment ------------------------------------------------------------------------


def state(moment: datetime, hours: Hours | None = None) -> State | None:
    """The state at a moment, by the rows or by `hours`; None where no hours are given."""
    hours = hours or known()
    if not hours.are_given:
        return None
    moment = moment.astimezone(UTC)
    periods = _open_periods(hours, moment)
    begins, ends = next(periods, (None, None))
    is_open = begins == moment
    today = hours.exceptions.get(moment.astimezone(hours.zone).date())
    return State(
        zone=hours.zone,
        moment=moment,
        is_open=is_open,
        closes_at=ends if is_open and ends != moment + AHEAD else None,
        opens_at=next(periods, (None, None))[0] if is_open else begins,
        exception=today.name if today else "",
    )


def _open_periods(hours: Hours, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the team is here from `since` until `AHEAD` after it, in UTC, in order, with a gap between them."""
    begins = ends = None
    for start, end, offset in _offsets(hours.zone, since, since + AHEAD):
        # Within one offset the clock on the wall runs evenly.
        wall_start, wall_end = ((at + offset).replace(tzinfo=None) for at in (start, end))
        midnight = wall_start.replace(hour=0, minute=0, second=0, microsecond=0)
        while midnight < wall_end:
            for opens, closes in hours.on(midnight.date()):
                first = max(midnight + timedelta(minutes=opens), wall_start)
                last = min(midnight + timedelta(minutes=closes), wall_end)
                if first >= last:
                    continue
                first, last = ((at - offset).replace(tzinfo=UTC) for at in (first, last))
                if begins and ends and first > ends:
                    yield begins, ends
                    begins = None
                begins, ends = begins or first, last
            midnight += timedelta(days=1)
    if begins and ends:
        yield begins, ends


def _offsets(zone: tzinfo, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The time from `start` to `end` in pieces, each with the one offset from UTC that holds in it.

    Looked at piece by piece, no hour that a change of the clocks skips or repeats needs a rule of its own.
    """
    while start < end:
        offset = _offset(zone, start)
        next_start = min(start + timedelta(days=1), end)
        if _offset(zone, next_start) != offset:
            same, other = start, next_start
            while other - same > timedelta(seconds=1):
                middle = same + (other - same) / 2
                same, other = (middle, other) if _offset(zone, middle) == offset else (same, middle)
            next_start = other.replace(microsecond=0)  # clocks change at a whole second
        yield start, next_start, offset
        start = next_start


def _offset(zone: tzinfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def summary(moment: datetime) -> dict[str, Any]:
    """All of it in one: the state at a moment, the week, and the exceptions within `AHEAD`."""
    hours, now = known(), state(moment)
    return {
        "time_zone": hours.zone.key,
        "is_open": now.is_open if now else None,
        "closes_at": now.closes_at if now else None,
        "opens_at": now.opens_at if now else None,
        "text": week_text(),
        "exceptions": [
            {"date": day.date, "name": day.name, "closed": not day.spans, "spans": day.spans}
            for day in hours.exceptions_from(moment, AHEAD)
        ],
        "week": [{"weekday": weekday, "spans": spans} for weekday, spans in enumerate(hours.week)],
    }


# --- In words -------------------------------------------------------------------------------------


def week_text() -> str:
    """`Monday to Friday 9:00-17:00, Saturday 10:00-14:00`; "" where no day of the week has hours."""
    by_spans: dict[tuple[Span, ...], list[int]] = {}
    for weekday, spans in enumerate(known().week):
        if spans:
            by_spans.setdefault(spans, []).append(weekday)
    text = ", ".join(f"{_weekdays_text(days)} {spans_text(spans)}" for spans, days in by_spans.items())
    return text[:1].upper() + text[1:]


def exceptions_text(moment: datetime) -> list[str]:
    """The exceptions of the next 14 days, each as `Friday 25 December 2026 (Christmas Day): closed`."""
    return [str(day) for day in known().exceptions_from(moment, _SOON)]


def zone_text(zone: ZoneInfo) -> str:
    """The clock that a time is told by, as visitors know it: `UK time`, `Berlin time`, `UTC`."""
    if zone.key == "Europe/London":
        return "UK time"
    region, _, city = zone.key.rpartition("/")
    return f"{city.replace('_', ' ')} time" if region and region != "Etc" else city


def time_text(at: datetime, zone: ZoneInfo) -> str:
    """`9:00`."""
    wall = at.astimezone(zone)
    return clock(wall.hour * 60 + wall.minute)


def when_text(at: datetime, state: State) -> str:
    """A moment after the state's, so that it can't be taken for another: `today at 14:00`, `on Monday at 9:00`."""
    day, today = at.astimezone(state.zone).date(), state.moment.astimezone(state.zone).date()
    clock_time = time_text(at, state.zone)
    if day == today:
        return f"today at {clock_time}"
    if day - today < timedelta(days=7):
        return f"on {day:%A} at {clock_time}"
    return f"on {day:%A} {day.day} {day:%B} at {clock_time}"


def _weekdays_text(weekdays: list[int]) -> str:
    """`Monday to Friday and Sunday`; two neighbours are no range."""
    if len(weekdays) == 7:
        return "every day"
    runs: list[list[int]] = []
    for weekday in weekdays:
        if runs and weekday == runs[-1][-1] + 1:
            runs[-1].append(weekday)
        else:
            runs.append([weekday])
    names = [str(label) for label in WeeklyHours.Weekday.labels]
    parts: list[str] = []
    for run in runs:
        named = [names[weekday] for weekday in run]
        parts += [f"{named[0]} to {named[-1]}"] if len(run) > 2 else named
    return _listed(parts)


def spans_text(spans: tuple[Span, ...]) -> str:
    """`9:00-12:00 and 13:00-17:00`; `closed` and `all day` where nothing has to be counted."""
    if spans == ((0, DAY_MINUTES),):
        return "all day"
    return _listed([span_text(span) for span in spans]) or "closed"


def _listed(items: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


# --- For the bot ----------------------------------------------------------------------------------


def for_prompt(moment: datetime) -> str:
    """What the system prompt says of the team's hours; "" where none are given.

    The same rows make the same text, so that the model's prompt cache can hold it; an exception leaves it only
    when its date is over.
    """
    hours = known()
    if not hours.are_given:
        return ""
    lines = [
        f"The support team, who take over from you, are here at these hours ({hours.zone.key} time): "
        f"{week_text() or 'none in an ordinary week'}. Outside them nobody of the team answers: tell them to "
        "whoever asks, and promise nothing sooner."
    ]
    coming = [day for date, day in hours.exceptions.items() if date >= moment.astimezone(hours.zone).date()]
    if coming:
        lines += ["On these dates other hours hold:", *(f"- {day}" for day in coming[:_IN_PROMPT])]
    return "\n".join(lines)


def now_for_prompt(moment: datetime) -> str:
    """One line for the model that is true only now; "" where no hours are given. It belongs after what is cached.

    `It is Tuesday 24 November 2026, 14:05 in Europe/London; the team is here until 17:00.`
    """
    now = state(moment)
    if now is None:
        return ""
    line = f"It is {day_text(moment.astimezone(now.zone).date())}, {time_text(moment, now.zone)} in {now.zone.key}"
    if now.is_open:
        return f"{line}; the team is here{until_text(now)}."
    why = f" ({now.exception})" if now.exception else ""
    back = f" and back {when_text(now.opens_at, now)}" if now.opens_at else ""
    return f"{line}; the team is away{why}{back}."


def until_text(state: State) -> str:
    """` until 17:00`, with the blank before it; "" where no closing comes within a day."""
    if not state.closes_at or state.closes_at - state.moment > timedelta(days=1):
        return ""
    closes = time_text(state.closes_at, state.zone)
    return f" until {'midnight' if closes == '0:00' else closes}"
