"""How the published articles reach the model, in a sentence or two for who writes them."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from django.conf import settings

from support.bot.articles import CACHE_MINIMUM_TOKENS, Library, estimated_tokens

_SURELY = 1.25
"""An estimate that is above the cache's minimum by this much is above it in truth too."""


def prompt_use(articles: Library) -> str:
    """What the articles take of the prompt, whether the model gets all of them, and whether it can cache them."""
    number, tokens, limit = len(articles.articles), articles.estimated_tokens, settings.CHAT_ARTICLE_TOKENS
    if not number:
        return "No article is published, so every question goes to a person."
    share = (
        f"{number} published {'article' if number == 1 else 'articles'}, about {tokens:,} of {limit:,} tokens "
        "(CHAT_ARTICLE_TOKENS)"
    )
    model = "the model is" if settings.ANTHROPIC_API_KEY else "once there is a key, the model is"
    if not articles.within(limit):
        enough = ceil(tokens / 1_000) * 1_000
        return (
            f"{share}: too many for the prompt, so {model} given those that fit the question best (BM25). "
            f"Set CHAT_ARTICLE_TOKENS to {enough} to give it all of them, which it can cache."
        )
    return f"{share}: {model} given all of them. {_cached(tokens)}".strip()


def _cached(tokens: int) -> str:
    if not settings.CHAT_MODEL.startswith("claude-haiku-4-5"):
        return ""  # others have other minimums
    # The rules stand before the articles and count too.
    tokens += estimated_tokens(Path(settings.SYSTEM_PROMPT_FILE).read_text(encoding="utf-8"))
    prompt = f"With the rules that is a prompt of about {tokens:,}"
    minimum = f"the {CACHE_MINIMUM_TOKENS:,} tokens from which Claude Haiku 4.5 caches one"
    if tokens < CACHE_MINIMUM_TOKENS:
        missing = ceil((CACHE_MINIMUM_TOKENS * _SURELY - tokens) / 100) * 100
        return f"{prompt}, below {minimum}: publish about {missing:,} more, and most questions pay a tenth for it."
    if tokens < CACHE_MINIMUM_TOKENS * _SURELY:
        return (
            f"{prompt}, near {minimum}: if no answer in a conversation says “read from the cache”, publish an "
            "article or two more."
        )
    return f"{prompt}, above {minimum}: nothing to do."
