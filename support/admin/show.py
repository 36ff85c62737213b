"""How the desk writes a cost, a time, a status and a question."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.timezone import localtime

from support import hours
from support.clock import now
from support.models import Conversation, Message

_SMALLEST_SHOWN = 50_000
"""Billionths of a dollar: less than this would be written as $0.0000, as if it were free."""


def dollars(billionths: int) -> str:
    """`$0.0034`: four decimals, as a chat costs a fraction of a cent."""
    if not billionths:
        return "$0"
    if billionths < _SMALLEST_SHOWN:
        return "<$0.0001"
    return f"${Decimal(billionths) / 10**9:,.4f}"


def dollars_and_cents(billionths: int) -> str:
    """`$3.40`: what has been spent of a budget."""
    return f"${Decimal(billionths) / 10**9:,.2f}"


def moment(time: datetime) -> SafeString:
    """`18 Feb, 09:30`, with the year where it is another one; the full time on hover."""
    words = date_format(localtime(time), "j M, H:i" if time.year == now().year else "j M Y, H:i")
    return format_html('<time datetime="{}" title="{}">{}</time>', *_full(time), words)


def ago(time: datetime) -> SafeString:
    """`3 minutes ago`, with the full time on hover."""
    passed = now() - time
    words = "just now" if passed < timedelta(minutes=1) else f"{timesince(time, depth=1)} ago"
    return format_html('<time datetime="{}" title="{}">{}</time>', *_full(time), words)


def first_line(question: str | None) -> str:
    """What a conversation is about, as far as one line tells it."""
    lines = (line.strip() for line in (question or "").splitlines())
    return Truncator(next(filter(None, lines), "No question yet")).chars(120)


def status_badge(status: str) -> SafeString:
    label = dict(Conversation.Status.choices).get(status, status)
    return format_html('<span class="desk-badge desk-status-{}">{}</span>', status, label)


def rating_badge(message: Message) -> SafeString | str:
    """What the visitor thought of an answer, with the time on hover; nothing where he has not said."""
    if not message.rating or not message.rated_at:
        return ""
    return format_html(
        ' <span class="desk-badge desk-rated-{}" title="{}">Rated {}</span>',
        message.rating,
        _full(message.rated_at)[1],
        Message.Rating(message.rating).label,
    )


def reason(value: str) -> str:
    """Why a conversation went to a person, in words."""
    return str(dict(Conversation.Reason.choices).get(value, value))


def opening(state: hours.State | None) -> SafeString | str:
    """`Open until 17:00` or `Closed now, opens Wed 9:00`; "" without hours.

    The time zone and the exceptions of the next two weeks are shown on hover.
    """
    if state is None:
        return ""
    if state.is_open:
        words = f"Open{hours.until_text(state)}"
    else:
        words = f"Closed now ({state.exception})" if state.exception else "Closed now"
        if state.opens_at:
            words += f", opens {_day(state.opens_at, state)}{hours.time_text(state.opens_at, state.zone)}"
    more = "\n".join([state.zone.key, *hours.exceptions_text(state.moment)])
    return format_html('<span title="{}">{}</span>', more, words)


def _day(time: datetime, state: hours.State) -> str:
    """`Wed `, `Mon 4 Jan ` where a weekday would not do, "" for today."""
    day, today = (at.astimezone(state.zone).date() for at in (time, state.moment))
    if day == today:
        return ""
    return f"{day:%a} " if day - today < timedelta(days=7) else f"{day:%a} {day.day} {day:%b} "


def _full(time: datetime) -> tuple[str, str]:
    return time.isoformat(), date_format(localtime(time), "l j F Y, H:i:s e")
