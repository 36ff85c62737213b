"""What Claude is told: the rules, the articles, the history; the same bytes as long as nothing has changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support import clock
from support.bot import prompt
from support.bot.articles import Found, Library, estimated_tokens
from support.models import Conversation, Message

HOURS = Found("hours", "Opening hours", "We open at nine.")
REFUNDS = Found("refunds", "How do refunds work?", "A refund takes five days.")
VOUCHERS = Found("vouchers", "Gift vouchers", "A voucher is valid for a year.")


def text(*articles: Found) -> str:
    (block,) = prompt.system(list(articles))
    return str(block["text"])


def pair(
    conversation: Conversation, asked: str, answered: str, *, state: str = "counted", age_s: int = 0
) -> Message:
    return Message.objects.create(
        conversation=conversation,
        user_message=asked,
        assistant_message=answered,
        state=state,
        created_at=clock.now() - timedelta(seconds=age_s),
    )


@pytest.fixture
def conversation(db: None) -> Conversation:
    return Conversation.objects.create()


def test_the_history_is_the_last_pairs_oldest_first(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_HISTORY_PAIRS = 3
    for n in range(6):
        pair(conversation, f"Q{n}", f"A{n}", age_s=100 - n)
    question = pair(conversation, "Now?", "", state="pending")
    assert prompt.history(conversation, question) == [("Q3", "A3"), ("Q4", "A4"), ("Q5", "A5")]


def test_without_pairs_allowed_there_is_no_history(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_HISTORY_PAIRS = 0
    pair(conversation, "Q", "A", age_s=5)
    assert prompt.history(conversation, pair(conversation, "Now?", "", state="pending")) == []


def test_pending_and_empty_pairs_are_left_out(conversation: Conversation) -> None:
    pair(conversation, "Answered", "Yes", age_s=9)
    pair(conversation, "Half written", "So f", state="pending", age_s=8)
    pair(conversation, "Logged without an answer", "", age_s=7)
    pair(conversation, "Blank answer", " \n", age_s=6)
    question = pair(conversation, "Now?", "", state="pending")
    assert prompt.history(conversation, question) == [("Answered", "Yes")]


def test_later_pairs_and_other_conversations_are_no_history(conversation: Conversation) -> None:
    question = pair(conversation, "Now?", "", state="pending", age_s=5)
    pair(conversation, "Later", "Yes")
    pair(Conversation.objects.create(), "Somebody else's", "Secret", age_s=9)
    assert prompt.history(conversation, question) == []


def test_the_turns_alternate_and_the_question_comes_last() -> None:
    assert prompt.messages([("Q1", "A1"), ("Q2", "A2")], "Q3") == [
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "Q2"},
        {"role": "assistant", "content": "A2"},
        {"role": "user", "content": "Q3"},
    ]


def test_the_same_articles_make_the_same_bytes_and_are_cached() -> None:
    first, second = prompt.system([HOURS, REFUNDS]), prompt.system([Found(**vars(HOURS)), Found(**vars(REFUNDS))])
    assert first == second
    assert first[0]["cache_control"] == {"type": "ephemeral"}
    assert prompt.system([HOURS]) != first


def test_every_article_stands_in_its_own_tag_with_its_title() -> None:
    told = text(HOURS, REFUNDS)
    assert '<article title="Opening hours">\nWe open at nine.\n</article>' in told
    assert told.endswith(
        '<article title="How do refunds work?">\nA refund takes five days.\n</article>\n</help_articles>'
    )


def test_the_rules_name_the_company(settings: Any, tmp_path: Path) -> None:
    settings.COMPANY_NAME = "Trattoria Blu"
    told = text()
    assert "Trattoria Blu" in told
    assert "{company}" not in told
    own = tmp_path / "rules.txt"
    own.write_text("Be kind to {company}.")
    settings.SYSTEM_PROMPT_FILE = str(own)
    assert text().startswith("Be kind to Trattoria Blu.\n\n<help_articles>")


@pytest.mark.parametrize(
    "nasty",
    ["</article>", "</ARTICLE>", "</help_articles>", '<article title="x">', "</article\n>", "<help_articles >"],
)
def test_no_title_or_text_can_open_or_close_a_tag(nasty: str) -> None:
    told = text(Found("a", f"T {nasty}", f"Before {nasty} after"), HOURS)
    for tag, times in (("<article", 2), ("</article", 2), ("<help_articles", 1), ("</help_articles", 1)):
        assert told.lower().count(tag) == times
    assert "Before &lt;" in told


def test_quotes_and_line_breaks_of_a_title_stay_inside_it() -> None:
    assert '<article title="The &quot;best&quot; table isn\'t free">' in text(
        Found("a", 'The "best"\ntable isn\'t free', "x")
    )


def test_code_for_readers_is_told_as_it_is() -> None:
    code = '<script src="https://rezvo.co.uk/b.js"></script> & <articles>'
    assert code in text(Found("a", "Button", code))


def test_all_articles_are_told_while_they_fit(settings: Any) -> None:
    library = Library([HOURS, REFUNDS, VOUCHERS], 1)
    settings.CHAT_ARTICLE_TOKENS = sum(estimated_tokens(a.title + a.body) for a in library.articles)
    assert prompt.chosen(library, "How long is a voucher valid?") == [HOURS, REFUNDS, VOUCHERS]


def test_above_that_only_the_ones_that_fit_the_question(settings: Any) -> None:
    library = Library([HOURS, REFUNDS, VOUCHERS], 1)
    settings.CHAT_ARTICLE_TOKENS = sum(estimated_tokens(a.title + a.body) for a in library.articles) - 1
    assert prompt.chosen(library, "How long is a voucher valid?") == [VOUCHERS]
    assert prompt.chosen(library, "Will it rain?") == []


def test_the_chosen_ones_stay_below_the_limit(settings: Any) -> None:
    vouchers = [Found(f"v{n}", "Gift vouchers", f"A voucher is valid for {n} years. " * 20) for n in range(5)]
    size = estimated_tokens(vouchers[0].title + vouchers[0].body)
    settings.CHAT_ARTICLE_TOKENS = 2 * size + size // 2
    others = [Found(f"o{n}", f"Thing {n}", f"word{n}") for n in range(10)]
    assert len(prompt.chosen(Library([*vouchers, *others], 1), "Is my voucher valid?")) == 2
