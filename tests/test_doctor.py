"""`manage.py doctor`: each part looked at, each fault with what to do about it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from support.import_articles import import_folder
from support.models import Article, BudgetWindow, ModelPrice
from tests.fake_claude import FakeClaude, Fault, Script
from tests.server import ROOT, manage

pytestmark = pytest.mark.django_db(transaction=True)


def examine(*options: str) -> tuple[dict[str, list[str]], int]:
    """The lines of each part, and the exit code."""
    out, code = StringIO(), 0
    try:
        call_command("doctor", *options, stdout=out, no_color=True)
    except SystemExit as exit:
        code = int(exit.code or 0)
    parts: dict[str, list[str]] = {}
    part = ""
    for line in out.getvalue().splitlines()[:-1]:
        part = line[9:20].strip() or part
        parts.setdefault(part, []).append(line)
    return parts, code


@pytest.fixture(autouse=True)
def _articles(transactional_db: None) -> None:
    import_folder(ROOT / "support" / "demo" / "articles")


def test_a_desk_that_is_well_has_no_fault() -> None:
    parts, code = examine()
    assert code == 0
    assert set(parts) >= {
        "database",
        "migrations",
        "indexes",
        "cache",
        "rules",
        "articles",
        "model",
        "cost",
        "budget",
        "hours",
        "email",
        "key",
    }
    assert not [line for lines in parts.values() for line in lines if line.startswith("fault")]


def test_it_says_what_an_answer_costs_at_most_and_which_budget_is_below_that(settings: Any) -> None:
    assert "an answer, whatever is asked" in examine()[0]["cost"][0]
    settings.BUDGET_CONVERSATION_USD_BILLIONTHS = 10_000_000
    warning, mend = examine()[0]["cost"]
    assert warning.startswith("warning")
    assert "more than BUDGET_CONVERSATION_USD" in warning
    assert "CHAT_HISTORY_CHARACTERS" in mend


def test_a_model_without_a_price_is_a_fault(settings: Any) -> None:
    settings.CHAT_MODEL = "gpt-9"
    parts, code = examine()
    assert code == 1
    assert parts["model"][0].startswith("fault")
    assert "Prices in the admin" in parts["model"][1]


def test_the_price_row_is_told() -> None:
    assert "$1 in, $5 out a million tokens since 2025-10-01" in examine()[0]["model"][0]
    ModelPrice.objects.filter(model="claude-haiku-4-5").update(input_usd_billionths=2500)
    from support.ledger import pricing

    pricing.forget()
    assert "$2.5 in" in examine()[0]["model"][0]


@pytest.mark.parametrize(("cents", "state"), [(79, "ok"), (80, "warning"), (100, "fault")])
def test_a_budget_that_is_nearly_spent(settings: Any, cents: int, state: str) -> None:
    from support.ledger import budget

    settings.BUDGET_DAY_USD_BILLIONTHS, settings.BUDGET_MONTH_USD_BILLIONTHS = 10**9, None
    (key,) = [key for key in budget.caps(_conversation(), "") if key.startswith("day:")]
    BudgetWindow.objects.create(key=key, spent_usd_billionths=cents * 10**7)
    assert examine()[0]["budget"][0].startswith(state)


def test_articles_are_held_against_the_cache_s_minimum(settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "k"
    assert examine()[0]["articles"][0].startswith("ok")
    Article.objects.exclude(slug="no-shows").update(is_published=False)
    assert "too short for the cache, which begins at 4,096" in examine()[0]["articles"][0]
    Article.objects.update(is_published=False)
    assert "none published" in examine()[0]["articles"][0]


def test_too_many_articles_for_the_prompt(settings: Any) -> None:
    settings.CHAT_ARTICLE_TOKENS = 1000
    assert "the model sees those that fit the question" in examine()[0]["articles"][0]


def test_a_missing_file_of_rules_is_a_fault(settings: Any) -> None:
    settings.SYSTEM_PROMPT_FILE = "/nonexistent"
    assert examine()[0]["rules"][0].startswith("fault")


def test_the_key_is_tried_only_if_asked(settings: Any, claude: FakeClaude) -> None:
    settings.ANTHROPIC_API_KEY = "k"
    assert "not tried" in examine()[0]["key"][0]
    assert not claude.requests
    key = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": claude.url}
    assert "the model answered; 132 tokens, outside the budgets" in manage("doctor", "--call", **key).stdout
    claude.always(Script(fault=Fault.UNAUTHORIZED))
    done = manage("doctor", "--call", **key)
    assert done.returncode == 1
    assert "the model did not answer: authentication_error (401)" in done.stdout
    assert "set another ANTHROPIC_API_KEY" in done.stdout


def test_without_tables_it_says_what_to_run(tmp_path: Any) -> None:
    done = manage("doctor", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert done.returncode == 1
    assert "manage.py setup" in done.stdout


def test_without_a_database_it_says_so() -> None:
    done = manage("doctor", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stdout
    assert "Traceback" not in done.stderr


def _conversation() -> Any:
    from support.models import Conversation

    return Conversation()
