"""What the desk itself says to a visitor. Plain, short, and never an error message."""

from __future__ import annotations

from django.conf import settings

from support import hours


def handed_over(now: hours.State | None = None) -> str:
    """That a person takes over, and by the state of the team's hours also when; it reads no row itself."""
    return (
        "I've passed this on to our team: a person will take over from here and reply to you. "
        f"{_when_here(now)}You can also email {settings.SUPPORT_EMAIL}."
    )


def _when_here(now: hours.State | None) -> str:
    """A sentence with a blank after it, or ""."""
    if now is None:
        return ""
    clock = f"({hours.zone_text(now.zone)})"
    if now.is_open:
        until = hours.until_text(now)
        return f"Our team is here now{until} {clock}. " if until else "Our team is here now. "
    if not now.opens_at:
        return ""
    back = hours.when_text(now.opens_at, now)
    if now.exception and not back.startswith("today"):
        return f"Our team is away today ({now.exception}) and back {back} {clock}. "
    return f"Our team is back {back} {clock}. "


def with_a_person() -> str:
    return "Thank you. One of our team is already looking into this and has your message."


def still_waiting() -> str:
    return "Our team has your message: a person will take over from here and reply to you."


def budget_spent(scope: str, *, has_page: bool) -> str:
    """Why the assistant does not answer, and that a help page follows if one does."""
    why = {
        "day": "Our assistant has answered as much as it can today.",
        "month": "Our assistant has answered as much as it can this month.",
        "conversation": "Our assistant has answered as much as it can in this conversation.",
        "busy": "Our assistant has as many questions as it can take at this moment.",
    }.get(scope, "Our assistant has answered as much as it can for you today.")
    return f"{why} Here is what our help pages say:" if has_page else why


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
