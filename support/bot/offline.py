"""The answerer that needs no model: the text of the help article that fits best, or a person."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.bot import articles, sentences
from support.bot.words import asks_nothing, says_thanks

_LONGEST = 1_500


@dataclass(frozen=True)
class OfflineReply:
    text: str
    used: list[articles.Found] = field(default_factory=list)
    fits: bool = True
    """False where no article fits, and so a person is needed."""
    asked: bool = True
    """False where nothing was asked: a greeting, or thanks."""


def reply(library: articles.Library, question: str) -> OfflineReply:
    """Answers from the best article, greets where nothing was asked yet, or hands over."""
    if asks_nothing(question):
        if says_thanks(question):
            return OfflineReply(sentences.welcome(), asked=False)
        titles = [article.title for article in library.articles[:4]]
        return OfflineReply(sentences.greeting(titles), asked=False)
    found = library.best(question)
    if not found:
        return OfflineReply("I couldn't find an answer to that in our help pages.", fits=False)
    return OfflineReply(f"{_shortened(found[0].body)}\n\n(From our help page “{found[0].title}”.)", used=found)


def _shortened(body: str) -> str:
    """The body up to the paragraph that ends before the longest answer; the first one whatever its length."""
    shown = ""
    for paragraph in body.strip().split("\n\n"):
        if shown and len(shown) + len(paragraph) > _LONGEST:
            break
        shown += ("\n\n" if shown else "") + paragraph
    return shown
