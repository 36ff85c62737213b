"""Who is to answer a question, and from what: decided in one go before the first word."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from support import clock, hours
from support.bot import articles, prompt, rules
from support.ledger import budget, pricing
from support.models import Conversation, Message

log = logging.getLogger("support.context")


@dataclass(frozen=True)
class Context:
    """What an answer is made from. The database is not asked again until it is stored."""

    library: articles.Library
    reason: str = ""
    """Why a person is needed whatever a model would say."""
    prompt: prompt.Prompt | None = None
    prices: pricing.Prices | None = None
    """With a prompt, both: the model is to be called. Without, there is no key, no price or no budget."""
    hours: hours.State | None = None
    """Whether the support team is here; None where nobody has said."""
    spent: str = ""
    """Which budget had no room for this answer, see `budget.refusal`."""


def context_of(message: Message, *, is_first: bool, address_key: str = "") -> Context:
    """Decides who is to answer, and holds the cost of the answer in the budgets if it is the model.

    Queries: have the articles changed; in a conversation that goes on, the rules that count and the history;
    with a key, those of `Message.reserve`.
    """
    conversation = message.conversation
    now, now_text = _team_now()
    context = Context(articles.library(), hours=now)
    if conversation.has_person:
        return context
    if reason := rules.person_needed(message, is_first=is_first):
        return replace(context, reason=reason)
    prices = _prices()
    if not prices:
        return context
    pairs = [] if is_first else prompt.history(conversation, message)
    told = prompt.build(context.library, pairs, message.user_message, now_text)
    if not told:
        return replace(context, reason=Conversation.Reason.NO_ARTICLE)
    amount = prices.cost_at_most_usd_billionths(told.tokens_at_most, settings.CHAT_MAX_TOKENS)
    caps = budget.caps(conversation, address_key)
    if refused := message.reserve(amount, caps):
        return replace(context, spent=budget.refusal(refused, amount, caps[refused]))
    return replace(context, prompt=told, prices=prices)


_team: tuple[hours.Hours, datetime, hours.State | None, str] | None = None


def _team_now() -> tuple[hours.State | None, str]:
    """The state of the team's hours and what the model is told of it, worked out once a minute."""
    global _team
    known, moment = hours.known(), clock.now()
    minute = moment.replace(second=0, microsecond=0)
    cached = _team  # another thread may set it at any moment
    if cached is None or cached[0] is not known or cached[1] != minute:
        cached = _team = (known, minute, hours.state(moment), now_text(moment))
    return cached[2:]


def now_text(moment: datetime) -> str:
    """What the model is told of the team's hours; "" where none are given."""
    return "\n".join(filter(None, (hours.for_prompt(moment), hours.now_for_prompt(moment))))


def _prices() -> pricing.Prices | None:
    if not settings.ANTHROPIC_API_KEY:
        return None
    try:
        return pricing.prices_of(settings.CHAT_MODEL)
    except pricing.UnknownModel as error:
        log.error("CHAT_MODEL: %s", error)
        return None
