"""One turn: a stored question becomes a stored answer, whatever happens to the visitor, the model or the worker.

A turn is a task of its own. Whoever shows it (the event stream, a repeated request, nobody any more) follows it;
it goes on when its followers leave, is bounded by CHAT_TURN_SECONDS, and always ends in `Conversation.answer`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError

from support import recovery
from support.bot.context import Context
from support.bot.writer import Writer
from support.clock import now
from support.faults import DATABASE_FAULTS
from support.models import Answer, Message
from support.threads import in_thread

log = logging.getLogger("support.turn")

_HEARTBEAT_SECONDS = 10
_CHECKPOINT_SECONDS = 2
_POLL_SECONDS = 0.3
_SAVE_ATTEMPTS = 6
_LEFT_FOR_SAVING_SECONDS = 10

_running: dict[str, Turn] = {}
"""The turns of this process by their message's id."""


def deadline() -> timedelta:
    """After which time a turn without an answer has no process any more."""
    return timedelta(seconds=settings.CHAT_TURN_SECONDS + 2 * _LEFT_FOR_SAVING_SECONDS)


class Load:
    """How many chats this process serves: being opened, written, or followed a second time."""

    opening = 0
    following = 0

    @classmethod
    def is_full(cls) -> bool:
        return cls.opening + len(_running) + cls.following >= settings.CHAT_OPEN_STREAMS


class Turn:
    """An answer in the making. `start()` it once; `follow()` it as often as needed.

    Its message stays pending where the answer could not be stored; `recover_turns` hands it to a person then.
    """

    def __init__(self, message: Message, context: Context) -> None:
        self.message = message
        self.conversation = message.conversation
        self._writer = Writer(message, context, self._on_text)
        self._waiters: list[asyncio.Future[None]] = []
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checkpoint: asyncio.Task[None] | None = None
        self._checkpoint_at = time.monotonic() + _CHECKPOINT_SECONDS

    def start(self) -> Turn:
        _running[self.message.pk] = self
        self._task = asyncio.create_task(self._run())
        return self

    async def follow(self) -> AsyncIterator[str]:
        """The answer's text from its beginning, as it is written; "" now and then while there is nothing new."""
        shown = 0
        parts = self._writer.parts
        while True:
            if shown < len(parts):
                new = "".join(parts[shown:])
                shown = len(parts)
                yield new
            elif self._done.is_set():
                return
            elif not await self._news():
                yield ""

    # --- Writing ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            answer = await self._writer.answer()
        except asyncio.CancelledError:
            answer = self._writer.broken_off("worker stopped")
        except Exception as error:  # whatever it is, the visitor's question must reach somebody
            log.error("turn %s: %s", self.message.pk, type(error).__name__, exc_info=settings.DEBUG)
            answer = self._writer.broken_off("internal error")
        try:
            await self._save(answer)
        except Exception as error:  # never its text: a database's error may hold what it could not store
            log.error("turn %s: not stored: %s", self.message.pk, type(error).__name__)
            with suppress(Exception):
                await self._save(self._writer.broken_off("not stored"))
        finally:
            _running.pop(self.message.pk, None)
            self._done.set()
            self._wake()

    def _on_text(self) -> None:
        self._wake()
        if time.monotonic() > self._checkpoint_at and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint_at = time.monotonic() + _CHECKPOINT_SECONDS
            self._checkpoint = asyncio.create_task(self._keep(self._writer.so_far()))

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _news(self) -> bool:
        """Waits for the next words or the end; False if there were none for a while."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        done, _ = await asyncio.wait([waiter], timeout=_HEARTBEAT_SECONDS)
        return bool(done)

    # --- Storing ----------------------------------------------------------------------------------

    async def _keep(self, columns: dict[str, Any]) -> None:
        """Stores what was shown and used so far, so that a killed process loses two seconds of it at most."""
        try:
            await in_thread(_checkpoint, self.message.pk, columns)
        except DATABASE_FAULTS as error:
            log.warning("turn %s: no checkpoint: %s", self.message.pk, type(error).__name__)

    async def _save(self, answer: Answer) -> None:
        for attempt in range(_SAVE_ATTEMPTS):
            try:
                # Shielded: a worker that stops cancels this task a second time, in the middle of the write.
                stored = in_thread(self.conversation.answer, self.message, answer)
                if not await asyncio.shield(asyncio.ensure_future(stored)):
                    await in_thread(_reread, self.message)  # another process took it for abandoned
                return
            except (DataError, IntegrityError):
                raise  # it would be refused again
            except DATABASE_FAULTS as error:
                log.error("turn %s: not stored: %s", self.message.pk, type(error).__name__)
                await asyncio.sleep(min(0.2 * 2**attempt, 3))


def _checkpoint(message_id: str, columns: dict[str, Any]) -> None:
    Message.objects.filter(pk=message_id, state=Message.State.PENDING).update(**columns)


def _reread(message: Message) -> None:
    """The message and its conversation as they are now; async code must not have to fetch the latter later."""
    conversation = message.conversation
    message.refresh_from_db()
    conversation.refresh_from_db()
    message.conversation = conversation


# --- Following a turn, wherever it runs ---------------------------------------------------------------


def here(message_id: str) -> Turn | None:
    """The turn of this message if this process is writing it."""
    return _running.get(message_id)


async def follow_stored(message: Message) -> AsyncIterator[str]:
    """The text of a turn that another process writes, or that has ended: read from the database until it ends.

    A turn whose process is gone is handed to a person here and now.
    """
    shown = ""
    while True:
        await in_thread(_reread, message)
        if message.assistant_message != shown and message.assistant_message.startswith(shown):
            yield message.assistant_message[len(shown) :]
            shown = message.assistant_message
        if not message.is_pending:
            return
        if message.deadline_at and message.deadline_at < now():
            await in_thread(recovery.hand_over, message)
            continue
        await asyncio.sleep(_POLL_SECONDS)
        yield ""


# --- The process --------------------------------------------------------------------------------------


async def finish_all(within_seconds: float) -> None:
    """Lets running turns end; those that don't in time are broken off and stored as such."""
    tasks = [turn._task for turn in _running.values() if turn._task]
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within_seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_LEFT_FOR_SAVING_SECONDS / 2)
