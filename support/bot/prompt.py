"""What Claude is told: the rules, the articles and the conversation so far."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from support.bot.articles import Found, Library, estimated_tokens
from support.models import Conversation, Message

if TYPE_CHECKING:
    from anthropic.types import MessageParam, TextBlockParam, ToolParam

ESCALATE: ToolParam = {
    "name": "escalate",
    "description": (
        "Hand this conversation over to a person of the support team. Use it whenever the articles do not answer "
        "the question or somebody has to look into an account, booking or payment."
    ),
    "input_schema": {
        "type": "object",
        "properties": {"summary": {"type": "string", "description": "One line for the colleague who takes over."}},
        "required": ["summary"],
    },
}


@lru_cache(maxsize=4)
def _rules(path: str, company: str) -> str:
    return Path(path).read_text(encoding="utf-8").replace("{company}", company).strip()


def chosen(library: Library, question: str) -> list[Found]:
    """All published articles while they fit CHAT_ARTICLE_TOKENS, else those that fit the question best."""
    if library.within(settings.CHAT_ARTICLE_TOKENS):
        return library.articles
    left = settings.CHAT_ARTICLE_TOKENS
    best = []
    for article in library.best(question, most=20):
        left -= estimated_tokens(article.title + article.body)
        if left >= 0:
            best.append(article)
    return best


_TAG = re.compile(r"<(?=/?(?:article|help_articles)\b)", re.IGNORECASE)


def _page(article: Found) -> str:
    # A page may show HTML to its readers, but only the desk's own tags may open or close a page here.
    title, body = _TAG.sub("&lt;", article.title).replace('"', "&quot;"), _TAG.sub("&lt;", article.body.strip())
    return f'<article title="{" ".join(title.split())}">\n{body}\n</article>'


def system(articles: list[Found]) -> list[TextBlockParam]:
    """The system prompt. The same articles make the same bytes, so that the model's prompt cache can hold them."""
    rules = _rules(settings.SYSTEM_PROMPT_FILE, settings.COMPANY_NAME)
    pages = "\n\n".join(map(_page, articles))
    text = f"{rules}\n\n<help_articles>\n{pages}\n</help_articles>"
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


def messages(history: list[tuple[str, str]], question: str) -> list[MessageParam]:
    """The conversation as the API wants it: visitor and assistant in turn, the question last."""
    turns: list[MessageParam] = []
    for asked, answered in history:
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*turns, {"role": "user", "content": question}]


def history(conversation: Conversation, before: Message) -> list[tuple[str, str]]:
    """The last answered pairs before a message, oldest first, at most CHAT_HISTORY_PAIRS."""
    pairs: Any = (
        Message.objects.filter(conversation=conversation, created_at__lte=before.created_at)
        .exclude(pk=before.pk)
        .exclude(state=Message.State.PENDING)
        .order_by("-created_at", "-id")
        .values_list("user_message", "assistant_message")[: settings.CHAT_HISTORY_PAIRS]
    )
    # The API refuses an empty turn; a pair logged without an answer has nothing to say to the model.
    return [pair for pair in reversed(list(pairs)) if pair[0].strip() and pair[1].strip()]
