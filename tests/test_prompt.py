"""What Claude is told: the rules, the articles, the history; the same bytes as long as nothing has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import clock
from support.bot import prompt
from support.bot.articles import Found, Library, estimated_tokens
from support.bot.prompt import Pair, Prefix, Prompt
from support.models import Conversation, Message

HOURS = Found("hours", "Opening hours", "We open at nine.")
REFUNDS = Found("refunds", "How do refunds work?", "A refund takes five days.")
VOUCHERS = Found("vouchers", "Gift vouchers", "A voucher is valid for a year.")


def built(articles: list[Found], question: str = "Q", pairs: Sequence[Pair] = (), now: str = "") -> Prompt:
    made = prompt.build(Library(articles, 1), list(pairs), question, now)
    assert made
    return made


def text(*articles: Found) -> str:
    (block,) = built(list(articles)).system
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
    assert prompt.history(conversation, question) == [Pair("Q3", "A3"), Pair("Q4", "A4"), Pair("Q5", "A5")]


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
    assert prompt.history(conversation, question) == [Pair("Answered", "Yes")]


def test_later_pairs_and_other_conversations_are_no_history(conversation: Conversation) -> None:
    question = pair(conversation, "Now?", "", state="pending", age_s=5)
    pair(conversation, "Later", "Yes")
    pair(Conversation.objects.create(), "Somebody else's", "Secret", age_s=9)
    assert prompt.history(conversation, question) == []


def test_the_turns_alternate_and_the_question_comes_last() -> None:
    assert prompt.messages([Pair("Q1", "A1"), Pair("Q2", "A2")], "Q3") == [
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "Q2"},
        {"role": "assistant", "content": "A2"},
        {"role": "user", "content": "Q3"},
    ]


def test_the_same_articles_make_the_same_bytes_and_are_cached() -> None:
    first, second = built([HOURS, REFUNDS]).system, built([Found(**vars(HOURS)), Found(**vars(REFUNDS))]).system
    assert first == second
    assert first[0]["cache_control"] == {"type": "ephemeral"}
    assert built([HOURS]).system != first


def test_what_changes_with_the_time_of_day_stands_behind_the_part_that_is_cached() -> None:
    morning, evening = built([HOURS], now="It is 9:00.").system, built([HOURS], now="It is 18:00.").system
    assert morning[0] == evening[0]
    assert morning[1:] == [{"type": "text", "text": "It is 9:00."}]


def test_every_article_stands_in_its_own_tag_with_its_title() -> None:
    told = text(HOURS, REFUNDS)
    assert '<article slug="hours" title="Opening hours">\nWe open at nine.\n</article>' in told
    last = '<article slug="refunds" title="How do refunds work?">\nA refund takes five days.\n</article>'
    assert told.endswith(f"{last}\n</help_articles>")


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
    assert '<article slug="a" title="The &quot;best&quot; table isn\'t free">' in text(
        Found("a", 'The "best"\ntable isn\'t free', "x")
    )


def test_code_for_readers_is_told_as_it_is() -> None:
    code = '<script src="https://rezvo.co.uk/b.js"></script> & <articles>'
    assert code in text(Found("a", "Button", code))


def test_all_articles_are_told_while_they_fit(settings: Any) -> None:
    articles = [HOURS, REFUNDS, VOUCHERS]
    settings.CHAT_ARTICLE_TOKENS = sum(estimated_tokens(a.title + a.body) for a in articles)
    made = built(articles, "How long is a voucher valid?")
    assert made.articles == articles
    assert made.prefix.is_cached


def test_above_that_only_the_ones_that_fit_the_question_and_uncached(settings: Any) -> None:
    library = Library([HOURS, REFUNDS, VOUCHERS], 1)
    settings.CHAT_ARTICLE_TOKENS = sum(estimated_tokens(a.title + a.body) for a in library.articles) - 1
    made = prompt.build(library, [], "How long is a voucher valid?")
    assert made
    assert made.articles == [VOUCHERS]
    assert "cache_control" not in made.system[0], "the next question has another prefix: nothing would be read"
    assert prompt.build(library, [], "Will it rain?") is None
    assert prompt.build(library, [], "Hello!"), "a greeting needs no article"


def test_a_follow_up_is_looked_up_with_the_question_before_it(settings: Any) -> None:
    library = Library([HOURS, REFUNDS, VOUCHERS], 1)
    settings.CHAT_ARTICLE_TOKENS = sum(estimated_tokens(a.title + a.body) for a in library.articles) - 1
    made = prompt.build(library, [Pair("How long is a voucher valid?", "A year.")], "And the dog?")
    assert made
    assert made.articles == [VOUCHERS]


def test_the_chosen_ones_stay_below_the_limit(settings: Any) -> None:
    vouchers = [Found(f"v{n}", "Gift vouchers", f"A voucher is valid for {n} years. " * 20) for n in range(5)]
    size = estimated_tokens(vouchers[0].title + vouchers[0].body)
    settings.CHAT_ARTICLE_TOKENS = 2 * size + size // 2
    others = [Found(f"o{n}", f"Thing {n}", f"word{n}") for n in range(10)]
    assert len(prompt.chosen(Library([*vouchers, *others], 1), "Is my voucher valid?")) == 2


# --- What a call can come to --------------------------------------------------------------------------


def test_the_history_has_no_more_characters_than_its_limit(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_HISTORY_CHARACTERS = 60
    for n in range(4):
        pair(conversation, f"Question {n}", "x" * 15, age_s=10 - n)
    question = pair(conversation, "Now?", "", state="pending")
    assert [asked for asked, *_ in prompt.history(conversation, question)] == ["Question 2", "Question 3"]


def test_what_claude_cited_is_shown_as_the_calls_that_it_made(conversation: Conversation) -> None:
    earlier = pair(conversation, "Q1", "A1", age_s=9)
    Message.objects.filter(pk=earlier.pk).update(answered_by="claude", articles=[HOURS.reference()])
    pairs = prompt.history(conversation, pair(conversation, "Q2", "", state="pending"))
    assert pairs == [Pair("Q1", "A1", ("hours",))]
    asked, answered, again = prompt.messages(pairs, "Q2")
    assert asked == {"role": "user", "content": "Q1"}
    call = answered["content"][1]
    assert (call["type"], call["name"], call["input"]) == ("tool_use", "cite", {"articles": ["hours"]})
    result, text_block = again["content"]
    assert (result["type"], result["tool_use_id"]) == ("tool_result", call["id"])
    assert text_block == {"type": "text", "text": "Q2"}


texts = st.text(min_size=1, max_size=200)


@given(st.lists(st.tuples(texts, texts), max_size=4), texts, st.lists(texts, max_size=3))
def test_no_part_of_the_prompt_is_left_out_of_its_bound(
    pairs: list[tuple[str, str]], question: str, bodies: list[str]
) -> None:
    articles = [Found(f"a{n}", "T", body) for n, body in enumerate(bodies)]
    made = prompt.build(Library(articles, 1), [Pair(*pair) for pair in pairs], question, "now")
    assert made
    said = [block["text"] for block in made.system] + [turn["content"] for turn in made.messages]
    assert made.tokens_at_most >= sum(len(text.encode()) for text in said) + len(json.dumps(prompt.TOOLS))


@given(st.lists(st.tuples(texts, texts), max_size=10), st.text(min_size=1, max_size=8000))
def test_no_question_passes_the_bound_of_all_questions(pairs: list[tuple[str, str]], question: str) -> None:
    library = Library([HOURS, REFUNDS], 1)
    told = [Pair(asked, answered, ("s" * 80,) * prompt.CITED_MAX) for asked, answered in pairs]
    made = prompt.build(library, told, question, "now")
    assert made
    assert made.tokens_at_most <= prompt.tokens_at_most(library)


def test_a_measured_prompt_tightens_the_bound_of_those_that_begin_alike() -> None:
    prefix = Prefix("x" * 40_000, is_cached=True)
    before = prefix.tokens_at_most
    prefix.learn(0)
    prefix.learn(3_000)  # of 40,000 bytes: whoever says so has not counted
    assert prefix.tokens_at_most == before >= 40_000
    prefix.learn(9_000)
    prefix.learn(9_500)
    assert prefix.tokens_at_most == 9_000, "that prompt was longer than its beginning"
