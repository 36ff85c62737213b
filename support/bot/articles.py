"""The published articles as the bot uses them: all of them, or the best for a question by BM25."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import bm25s
import numpy as np
import snowballstemmer
from bm25s.stopwords import STOPWORDS_EN_PLUS
from django.db.models import Count, Max

from support.models import Article

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_STOPWORDS = frozenset(STOPWORDS_EN_PLUS) | frozenset(
    [
        "hi",
        "hello",
        "hey",
        "thanks",
        "thank",
        "please",
        "help",
        "question",
        "know",
        "want",
        "need",
        "like",
        "get",
        "tell",
        "ask",
        "i'm",
        "im",
        "can't",
        "cant",
        "how's",
    ]
)
_stemmer = snowballstemmer.stemmer("english")
_stemming = threading.Lock()  # the stemmer keeps the word it is at in itself
FITS_FROM = 0.5
"""An article fits if it has words that carry at least this share of what the question asks about."""


@dataclass(frozen=True)
class Found:
    slug: str
    title: str
    body: str

    def reference(self) -> dict[str, str]:
        """What is kept with an answer that used it."""
        return {"slug": self.slug, "title": self.title}


class Library:
    """The published articles at one moment, indexed."""

    def __init__(self, articles: list[Found], signature: object) -> None:
        self.articles = articles
        self.signature = signature
        # The title says what an article is about: its words weigh three times.
        documents = [words(f"{(article.title + ' ') * 3}{article.body}") for article in articles]
        self._words = [frozenset(document) for document in documents]
        self._index = None
        if any(documents):
            self._index = bm25s.BM25()
            self._index.index(documents, show_progress=False)

    def best(self, question: str, most: int = 1) -> list[Found]:
        """The articles that fit the question, best first; at most `most`, none if none fits."""
        asked = list(dict.fromkeys(words(question)))
        if not asked or self._index is None:
            return []
        known = [word for word in asked if word in self._index.vocab_dict]
        if not known:
            return []
        scores = self._index.get_scores(known)
        order = np.argsort(-scores, kind="stable")[:most]
        return [self.articles[i] for i in order if scores[i] > 0 and self._share(asked, int(i)) >= FITS_FROM]

    def _share(self, asked: list[str], index: int) -> float:
        """How much of the question's weight the article covers, 0 to 1; a rare word weighs more than a common one."""
        weights = {word: self._weight(word) for word in asked}
        return sum(weight for word, weight in weights.items() if word in self._words[index]) / sum(
            weights.values()
        )

    def _weight(self, word: str) -> float:
        having = sum(word in document for document in self._words)
        return float(np.log(1 + (len(self._words) - having + 0.5) / (having + 0.5)))

    def within(self, tokens: int) -> bool:
        """Whether all of it fits into a prompt of about that many tokens."""
        return sum(estimated_tokens(article.title + article.body) for article in self.articles) <= tokens


def words(text: str) -> list[str]:
    """The stems of the words that carry meaning."""
    return [_stem(word) for word in _WORD.findall(text.lower().replace("’", "'")) if word not in _STOPWORDS]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    with _stemming:
        return str(_stemmer.stemWord(word))


def estimated_tokens(text: str) -> int:
    """About how many tokens a text takes: 3.5 characters each, on the careful side for English."""
    return int(len(text) / 3.5) + 1


_library = Library([], None)


def library() -> Library:
    """The library as it is now; indexed anew when an article was added, edited, published or withdrawn.

    One small query when nothing has changed.
    """
    global _library
    seen: dict[str, datetime | int | None] = Article.objects.published().aggregate(
        newest=Max("updated_at"), number=Count("pk")
    )
    signature = (seen["newest"], seen["number"])
    if _library.signature != signature:
        rows = Article.objects.published().values_list("slug", "title", "body")
        _library = Library([Found(*row) for row in rows], signature)
    return _library
