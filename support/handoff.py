"""When an answer, or a question, sends the visitor to a person. Plain text rules, no model."""

from __future__ import annotations

import re

from django.conf import settings

_WHO = (
    r"(?:(?:a|an|the|some|any|another|one\s+of|member\s+of|your|you|real|actual|live|human|support|sales|customer)\s+)*"
    r"(?:human|person|people|agent|someone|somebody|anyone|anybody|representative|rep|colleagues?|advis[eo]r|operator|"
    r"manager|staff|team|support|customer\s+(?:service|care)|you\s+guys|being)\b"
)
_BOT = r"(?:a|an|the|this|your)\s+(?:chat\s?bot|bot|robot|machine|computer|ai)\b"
_ASKS_FOR_PERSON = re.compile(
    # "talk to a human", but not "talk to my guests"
    rf"\b(?:talk|speak|chat)(?:ing)?\s+(?:directly\s+)?(?:to|with)\s+{_WHO}"
    # "put me through to an agent", but not "put a person on the list", "transfer my booking to someone"
    rf"|\b(?:connect|put|transfer|pass|hand)\s+(?:me|us|this|it)\s+(?:(?:on|over|through)\s+)?(?:to|with)\s+{_WHO}"
    # "is there anyone I can speak to"
    r"|\b(?:human|person|agent|someone|somebody|anyone|anybody)\s+(?:(?:that|who)\s+)?(?:I|we)\s+(?:can|could)\s+"
    r"(?:talk|speak|chat)\b"
    # "can somebody call me back"
    r"|\b(?:can|could|would)\s+(?:you|someone|somebody|a\s+(?:human|person|colleague))\s+(?:please\s+)?"
    r"(?:call|ring|phone)\s+(?:me|us)\b"
    r"|\b(?:real|actual|live)\s+(?:human|person|agent|operator)\b"
    # "I need a human"; a person only at the end or to do something: "I want a person removed from my team"
    r"|\b(?:want|need|like|prefer|(?:get|give)\s+me)\s+(?:a|an|some)\s+(?:human|agent|representative|advis[eo]r|operator)\b"
    r"|\b(?:want|need|like|prefer|(?:get|give)\s+me)\s+a\s+person"
    r"(?:\W*$|\s+(?:please|now|instead|not|to\s+(?:help|talk|speak|answer|look))\b)"
    # "table for one person, please" is no such wish
    r"|\b(?:human|agent|representative|operator),?\s+please\b"
    r"|^\W*(?:(?:a|an)\s+)?(?:human|person|agent|representative|operator|live\s+chat|customer\s+service)(?:,?\s+please)?\W*$"
    # "I don't want to talk to a bot"
    rf"|(?:n[o']t|hate|tired\s+of|stop|instead\s+of)\b[^.?!]{{0,20}}\b(?:talk|speak|chat)(?:ing)?\s+(?:to|with)\s+{_BOT}",
    re.IGNORECASE,
)
_DECLINES_PERSON = re.compile(
    rf"\b(?:do(?:n't|\s+not)|need(?:n't|\s+not)|rather\s+not|no\s+need\s+to|without)\s+(?:(?:want|need|have|like)\s+to\s+)?(?:talk|speak|chat)(?:ing)?\s+"
    rf"(?:to|with)\s+{_WHO}",
    re.IGNORECASE,
)


def sends_to_support(answer: str) -> bool:
    """Whether an answer names the support address as the way to go on (rule 1 of the wire contract)."""
    folded = answer.lower()
    return "email" in folded and settings.SUPPORT_EMAIL.lower() in folded


def asks_for_person(question: str) -> bool:
    """Whether a visitor asks for a person in so many words."""
    question = question.replace("’", "'")
    return _ASKS_FOR_PERSON.search(_DECLINES_PERSON.sub("", question)) is not None
