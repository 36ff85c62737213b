"""What the desk itself says to a visitor. Plain, short, and never an error message."""

from __future__ import annotations

from django.conf import settings


def handed_over() -> str:
    return (
        "I've passed this on to our team: a person will take over from here and reply to you. "
        f"You can also email {settings.SUPPORT_EMAIL}."
    )


def with_a_person() -> str:
    return "Thank you. One of our team is already looking into this and has your message."


def interrupted() -> str:
    return "Sorry, my answer broke off there."


def model_down() -> str:
    return "Sorry, I can't give you a proper answer just now."


def model_down_but() -> str:
    return "I'm having trouble answering just now, but our help pages say this:"


def refused() -> str:
    return "Sorry, I can't help with that one."


def cut_short() -> str:
    return "(That is as much as fits in one answer. Ask me to go on if you need the rest.)"


def welcome() -> str:
    return "You're welcome. Just write again if anything else comes up."


def greeting(titles: list[str]) -> str:
    if not titles:
        return "Hello! What can I help you with?"
    return "Hello! What can I help you with? I know about, for example:\n\n" + "\n".join(f"- {t}" for t in titles)
