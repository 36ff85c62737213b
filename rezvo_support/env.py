"""Typed readers of the environment; `settings.py` is their only caller.

A bad value raises `BadSetting` with one line that names the setting, what it holds and what it may hold.
Secrets may also come from a file: `NAME_FILE` names it (Docker and systemd credentials).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured


class BadSetting(ImproperlyConfigured):
    """A setting that can't be used; the message is one line and starts with the setting's name."""


class Rate(NamedTuple):
    """At most so many requests in any `seconds` seconds."""

    requests: int
    seconds: int


_PERIODS = {"s": 1, "sec": 1, "min": 60, "m": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400}
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """The value without surrounding blanks; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def secret(name: str, kept_in: Path | None = None) -> str:
    """`NAME`, or the content of the file that `NAME_FILE` names, or of `kept_in` if there is one; else "".

    Raises BadSetting if the file can't be read.
    """
    if value := text(name):
        return value
    if path := text(f"{name}_FILE"):
        return _content(f"{name}_FILE", Path(path))
    return _content(name, kept_in) if kept_in and kept_in.exists() else ""


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{name}: can't read {path}: {error.__class__.__name__}") from None


def integer(name: str, default: int, *, at_least: int, at_most: int) -> int:
    """A whole number within the limits, both included. Raises BadSetting."""
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", value) or not at_least <= int(value) <= at_most:
        raise BadSetting(f"{name}: {value!r} is not a whole number from {at_least} to {at_most}")
    return int(value)


def boolean(name: str, default: bool) -> bool:
    """1/true/yes/on or 0/false/no/off, in any case. Raises BadSetting."""
    value = text(name).lower()
    if not value:
        return default
    if value not in _TRUE | _FALSE:
        raise BadSetting(f"{name}: {value!r} is neither yes nor no (1/true/yes/on, 0/false/no/off)")
    return value in _TRUE


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`. Raises BadSetting."""
    value = text(name, default)
    if value not in choices:
        raise BadSetting(f"{name}: {value!r} is none of {', '.join(choices)}")
    return value


def rate(name: str, default: str) -> Rate | None:
    """`COUNT/PERIOD` such as `30/min`, or `off` (None). Raises BadSetting."""
    value = text(name, default).lower()
    if value == "off":
        return None
    found = re.fullmatch(r"([0-9]{1,6})/([a-z]+)", value)
    if not found or found[2] not in _PERIODS or int(found[1]) == 0:
        raise BadSetting(f"{name}: {value!r} is not a rate such as 30/min, 5/s, 1000/day, nor 'off'")
    return Rate(int(found[1]), _PERIODS[found[2]])


def usd_billionths(name: str, default: str) -> int | None:
    """Dollars such as `5` or `0.25`, as billionths of a dollar, or `off` (None). Raises BadSetting."""
    value = text(name, default).lower()
    if value == "off":
        return None
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value):
        raise BadSetting(f"{name}: {value!r} is not an amount of dollars such as 5 or 0.25, nor 'off'")
    return int(Decimal(value) * 10**9)


def items(name: str, default: tuple[str, ...] = (), *, check: Callable[[str], bool] | None = None) -> list[str]:
    """Comma-separated values; `check` must hold for each. Raises BadSetting."""
    values = [item.strip() for item in text(name).split(",") if item.strip()] or list(default)
    for value in values:
        if check and not check(value):
            raise BadSetting(f"{name}: {value!r} can't be used here")
    return values


def email(name: str, default: str) -> str:
    """An email address. Raises BadSetting."""
    value = text(name, default)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise BadSetting(f"{name}: {value!r} is not an email address")
    return value


def time_zone(name: str, default: str) -> str:
    """The name of a time zone that this machine knows. Raises BadSetting."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # no such file, a path, a folder such as Europe
        raise BadSetting(
            f"{name}: {value!r} is no time zone such as Europe/London (where all are refused, this machine has "
            "none: install its package tzdata)"
        ) from None
    return value


def url(name: str, schemes: tuple[str, ...], default: str = "") -> str:
    """A URL with one of `schemes` and a host (a path serves where the scheme is sqlite). Raises BadSetting.

    The value itself stays out of the message: it may hold a password.
    """
    value = text(name, default)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in schemes and bool(parts.netloc or parts.scheme == "sqlite")
        _ = parts.port  # a port that is no number raises here rather than at the first query
    except ValueError:
        # A list of MongoDB hosts is no single host and port, and is fine.
        usable = value.startswith(("mongodb://", "mongodb+srv://")) and "mongodb" in schemes
    if not usable:
        raise BadSetting(f"{name}: not a URL that starts with {' or '.join(s + '://' for s in schemes)}")
    return value


def is_origin(value: str) -> bool:
    """Whether `value` is an origin as browsers send it: scheme, host, port, and no path."""
    return re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", value) is not None
