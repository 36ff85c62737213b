"""Writes one answer: by Claude, by the offline answerer or by a standard sentence. Stores nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings

from support.bot import offline, sentences
from support.bot.articles import Found
from support.bot.context import Context
from support.handoff import sends_to_support
from support.ledger import budget
from support.ledger.pricing import Prices
from support.models import Answer, Conversation, Message
from support.models.message import ASSISTANT_MESSAGE_MAX

if TYPE_CHECKING:
    from support.bot.claude import Call
    from support.bot.prompt import Prompt

log = logging.getLogger("support.writer")

_OFFLINE_WORD_SECONDS = 0.012
_OFFLINE_SECONDS = 5
"""A long page comes faster: no visitor waits longer for it, and no turn is taken for abandoned."""
_MODEL_TEXT_MAX = ASSISTANT_MESSAGE_MAX - 1_000
"""Characters of the model's that are kept."""


class Writer:
    """An answer in the making. `on_text` is called after every piece that is added to `parts`."""

    def __init__(self, message: Message, context: Context, on_text: Callable[[], None]) -> None:
        self.message = message
        self.conversation = message.conversation
        self.context = context
        self.parts: list[str] = []
        self._length = 0
        self._on_text = on_text
        self._called: tuple[Call, Prices] | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def so_far(self) -> dict[str, Any]:
        """What has been shown and used up to now, as columns of the message."""
        used = self._with_cost(Answer(text=self.text, answered_by=Message.AnsweredBy.CLAUDE))
        names = ("model", "price_id", *Message.USAGE)
        return {
            "assistant_message": self.text[:ASSISTANT_MESSAGE_MAX],
            **{name: getattr(used, name) for name in names},
        }

    async def answer(self) -> Answer:
        """The whole answer. Whoever gives it, a visitor who is handed over reads so."""
        answer = await self._answer()
        if answer.is_escalation or not sends_to_support(answer.text):
            return answer
        # It sends the visitor to the support address, so that it is a case for a person whatever it was meant as.
        self._say_after(self._handed_over())
        return replace(answer, text=self.text, is_escalation=True, reason=Conversation.Reason.BOT_HANDED_OVER)

    async def _answer(self) -> Answer:
        context = self.context
        if self.conversation.has_person:
            return self._notice(sentences.with_a_person())
        if context.reason:
            return self._notice(self._handed_over(), context.reason)
        if context.prompt and context.prices:
            return await self._claude(context.prompt, context.prices)
        reply = offline.reply(context.library, self.message.user_message)
        fault = f"{budget.SPENT}: {context.spent}" if context.spent else ""
        if context.spent and reply.asked:
            self._say_after(sentences.budget_spent(context.spent, has_page=bool(reply.used)))
        return await self._offline(reply, reason="" if reply.fits else Conversation.Reason.NO_ARTICLE, fault=fault)

    def broken_off(self, fault: str) -> Answer:
        """What was written so far, and that a person takes over."""
        self._say_after(sentences.interrupted() if self.parts else sentences.model_down())
        self._say_after(self._handed_over())
        return self._with_cost(
            Answer(
                text=self.text,
                answered_by=Message.AnsweredBy.NOTICE,
                is_escalation=True,
                reason=Conversation.Reason.UNANSWERED,
                fault=fault,
            )
        )

    # --- Who answers ------------------------------------------------------------------------------

    async def _claude(self, prompt: Prompt, prices: Prices) -> Answer:
        from support.bot import claude  # a second and 50 MB: only where there is a key

        call = claude.Call(prompt)
        self._called = call, prices
        fault = ""
        try:
            async with asyncio.timeout(settings.CHAT_TURN_SECONDS - min(5, settings.CHAT_TURN_SECONDS / 4)):
                async for text in call.deltas():
                    # What is stored has an end, and a sentence of the desk's own must still fit before it.
                    if room := max(0, _MODEL_TEXT_MAX - self._length):
                        self._say(text[:room])
        except TimeoutError:
            fault = "no whole answer in time"
        except claude.ModelFault as error:
            fault = error.kind
        except asyncio.CancelledError:
            fault = "worker stopped"
        if fault:
            log.warning("conversation %s: model fault: %s", self.conversation.pk, fault)
            return await self._after_fault(fault)
        reason = call.escalation
        if reason:
            self._say_after(self._handed_over())
        elif call.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            self._say_after(sentences.cut_short())
        if not self.text.strip():
            reason = Conversation.Reason.MODEL_FAULT
            fault = "empty answer"
            self._say_after(self._handed_over())
        cited = [article for article in prompt.articles if article.slug in call.cited]
        return self._by_claude(reason, fault, cited, call.summary)

    async def _after_fault(self, fault: str) -> Answer:
        """Keeps what was shown; where nothing was, the offline answerer serves. A person is told in any case."""
        if fault == "refusal":
            self._say_after(sentences.refused())
            self._say_after(self._handed_over())
            return self._by_claude(Conversation.Reason.REFUSED, fault)
        if self.parts or fault == "worker stopped":
            self._say_after(sentences.interrupted() if self.parts else sentences.model_down())
            self._say_after(self._handed_over())
            return self._by_claude(Conversation.Reason.MODEL_FAULT, fault)
        reply = offline.reply(self.context.library, self.message.user_message)
        if reply.used:
            self._say_after(sentences.model_down_but())
        else:
            reply = offline.OfflineReply(sentences.model_down(), fits=False)
        return await self._offline(reply, reason=Conversation.Reason.MODEL_FAULT, fault=fault)

    async def _offline(self, reply: offline.OfflineReply, *, reason: str, fault: str = "") -> Answer:
        if self.parts:
            self._say("\n\n")
        words = reply.text.split(" ")
        for number, word in enumerate(words):
            self._say(f" {word}" if number else word)
            await asyncio.sleep(min(_OFFLINE_WORD_SECONDS, _OFFLINE_SECONDS / len(words)))
        if reason:
            self._say_after(self._handed_over())
        return self._with_cost(
            Answer(
                text=self.text,
                answered_by=Message.AnsweredBy.OFFLINE,
                is_escalation=bool(reason),
                reason=reason,
                fault=fault,
                articles=_references(reply.used),
            )
        )

    def _notice(self, text: str, reason: str = "") -> Answer:
        self._say(text)
        return Answer(text=text, answered_by=Message.AnsweredBy.NOTICE, is_escalation=bool(reason), reason=reason)

    def _by_claude(self, reason: str, fault: str, cited: list[Found] | None = None, summary: str = "") -> Answer:
        return self._with_cost(
            Answer(
                text=self.text,
                answered_by=Message.AnsweredBy.CLAUDE,
                is_escalation=bool(reason),
                reason=reason,
                fault=fault,
                articles=_references(cited or []),
                handover_summary=summary,
            )
        )

    def _with_cost(self, answer: Answer) -> Answer:
        """The answer with what the call to the model came to, whoever gave the answer in the end."""
        if not self._called:
            return answer
        call, prices = self._called
        usage = call.usage
        if not usage.prompt_tokens and answer.answered_by != Message.AnsweredBy.CLAUDE:
            return answer  # the model never began
        return replace(
            answer,
            model=prices.model,
            price_id=prices.row(usage.prompt_tokens).pk,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cost_usd_billionths=prices.cost_usd_billionths(usage),
        )

    # --- Words ------------------------------------------------------------------------------------

    def _handed_over(self) -> str:
        """That a person takes over; or still will, where the visitor has been told so before."""
        if self.conversation.is_handed_over:
            return sentences.still_waiting()
        return sentences.handed_over(self.context.hours)

    def _say(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)
        self._on_text()

    def _say_after(self, sentence: str) -> None:
        """A sentence of the desk's own, set off from what stands before it."""
        self._say(f"\n\n{sentence}" if self.parts else sentence)


def _references(articles: list[Found]) -> list[dict[str, Any]]:
    return [article.reference() for article in articles]
