"""What Claude is told: the rules, the articles, the conversation so far, and the tools it may call."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from support.bot.articles import Found, Library
from support.bot.words import asks_nothing
from support.models import Conversation, Message
from support.models.message import USER_MESSAGE_MAX

if TYPE_CHECKING:
    from anthropic.types import ContentBlockParam, MessageParam, TextBlockParam, ToolParam

_REASONS = {
    Conversation.Reason.NO_ARTICLE: "the articles do not answer the question",
    Conversation.Reason.VISITOR_ASKED: "the visitor asks for a person",
    Conversation.Reason.ACCOUNT: "somebody has to look into or change an account, booking, payment or refund",
    Conversation.Reason.COMPLAINT: "the visitor is upset or complains",
    Conversation.Reason.BROKEN: "something of ours does not work",
    Conversation.Reason.SENSITIVE: "health, allergy, safety, legal or privacy matters beyond the articles",
    Conversation.Reason.BOT_HANDED_OVER: "any other reason",
}
ESCALATE: ToolParam = {
    "name": "escalate",
    "description": (
        "Hand this conversation over to a person of the support team. The visitor is told by the desk itself. "
        "Reasons: " + "; ".join(f"{reason}: {words}" for reason, words in _REASONS.items()) + "."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "enum": [str(reason) for reason in _REASONS]},
            "summary": {"type": "string", "description": "One line for the colleague who takes over."},
        },
        "required": ["reason", "summary"],
    },
}
CITE: ToolParam = {
    "name": "cite",
    "description": (
        "Name the help articles that your answer is taken from. Call it once, after the text of every answer that "
        "says something out of an article."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "articles": {"type": "array", "items": {"type": "string"}, "description": "The articles' slugs."}
        },
        "required": ["articles"],
    },
}
TOOLS = [ESCALATE, CITE]

_TOOLS_TOKENS = len(json.dumps(TOOLS)) + 600
"""At most: their bytes, and what the API itself tells the model about tools (346 tokens for Haiku 4.5)."""
_MESSAGE_TOKENS = 20
"""At most, of what sets one message off from the next."""
CITED_MAX = 8
_PAIR_TOKENS = 1_000
"""At most, of what an earlier pair has beside its texts: the articles cited, by slugs of up to 80 letters."""


def escalation_reason(word: object) -> str:
    """A reason that the model gave, or the general one where it gave none of the list."""
    return str(word) if str(word) in set(_REASONS) else str(Conversation.Reason.BOT_HANDED_OVER)


class Pair(NamedTuple):
    """An earlier question with its answer, and the slugs of the articles that Claude named for it."""

    asked: str
    answered: str
    cited: tuple[str, ...] = ()


@dataclass
class Prefix:
    """Rules and articles as one text: the same bytes for the same articles, for the model's cache to hold."""

    text: str
    is_cached: bool
    tokens_at_most: int = field(init=False)
    """No token is shorter than a byte; a whole prompt that began so, as the API counted it, is no less either."""

    _tokens_at_least: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens_at_most = len(self.text.encode()) + _TOOLS_TOKENS
        self._tokens_at_least = self.tokens_at_most // 10

    def learn(self, prompt_tokens: int) -> None:
        """Takes note of what the API counted for a whole prompt that began with this.

        A count that can't be, such as a proxy's zero, teaches nothing: tokens have some 4 bytes, never 10.
        """
        if self._tokens_at_least < prompt_tokens < self.tokens_at_most:
            self.tokens_at_most = prompt_tokens


@dataclass(frozen=True)
class Prompt:
    """All that one call says to the model."""

    prefix: Prefix
    messages: list[MessageParam]
    articles: list[Found]
    """What the model is shown, and so may cite."""
    tokens_at_most: int
    now: str = ""
    """What changes with the time of day; after the part that is cached."""

    @property
    def system(self) -> list[TextBlockParam]:
        first: TextBlockParam = {"type": "text", "text": self.prefix.text}
        if self.prefix.is_cached:
            first["cache_control"] = {"type": "ephemeral"}
        return [first, {"type": "text", "text": self.now}] if self.now else [first]


def build(library: Library, pairs: list[Pair], question: str, now: str = "") -> Prompt | None:
    """The prompt for a question; None where the articles are too many to show them all and none fits."""
    if library.within(settings.CHAT_ARTICLE_TOKENS):
        articles, prefix = library.articles, _whole(library, settings.SYSTEM_PROMPT_FILE, settings.COMPANY_NAME)
    else:
        # A follow-up ("and for ten people?") says what it is about only together with what went before.
        articles = chosen(library, question) or chosen(
            library, " ".join([*(p.asked for p in pairs[-1:]), question])
        )
        if not articles and not asks_nothing(question):
            return None
        prefix = Prefix(_text(articles), is_cached=False)  # another for the next question: nothing would be read
    told = messages(pairs, question)
    return Prompt(prefix, told, articles, prefix.tokens_at_most + _tokens_at_most(told) + len(now.encode()), now)


