"""The published articles as the bot uses them: all of them, or the best for a question by BM25."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

import bm25s
import numpy as np

from support.bot.words import words
from support.models import Article

logging.getLogger("bm25s").setLevel(logging.WARNING)  # the library sets DEBUG for itself when it is imported

FITS_ABOVE = 0.5
"""An article fits if its words carry more than this share of what the question asks about."""
# A word of the title says more surely what an article is about than one somewhere in its text.
_TITLE_WEIGHT = 1.5
_TITLE_BONUS = 0.3
_CANDIDATES = 50

CACHE_MINIMUM_TOKENS = 4_096
"""Claude Haiku 4.5 caches no prompt that begins with less, and says nothing about it."""


@dataclass(frozen=True)
class Found:
    slug: str
    title: str
    body: str
    version: int = 1

    def reference(self) -> dict[str, Any]:
        """What is kept with an answer that used it: `slug` and `title` (str) and `version` (int)."""
        return {"slug": self.slug, "title": self.title, "version": self.version}

    @property
    def estimated_tokens(self) -> int:
        return estimated_tokens(self.title + self.body)


class Library:
    """The published articles at one moment, indexed."""

    def __init__(self, articles: list[Found], signature: object) -> None:
        self.articles = articles
        self.signature = signature
        self.estimated_tokens = sum(article.estimated_tokens for article in articles)
        titles = [words(article.title) for article in articles]
        bodies = [words(article.body) for article in articles]
        self._titles = [frozenset(title) for title in titles]
        self._words = [frozenset(title + body) for title, body in zip(titles, bodies, strict=True)]
        self._having = Counter(word for document in self._words for word in document)
        self._indexes = [
            (weight, _index(documents))
            for weight, documents in ((_TITLE_WEIGHT, titles), (1, bodies))
            if any(documents)
        ]

    def best(self, question: str, most: int = 1) -> list[Found]:
        """The articles that fit the question, best first; at most `most`, none if none fits."""
        asked = list(dict.fromkeys(words(question)))
        scores = np.zeros(len(self.articles))
        for weight, index in self._indexes:
            if known := [word for word in asked if word in index.vocab_dict]:
                scores = scores + weight * index.get_scores(known)
        candidates = [int(i) for i in np.argsort(-scores, kind="stable")[:_CANDIDATES] if scores[i] > 0]
        shares = {i: self._share(asked, i) for i in candidates}
        fitting = [i for i in candidates if shares[i] > FITS_ABOVE]
        fitting.sort(key=lambda i: -scores[i] * shares[i])
        return [self.articles[i] for i in fitting[:most]]

    def _share(self, asked: list[str], index: int) -> float:
        """How much of the question's weight the article covers; a rare word weighs more than a common one."""
        covered = sum(
            self._weight(word) * (1 + _TITLE_BONUS * (word in self._titles[index]))
            for word in asked
            if word in self._words[index]
        )
        return covered / sum(self._weight(word) for word in asked)

    def _weight(self, word: str) -> float:
        having = self._having[word]
        return float(np.log(1 + (len(self.articles) - having + 0.5) / (having + 0.5)))

    def within(self, tokens: int) -> bool:
        """Whether all of it fits into a prompt of about that many tokens."""
        return self.estimated_tokens <= tokens


def _index(documents: list[list[str]]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index(documents, show_progress=False)
    return index


def estimated_tokens(text: str) -> int:
    """About how many tokens a text takes: 3.5 characters each, on the careful side for English."""
    return int(len(text) / 3.5) + 1


_library = Library([], None)


def library() -> Library:
    """The library as it is now; indexed anew when an article was added, edited, published or withdrawn.

    One small query when nothing has changed.
    """
    global _library
    # Not the newest time and the number: an edit by a machine whose clock is behind would change neither. The
    # version too: two edits may fall into one millisecond.
    signature = list(Article.objects.published().values_list("id", "version", "updated_at"))
    if _library.signature != signature:
        rows = Article.objects.published().values_list("slug", "title", "body", "version")
        _library = Library([Found(*row) for row in rows], signature)
    return _library
