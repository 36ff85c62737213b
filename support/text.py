"""Text as every database, and UTF-8 itself, can hold it."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text without NUL (PostgreSQL stores none) and without half characters, which no UTF-8 can say.

    Two halves of one character that arrived apart are joined; a half without its other becomes U+FFFD.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "")


def ends_in_half(text: str) -> bool:
    """Whether the last character is the first half of one whose second half may be on its way."""
    return "\ud800" <= text[-1:] <= "\udbff"