def chosen(library: Library, question: str) -> list[Found]:
    """The articles that fit the question best, as many as CHAT_ARTICLE_TOKENS has room for."""
    left = settings.CHAT_ARTICLE_TOKENS
    best = []
    for article in library.best(question, most=20):
        left -= article.estimated_tokens
        if left >= 0:
            best.append(article)
    return best


@lru_cache(maxsize=2)
def _whole(library: Library, rules_path: str, company: str) -> Prefix:
    """The prefix with all articles, made once for each state of the library."""
    return Prefix(_text(library.articles), is_cached=True)


@lru_cache(maxsize=4)
def _rules(path: str, company: str) -> str:
    return Path(path).read_text(encoding="utf-8").replace("{company}", company).strip()


def check_rules() -> None:
    """Raises OSError or UnicodeDecodeError if the file of the rules can't be read."""
    _rules(settings.SYSTEM_PROMPT_FILE, settings.COMPANY_NAME)


def _text(articles: list[Found]) -> str:
    rules = _rules(settings.SYSTEM_PROMPT_FILE, settings.COMPANY_NAME)
    pages = "\n\n".join(map(_page, articles))
    return f"{rules}\n\n<help_articles>\n{pages}\n</help_articles>"


_TAG = re.compile(r"<(?=/?(?:article|help_articles)\b)", re.IGNORECASE)


def _page(article: Found) -> str:
    # A page may show HTML to its readers, but only the desk's own tags may open or close a page here.
    title, body = _TAG.sub("&lt;", article.title).replace('"', "&quot;"), _TAG.sub("&lt;", article.body.strip())
    return f'<article slug="{article.slug}" title="{" ".join(title.split())}">\n{body}\n</article>'


def messages(pairs: list[Pair], question: str) -> list[MessageParam]:
    """The conversation as the API wants it: visitor and assistant in turn, the question last.

    What Claude cited before is shown as the calls that it made: a model goes on as it sees itself begin.
    """
    turns: list[MessageParam] = []
    result: list[ContentBlockParam] = []
    for number, pair in enumerate(pairs):
        turns.append(_from_visitor(result, pair.asked))
        result = []
        if not pair.cited:
            turns.append({"role": "assistant", "content": pair.answered})
            continue
        call = f"toolu_{number}"
        turns.append(
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": pair.answered},
                    {"type": "tool_use", "id": call, "name": "cite", "input": {"articles": list(pair.cited)}},
                ],
            }
        )
        result = [{"type": "tool_result", "tool_use_id": call, "content": "Noted."}]
    return [*turns, _from_visitor(result, question)]


def _from_visitor(result: list[ContentBlockParam], text: str) -> MessageParam:
    return {"role": "user", "content": [*result, {"type": "text", "text": text}] if result else text}


def _tokens_at_most(told: list[MessageParam]) -> int:
    """No token is shorter than a byte of the text."""
    contents = (turn["content"] for turn in told)
    return sum(
        len((content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)).encode())
        + _MESSAGE_TOKENS
        for content in contents
    )


def history(conversation: Conversation, before: Message) -> list[Pair]:
    """The last answered pairs before a message, oldest first: at most CHAT_HISTORY_PAIRS, and the newest that
    together have no more than CHAT_HISTORY_CHARACTERS."""
    rows: Any = (
        Message.objects.filter(conversation=conversation, created_at__lte=before.created_at)
        .exclude(pk=before.pk)
        .exclude(state=Message.State.PENDING)
        # Anybody may log a pair: the model would take it for what it said itself.
        .exclude(answered_by=Message.AnsweredBy.CLIENT)
        .order_by("-created_at", "-id")
        .values_list("user_message", "assistant_message", "answered_by", "articles")[: settings.CHAT_HISTORY_PAIRS]
    )
    left = settings.CHAT_HISTORY_CHARACTERS
    pairs: list[Pair] = []
    for asked, answered, answered_by, articles in rows:
        left -= len(asked) + len(answered)
        if left < 0:
            break
        # The API refuses an empty turn; a pair logged without an answer has nothing to say to the model.
        if asked.strip() and answered.strip():
            by_claude = answered_by == Message.AnsweredBy.CLAUDE
            pairs.append(
                Pair(asked, answered, tuple(article["slug"] for article in articles) if by_claude else ())
            )
    return pairs[::-1]


def tokens_at_most(library: Library, now: str = "") -> int:
    """The longest prompt that any question can make with these articles, in tokens.

    A character has 4 bytes at most, and a token no less than one.
    """
    if library.within(settings.CHAT_ARTICLE_TOKENS):
        prefix = _whole(library, settings.SYSTEM_PROMPT_FILE, settings.COMPANY_NAME).tokens_at_most
    else:
        sizes = sorted((len(_page(article).encode()) for article in library.articles), reverse=True)
        rules = len(_text([]).encode()) + _TOOLS_TOKENS
        prefix = rules + min(sum(sizes[:20]), int(settings.CHAT_ARTICLE_TOKENS * 3.5) * 4)
    characters = settings.CHAT_HISTORY_CHARACTERS + USER_MESSAGE_MAX
    return prefix + len(now.encode()) + characters * 4 + (settings.CHAT_HISTORY_PAIRS + 1) * _PAIR_TOKENS
