from __future__ import annotations

import asyncio
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from support import clock
from support.bot import turn
from support.bot.context import context_of
from support.models import Conversation, Message
from support.threads import in_thread


class Command(BaseCommand):
    help = (
        "Asks the bot in the terminal, on the very path of a visitor's question: the answer as it is written, who "
        "gave it, the articles, tokens and cost. Without a question it reads one a line. The conversation is "
        "removed at the end unless --keep; what it cost stays in the budgets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question", nargs="?", help="what to ask; without it, a line each from the terminal")
        parser.add_argument("--keep", action="store_true", help="leave the conversation in the desk")

    def handle(self, *args: Any, question: str | None, keep: bool, **options: Any) -> None:
        asyncio.run(self._talk(question, keep))

    async def _talk(self, question: str | None, keep: bool) -> None:
        conversation, _ = await in_thread(
            Conversation.objects.open_new,
            source=Conversation.Source.DASHBOARD,
            page_url="",
            user_id="manage.py ask",
        )
        try:
            if question is not None:
                await self._ask(conversation, question)
                return
            while line := await asyncio.to_thread(self._line):
                if line.strip():
                    await self._ask(conversation, line.strip())
        finally:
            await turn.finish_all(0)  # whoever interrupts it has paid for what was written all the same
            pending = await in_thread(conversation.messages.filter(state=Message.State.PENDING).exists)
            if keep or pending:  # what could not be stored is ended by `recover_turns`
                self.stdout.write(f"Kept as conversation {conversation.pk}.")
            else:
                await in_thread(conversation.delete)
            if settings.ANTHROPIC_API_KEY:
                from support.bot import claude

                await claude.close()

    def _line(self) -> str:
        """The next line; "" at the end of the input."""
        if sys.stdin.isatty():
            self.stdout.write("> ", ending="")
            self.stdout.flush()
        return sys.stdin.readline()

    async def _ask(self, conversation: Conversation, question: str) -> None:
        message = await in_thread(_stored, conversation, question)
        running = turn.Turn(message, await in_thread(_context, message)).start()
        async for text in running.follow():
            self.stdout.write(text, ending="")
            self.stdout.flush()
        self.stdout.write("\n\n" + "\n".join(_told(message)))


def _stored(conversation: Conversation, question: str) -> Message:
    message, _ = conversation.ask(question, deadline_at=clock.now() + turn.deadline(), idempotency_key=None)
    message.conversation = conversation
    return message


def _context(message: Message) -> Any:
    return context_of(message, is_first=message.conversation.message_count == 0)


def _told(message: Message) -> list[str]:
    """What there is to know of an answer, a line each."""
    if message.is_pending:
        return ["The answer could not be stored; the log says why."]
    lines = [f"answered by  {message.get_answered_by_display()}{f' ({message.model})' if message.model else ''}"]
    if message.articles:
        lines.append(f"articles     {', '.join(article['slug'] for article in message.articles)}")
    if message.model:
        written = message.cache_write_5m_tokens + message.cache_write_1h_tokens
        lines.append(
            f"tokens       {message.input_tokens:,} in, {message.cache_read_tokens:,} from the cache, "
            f"{written:,} to the cache, {message.output_tokens:,} out"
        )
    lines.append(f"cost         ${message.cost_usd_billionths / 10**9:.6f}")
    if message.is_escalation:
        reason = dict(Conversation.Reason.choices).get(message.escalation_reason, message.escalation_reason)
        lines.append(f"handed over  {reason}{f': {message.handover_summary}' if message.handover_summary else ''}")
    if message.fault:
        lines.append(f"fault        {message.fault}")
    return lines
