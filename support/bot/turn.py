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
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DataError, IntegrityError

from support import recovery
from support.bot import articles, offline, prompt, sentences
from support.clock import now
from support.faults import DATABASE_FAULTS
from support.handoff import asks_for_person
from support.ledger import pricing
from support.models import Answer, Conversation, Message
from support.threads import in_thread

if TYPE_CHECKING:
    from support.bot.claude import Call

log = logging.getLogger("support.turn")

_HEARTBEAT_SECONDS = 10
_CHECKPOINT_SECONDS = 2
_POLL_SECONDS = 0.3
_OFFLINE_WORD_SECONDS = 0.012
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


@dataclass(frozen=True)
class Context:
    """What an answer is made from; read in one go before the turn starts."""

    library: articles.Library
    history: list[tuple[str, str]]
    prices: pricing.Prices | None
    """None where no model is to be called: there is no key, or the model has no price."""


def context_of(message: Message) -> Context:
    """Two small queries: have the articles changed, and the history; more only where something did change."""
    prices = None
    if settings.ANTHROPIC_API_KEY:
        try:
            prices = pricing.prices_of(settings.CHAT_MODEL)
        except pricing.UnknownModel as error:
            log.error("CHAT_MODEL: %s", error)
    return Context(articles.library(), prompt.history(message.conversation, message), prices)


