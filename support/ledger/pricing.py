"""What a call to a model costs: integers only, prices as rows by model and day."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from django.db import transaction

from support.models import ModelPrice

SEED = Path(__file__).resolve().parent.parent / "data" / "prices.json"
_CACHE_SECONDS = 10
_cache: dict[str, tuple[float, list[ModelPrice]]] = {}


class UnknownModel(LookupError):
    """No price row covers this model on this day. A model without a price is never taken to be free."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `input_tokens` are those neither written to nor read from the prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens


@dataclass(frozen=True)
class Prices:
    """The prices of one model on one day, a row a tier. Taken before a call, so that its cost is known after."""

    model: str
    tiers: list[ModelPrice]

    def row(self, prompt_tokens: int) -> ModelPrice:
        """The tier that a prompt of that size reaches: it prices the whole call."""
        return max(
            (row for row in self.tiers if prompt_tokens > row.above_prompt_tokens or not row.above_prompt_tokens),
            key=lambda row: row.above_prompt_tokens,
        )

    def cost_usd_billionths(self, usage: Usage) -> int:
        """The exact cost of one call: every token at the price of the tier that the whole prompt reaches."""
        price = self.row(usage.prompt_tokens)
        return (
            usage.input_tokens * price.input_usd_billionths
            + usage.output_tokens * price.output_usd_billionths
            + usage.cache_write_5m_tokens * price.cache_write_5m_usd_billionths
            + usage.cache_write_1h_tokens * price.cache_write_1h_usd_billionths
            + usage.cache_read_tokens * price.cache_read_usd_billionths
        )

    def cost_at_most_usd_billionths(self, prompt_tokens: int, output_tokens: int) -> int:
        """What a call with at most so many tokens can cost: all of the prompt written to the 5 minutes' cache.

        The desk asks for no other cache. A higher tier may be cheaper, so each that can be reached is tried.
        """
        return max(
            min(prompt_tokens, ceiling) * max(row.input_usd_billionths, row.cache_write_5m_usd_billionths)
            + output_tokens * row.output_usd_billionths
            for row, ceiling in self._reachable(prompt_tokens)
        )

    def _reachable(self, prompt_tokens: int) -> list[tuple[ModelPrice, int]]:
        """The tiers that a prompt of up to that size can fall into, each with the largest prompt in it."""
        rows = sorted(self.tiers, key=lambda row: row.above_prompt_tokens)
        ceilings = [*(row.above_prompt_tokens for row in rows[1:]), prompt_tokens]
        return [
            (row, ceiling)
            for row, ceiling in zip(rows, ceilings, strict=True)
            if not row.above_prompt_tokens or prompt_tokens > row.above_prompt_tokens
        ]


def prices_of(model: str, on: date | None = None) -> Prices:
    """The newest prices of `model` that hold on `on` (today in UTC by default). Raises UnknownModel."""
    on = on or datetime.now(UTC).date()
    valid = [row for row in _rows(model) if row.valid_from <= on]
    newest = max((row.valid_from for row in valid), default=None)
    tiers = [row for row in valid if row.valid_from == newest]
    if not any(row.above_prompt_tokens == 0 for row in tiers):
        raise UnknownModel(f"no price of {model!r} holds on {on}; add one under Prices in the admin")
    return Prices(model, tiers)


def _rows(model: str) -> list[ModelPrice]:
    # Prices change a few times a year and are asked for with every pair: ten seconds old is fresh enough.
    read_at, rows = _cache.get(model, (0.0, []))
    if not rows or time.monotonic() - read_at > _CACHE_SECONDS:
        rows = list(ModelPrice.objects.filter(model=model))
        _cache[model] = (time.monotonic(), rows)
    return rows


def forget() -> None:
    """Reads the rows anew at the next question: called when a price is saved in this process."""
    _cache.clear()


def load_prices() -> int:
    """Adds the price rows of the data file that are missing; edited ones stay. Returns how many were added."""
    seed = json.loads(SEED.read_text(encoding="utf-8"))
    added = 0
    with transaction.atomic():
        for entry in seed["prices"]:
            for model in (entry["model"], *entry["aliases"]):
                for tier in entry["tiers"]:
                    _, is_new = ModelPrice.objects.get_or_create(
                        model=model,
                        valid_from=date.fromisoformat(entry["valid_from"]),
                        above_prompt_tokens=tier["above_prompt_tokens"],
                        defaults={
                            "input_usd_billionths": tier["input"],
                            "output_usd_billionths": tier["output"],
                            "cache_write_5m_usd_billionths": tier["cache_write_5m"],
                            "cache_write_1h_usd_billionths": tier["cache_write_1h"],
                            "cache_read_usd_billionths": tier["cache_read"],
                            "source": seed["source"],
                        },
                    )
                    added += is_new
    forget()
    return added
