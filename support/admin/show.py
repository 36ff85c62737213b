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

from support.clock import now
from support.models import Conversation

_SMALLEST_SHOWN = 50_000
"""Billionths of a dollar: less than this would be written as $0.0000, as if it were free."""


def dollars(billionths: int) -> str:
    """`$0.0034`: four decimals, as a chat costs a fraction of a cent."""
    if not billionths:
        return "$0"
    if billionths < _SMALLEST_SHOWN:
        return "<$0.0001"
    return f"${Decimal(billionths) / 10**9:,.4f}"


def moment(time: datetime) -> SafeString:
    """`18 Feb, 09:30`, with the full time on hover."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', *_full(time), date_format(localtime(time), "j M, H:i")
    )


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


def reason(value: str) -> str:
    """Why a conversation went to a person, in words."""
    return str(dict(Conversation.Reason.choices).get(value, value))


def _full(time: datetime) -> tuple[str, str]:
    return time.isoformat(), date_format(localtime(time), "l j F Y, H:i:s e")