class Turn:
    """An answer in the making. `start()` it once; `follow()` it as often as needed.

    Its message stays pending where the answer could not be stored; `recover_turns` hands it to a person then.
    """

    def __init__(self, message: Message, context: Context) -> None:
        self.message = message
        self.conversation = message.conversation
        self.context = context
        self._parts: list[str] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checkpoint: asyncio.Task[None] | None = None
        self._checkpoint_at = time.monotonic() + _CHECKPOINT_SECONDS

    def start(self) -> Turn:
        _running[self.message.pk] = self
        self._task = asyncio.create_task(self._run())
        return self

    @property
    def text(self) -> str:
        return "".join(self._parts)

    async def follow(self) -> AsyncIterator[str]:
        """The answer's text from its beginning, as it is written; "" now and then while there is nothing new."""
        shown = 0
        while True:
            if shown < len(self._parts):
                new = "".join(self._parts[shown:])
                shown = len(self._parts)
                yield new
            elif self._done.is_set():
                return
            elif not await self._news():
                yield ""

    # --- Writing ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            answer = await self._answer()
        except asyncio.CancelledError:
            answer = self._broken_off("worker stopped")
        except Exception as error:  # whatever it is, the visitor's question must reach somebody
            log.error("turn %s: %s", self.message.pk, type(error).__name__, exc_info=settings.DEBUG)
            answer = self._broken_off("internal error")
        try:
            await self._save(answer)
        except Exception as error:  # never its text: a database's error may hold what it could not store
            log.error("turn %s: not stored: %s", self.message.pk, type(error).__name__)
            with suppress(Exception):
                await self._save(self._broken_off("not stored"))
        finally:
            _running.pop(self.message.pk, None)
            self._done.set()
            self._wake()

    async def _answer(self) -> Answer:
        question = self.message.user_message
        if self.conversation.status == Conversation.Status.IN_PROGRESS:
            return self._notice(sentences.with_a_person())
        if asks_for_person(question):
            return self._notice(sentences.handed_over(), Conversation.Reason.VISITOR_ASKED)
        if self.context.prices:
            return await self._claude(self.context.prices)
        reply = offline.reply(self.context.library, question)
        return await self._offline(reply, reason="" if reply.fits else Conversation.Reason.NO_ARTICLE)

    async def _claude(self, prices: pricing.Prices) -> Answer:
        from support.bot import claude  # a second and 50 MB: only where there is a key

        used = prompt.chosen(self.context.library, self.message.user_message)
        call = claude.Call(prompt.system(used), prompt.messages(self.context.history, self.message.user_message))
        reason: str = ""
        fault = ""
        try:
            async with asyncio.timeout(settings.CHAT_TURN_SECONDS - min(5, settings.CHAT_TURN_SECONDS / 4)):
                async for text in call.deltas():
                    self._say(text)
        except TimeoutError:
            fault = "no whole answer in time"
        except claude.ModelFault as error:
            fault = error.kind
        except asyncio.CancelledError:
            fault = "worker stopped"
        if fault:
            log.warning("conversation %s: model fault: %s", self.conversation.pk, fault)
            return await self._after_fault(fault, call, prices)
        if call.handover:
            reason = Conversation.Reason.BOT_HANDED_OVER
            self._say_after(sentences.handed_over())
        elif call.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            self._say_after(sentences.cut_short())
        if not self.text.strip():
            reason = Conversation.Reason.MODEL_FAULT
            fault = "empty answer"
            self._say_after(sentences.handed_over())
        # Where it was shown all of them, which it used is not known: a list of all would say nothing.
        picked = [] if used == self.context.library.articles else used
        return self._by_claude(call, prices, reason, fault, [article.reference() for article in picked])

    async def _after_fault(self, fault: str, call: Call, prices: pricing.Prices) -> Answer:
        """Keeps what was shown; where nothing was, the offline answerer serves. A person is told in any case."""
        if fault == "refusal":
            self._say_after(sentences.refused())
            self._say_after(sentences.handed_over())
            return self._by_claude(call, prices, Conversation.Reason.REFUSED, fault)
        if self._parts or fault == "worker stopped":
            self._say_after(sentences.interrupted() if self._parts else sentences.model_down())
            self._say_after(sentences.handed_over())
            return self._by_claude(call, prices, Conversation.Reason.MODEL_FAULT, fault)
        reply = offline.reply(self.context.library, self.message.user_message)
        if reply.used:
            self._say_after(sentences.model_down_but())
        else:
            reply = offline.OfflineReply(sentences.model_down(), fits=False)
        return await self._offline(reply, reason=Conversation.Reason.MODEL_FAULT, fault=fault)

    async def _offline(self, reply: offline.OfflineReply, *, reason: str, fault: str = "") -> Answer:
        if self._parts:
            self._say("\n\n")
        for word in reply.text.split(" "):
            self._say(f" {word}" if self._parts and self._parts[-1] != "\n\n" else word)
            await asyncio.sleep(_OFFLINE_WORD_SECONDS)
        if reason:
            self._say_after(sentences.handed_over())
        return Answer(
            text=self.text,
            answered_by=Message.AnsweredBy.OFFLINE,
            is_escalation=bool(reason),
            reason=reason,
            fault=fault,
            articles=[article.reference() for article in reply.used],
        )

    def _notice(self, text: str, reason: str = "") -> Answer:
        self._say(text)
        return Answer(text=text, answered_by=Message.AnsweredBy.NOTICE, is_escalation=bool(reason), reason=reason)

    def _broken_off(self, fault: str) -> Answer:
        self._say_after(sentences.interrupted() if self._parts else sentences.model_down())
        self._say_after(sentences.handed_over())
        return Answer(
            text=self.text,
            answered_by=Message.AnsweredBy.NOTICE,
            is_escalation=True,
            reason=Conversation.Reason.UNANSWERED,
            fault=fault,
        )

    def _by_claude(
        self,
        call: Call,
        prices: pricing.Prices,
        reason: str,
        fault: str,
        used: list[dict[str, str]] | None = None,
    ) -> Answer:
        usage = call.usage
        return Answer(
            text=self.text,
            answered_by=Message.AnsweredBy.CLAUDE,
            is_escalation=bool(reason),
            reason=reason,
            model=prices.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cost_usd_billionths=prices.cost_usd_billionths(usage),
            fault=fault,
            articles=used or [],
            handover_summary=call.summary,
        )

    def _say(self, text: str) -> None:
        self._parts.append(text)
        self._wake()
        if time.monotonic() > self._checkpoint_at and (self._checkpoint is None or self._checkpoint.done()):
            self._checkpoint_at = time.monotonic() + _CHECKPOINT_SECONDS
            self._checkpoint = asyncio.create_task(self._keep(self.text))

    def _say_after(self, sentence: str) -> None:
        """A sentence of the desk's own, set off from what stands before it."""
        self._say(f"\n\n{sentence}" if self._parts else sentence)

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

    async def _keep(self, text: str) -> None:
        """Stores what was shown so far, so that a killed process loses two seconds of it at most."""
        try:
            await in_thread(_checkpoint, self.message.pk, text)
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


def _checkpoint(message_id: str, text: str) -> None:
    Message.objects.filter(pk=message_id, state=Message.State.PENDING).update(assistant_message=text)


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
