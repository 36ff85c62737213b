"""What a call costs: exact to the billionth of a dollar, by model, day and size of the prompt."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.ledger import pricing
from support.ledger.pricing import Prices, UnknownModel, Usage, load_prices, prices_of
from support.models import ModelPrice

OCTOBER = date(2026, 10, 20)
FIELDS = ("input_tokens", "output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")


def cost(model: str, on: date = OCTOBER, **tokens: int) -> int:
    return prices_of(model, on).cost_usd_billionths(Usage(**tokens))


def add_price(model: str, valid_from: str, input_price: int, above: int = 0) -> ModelPrice:
    price = ModelPrice.objects.create(
        model=model,
        valid_from=date.fromisoformat(valid_from),
        above_prompt_tokens=above,
        input_usd_billionths=input_price,
        output_usd_billionths=5 * input_price,
        cache_write_5m_usd_billionths=0,
        cache_write_1h_usd_billionths=0,
        cache_read_usd_billionths=0,
    )
    pricing.forget()
    return price


# Worked by hand, from the price list in dollars a million tokens.
INVOICES: list[tuple[str, dict[str, int], int]] = [
    # 234 × $1 + 156 × $5 = 1,014 millionths
    ("claude-haiku-4-5", {"input_tokens": 234, "output_tokens": 156}, 1_014_000),
    ("claude-haiku-4-5", {"input_tokens": 1_000_000, "output_tokens": 1_000_000}, 6_000_000_000),
    # writes $1.25 (5 minutes) and $2 (an hour), reads $0.10; one token each of what costs least
    ("claude-haiku-4-5", {"cache_write_5m_tokens": 4_001}, 5_001_250),
    ("claude-haiku-4-5", {"cache_write_1h_tokens": 4_001}, 8_002_000),
    ("claude-haiku-4-5", {"cache_read_tokens": 1}, 100),
    (
        "claude-haiku-4-5",
        {
            "input_tokens": 17,
            "output_tokens": 33,
            "cache_write_5m_tokens": 1_000,
            "cache_write_1h_tokens": 500,
            "cache_read_tokens": 5_003,
        },
        17_000 + 165_000 + 1_250_000 + 1_000_000 + 500_300,
    ),
    # No second tier: a prompt of any size has one price.
    ("claude-haiku-4-5", {"input_tokens": 150_000}, 150_000_000),
    # $0.10 and $0.50 up to 100,000 prompt tokens, $0.50 and $2.50 for the whole call above
    ("claude-haiku-5-5", {"input_tokens": 100_000, "output_tokens": 100}, 10_000_000 + 50_000),
    ("claude-haiku-5-5", {"input_tokens": 100_001, "output_tokens": 100}, 50_000_500 + 250_000),
    # What is read from or written to the cache is part of the prompt, what is answered is not.
    ("claude-haiku-5-5", {"input_tokens": 1, "cache_read_tokens": 100_000}, 500 + 5_000_000),
    (
        "claude-haiku-5-5",
        {"cache_write_5m_tokens": 50_001, "cache_write_1h_tokens": 50_000},
        31_250_625 + 50_000_000,
    ),
    ("claude-haiku-5-5", {"input_tokens": 100_000, "output_tokens": 64_000}, 10_000_000 + 32_000_000),
    ("claude-haiku-5-5", {}, 0),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "tokens", "billionths"), INVOICES)
def test_an_invoice_worked_by_hand_is_met_to_the_billionth(
    model: str, tokens: dict[str, int], billionths: int
) -> None:
    assert cost(model, **tokens) == billionths


@pytest.mark.django_db
def test_an_alias_costs_what_its_model_costs() -> None:
    assert cost("claude-haiku-4-5-20251001", input_tokens=7, output_tokens=3) == 22_000


@pytest.mark.django_db
def test_a_price_holds_from_its_first_day_until_the_next_one() -> None:
    add_price("m", "2026-01-01", 10)
    add_price("m", "2026-06-01", 20)
    add_price("m", "2027-01-01", 30)
    days = ("2026-01-01", "2026-05-31", "2026-06-01", "2026-12-31", "2027-01-01", "2030-01-01")
    assert [cost("m", date.fromisoformat(day), input_tokens=1) for day in days] == [10, 10, 20, 20, 30, 30]


@pytest.mark.django_db
def test_tiers_of_an_older_price_do_not_mix_with_a_newer_one() -> None:
    add_price("m", "2026-01-01", 10)
    add_price("m", "2026-01-01", 99, above=1000)
    add_price("m", "2026-06-01", 20)
    assert cost("m", date(2026, 5, 1), input_tokens=2000) == 2000 * 99
    assert cost("m", date(2026, 7, 1), input_tokens=2000) == 2000 * 20


@pytest.mark.django_db
def test_without_a_price_that_holds_a_model_is_unknown_and_never_free() -> None:
    with pytest.raises(UnknownModel, match="'gpt-x'"):
        prices_of("gpt-x")
    with pytest.raises(UnknownModel, match="2026-10-06"):
        prices_of("claude-haiku-5-5", date(2026, 10, 6))
    add_price("m", "2026-01-01", 10, above=1000)
    with pytest.raises(UnknownModel):
        prices_of("m", OCTOBER)


@pytest.mark.django_db
def test_today_is_the_day_by_default() -> None:
    add_price("m", "2026-01-01", 10)
    add_price("m", "2999-01-01", 20)
    assert prices_of("m").cost_usd_billionths(Usage(input_tokens=1)) == 10


@pytest.mark.django_db
def test_prices_are_read_once_and_not_with_every_pair(django_assert_num_queries: Any) -> None:
    pricing.forget()
    with django_assert_num_queries(1):
        for _ in range(5):
            prices_of("claude-haiku-4-5")


@pytest.mark.django_db
def test_the_tables_come_with_prices_and_loading_again_adds_none() -> None:
    before = list(ModelPrice.objects.order_by("id").values())
    assert {row["model"] for row in before} >= {
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "claude-haiku-5-5",
    }
    assert load_prices() == 0
    assert list(ModelPrice.objects.order_by("id").values()) == before


@pytest.mark.django_db
def test_a_missing_row_is_added_and_an_edited_one_stays() -> None:
    ModelPrice.objects.filter(model="claude-haiku-4-5").update(input_usd_billionths=777)
    ModelPrice.objects.filter(model="claude-haiku-5-5", above_prompt_tokens=100_000).delete()
    assert load_prices() == 1
    assert cost("claude-haiku-4-5", input_tokens=1) == 777
    assert cost("claude-haiku-5-5", input_tokens=200_000) == 100_000_000


tokens = st.integers(min_value=0, max_value=40_000)
usages = st.builds(Usage, **dict.fromkeys(FIELDS, tokens))
amounts = st.integers(min_value=0, max_value=100_000)
tiers = st.lists(amounts, min_size=5, max_size=5).map(
    lambda prices: ModelPrice(
        above_prompt_tokens=0,
        input_usd_billionths=prices[0],
        output_usd_billionths=prices[1],
        cache_write_5m_usd_billionths=prices[2],
        cache_write_1h_usd_billionths=prices[3],
        cache_read_usd_billionths=prices[4],
    )
)


@given(tiers, usages, usages)
def test_inside_a_tier_two_calls_cost_what_one_with_their_tokens_costs(
    tier: ModelPrice, one: Usage, other: Usage
) -> None:
    both = Usage(**{name: getattr(one, name) + getattr(other, name) for name in FIELDS})
    prices = Prices("m", [tier])
    costs = [prices.cost_usd_billionths(usage) for usage in (one, other, both)]
    assert costs[0] + costs[1] == costs[2]
    assert all(type(amount) is int and amount >= 0 for amount in costs)


@given(tiers, usages, st.permutations([0, 1_000, 50_000]))
def test_the_order_of_the_tiers_does_not_matter_and_the_highest_that_is_passed_counts(
    tier: ModelPrice, usage: Usage, order: list[int]
) -> None:
    rows = []
    for above in order:
        row = ModelPrice(**{f.attname: getattr(tier, f.attname) for f in ModelPrice._meta.concrete_fields})
        row.above_prompt_tokens = above
        row.output_usd_billionths = above + 1
        rows.append(row)
    passed = max(above for above in order if usage.prompt_tokens > above or above == 0)
    single = Prices("m", [row for row in rows if row.above_prompt_tokens == passed])
    single.tiers[0].above_prompt_tokens = 0
    expected = single.cost_usd_billionths(usage)
    single.tiers[0].above_prompt_tokens = passed
    assert Prices("m", rows).cost_usd_billionths(usage) == expected
