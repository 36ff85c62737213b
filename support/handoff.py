"""When an answer, or a question, sends the visitor to a person. Plain text rules, no model."""

from __future__ import annotations

import re

from django.conf import settings

_ASKS_FOR_PERSON = re.compile(
    r"\b(?:talk|speak|chat|connect|put|transfer|pass)\b[^.?!]{0,40}"
    r"\b(?:human|person|agent|someone|somebody|representative|colleague|staff|advisor|adviser)\b"
    r"|\b(?:real|actual|live)\s+(?:human|person|agent)\b"
    r"|\b(?:human|person|agent)\s+please\b"
    r"|\b(?:want|need|get(?:\s+me)?)\s+(?:a|an|some)\s+(?:human|person|agent|representative|adviser|advisor)\b"
    r"|^\W*(?:human|agent|representative|operator)\W*$",
    re.IGNORECASE,
)


def sends_to_support(answer: str) -> bool:
    """Whether an answer names the support address as the way to go on (rule 1 of the wire contract)."""
    folded = answer.lower()
    return "email" in folded and settings.SUPPORT_EMAIL.lower() in folded


def asks_for_person(question: str) -> bool:
    """Whether a visitor asks for a person in so many words."""
    return _ASKS_FOR_PERSON.search(question) is not None
