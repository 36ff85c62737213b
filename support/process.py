"""What a serving process does besides answering: look around at its start, tidy up now and then, end well."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings
from django.urls import get_resolver

from support.api import limits
from support.bot import prompt, turn
from support.faults import DATABASE_FAULTS
from support.ledger import budget, pricing
from support.recovery import recover
from support.threads import in_thread

log = logging.getLogger("support.process")

_TIDY_SECONDS = 30
_STOP_SECONDS = 22
"""gunicorn gives the end of a worker's life 30 seconds after its last connection."""


class CannotStart(RuntimeError):
    """A setting would make the desk answer wrongly; the message names it."""


async def start() -> asyncio.Task[None]:
    """Refuses a model without a price, hands over what an earlier process left, and goes on tidying up.

    Raises CannotStart.
    """
    _ = get_resolver().url_patterns  # imports what the first request would otherwise wait for
    try:
        await in_thread(pricing.prices_of, settings.CHAT_MODEL)
    except pricing.UnknownModel as error:
        raise CannotStart(f"CHAT_MODEL: {error}") from None
    except DATABASE_FAULTS as error:
        log.error("the database is away (%s): answering 503 until it is back", type(error).__name__)
    if settings.ANTHROPIC_API_KEY:
        try:
            prompt.check_rules()
        except (OSError, UnicodeDecodeError) as error:
            raise CannotStart(f"SYSTEM_PROMPT_FILE: can't be read: {type(error).__name__}") from None
        from support.bot import claude

        claude.client()  # the import takes a second, which is not the first visitor's
    return asyncio.create_task(_tidy_up())


async def stop(tidying: asyncio.Task[None]) -> None:
    """Lets the answers end that nobody is connected to any more."""
    tidying.cancel()
    await turn.finish_all(_STOP_SECONDS)
    if settings.ANTHROPIC_API_KEY:
        from support.bot import claude

        await claude.close()


async def _tidy_up() -> None:
    rounds = 0
    while True:
        try:
            if done := await in_thread(recover):
                log.warning("recovered: %s", done)
            if rounds % 120 == 0:
                await in_thread(limits.forget_old)
                await in_thread(budget.forget_old)
        except Exception as error:  # this goes on for as long as the process lives
            log.error("tidying up: %s", type(error).__name__)
        rounds += 1
        await asyncio.sleep(_TIDY_SECONDS)
