"""The answer that the stand-in gives to every question, and how to see that all of it has arrived."""

from __future__ import annotations

import re

DELTAS = tuple(f"word{number:02d} of " for number in range(40))
"""40 text deltas of about two tokens each; each holds a word that no other has, and no protocol."""

FIRST_WORD = b"word00"
_WORDS = re.compile(rb"word\d\d")

QUICKLY = "Quickly: "
"""A question that begins so is answered without pauses: to warm a server up that is asked slowly later."""


def is_whole(body: bytes) -> bool:
    """Whether every word is there, once and in its place, however a server has cut and wrapped them."""
    return _WORDS.findall(body) == [delta.split()[0].encode() for delta in DELTAS]
