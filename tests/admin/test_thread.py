"""The thread on a conversation's page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from support.admin import thread
from support.admin.show import moment
from support.clock import now
from support.models import Article, Conversation
from tests.admin.conftest import tick
from tests.admin.page import LIST, Desk

HOSTILE = "<img src=x onerror=alert(1)>\n</div><script>alert('2')</script>"


def shown(desk: Desk, conversation: Any) -> str:
    """The thread's text, without its tags."""
    html = desk.html(conversation)
    found = re.search(r'<ol class="desk-thread">.*?</ol>', html, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", found[0]))


def test_whatever_anybody_wrote_is_shown_as_text(desk: Desk, anna: Any, opened: Any, answered: Any) -> None:
    conversation = opened(user_id=HOSTILE, page_url="javascript:alert(3)")
    answered(
        conversation,
        HOSTILE,
        text=HOSTILE,
        model="<b>",
        input_tokens=1,
        fault="<i>",
        handover_summary=HOSTILE,
        articles=[{"slug": "<u>", "title": "<u>"}],
    )
    conversation.change(by=anna, notes=HOSTILE)
    html = desk.html(conversation)
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 4
    for tag in ("<img src=x", "<script>alert", "<b>&lt", "<i>", "<u>", 'href="javascript'):
        assert tag not in html
    assert "javascript:alert(3)" in html


def test_line_ends_and_direction_of_a_text_are_kept(desk: Desk, opened: Any) -> None:
    conversation = opened("first line\nsecond line")
    assert '<div class="desk-text" dir="auto">first line\nsecond line</div>' in desk.html(conversation)


def test_pairs_and_what_happened_stand_in_the_order_of_time(
    desk: Desk, anna: Any, ben: Any, opened: Any, answered: Any
) -> None:
    conversation = opened("first question")
    answered(conversation, "second question", answered_by="offline", is_escalation=True, reason="no_article")
    tick()
    conversation.assign(ben, by=anna)
    tick()
    conversation.assign(anna, by=anna)
    tick()
    conversation.change(by=ben, notes="ask again")
    tick()
    conversation.close(by=anna)
    tick()
    conversation.change(by=anna, escalated=False)
    tick()
    conversation.assign(None, by=ben)
    text = shown(desk, conversation)
    lines = (
        "first question",
        "Logged by the client",
        "second question",
        "Offline answerer",
        "Escalated: no article fits",
        "Assigned to Ben by Anna",
        "Taken by Anna",
        "Notes edited by Ben",
        "Status closed by Anna (was in progress)",
        "Escalation mark cleared by Anna",
        "Taken from Anna by Ben, now with nobody",
    )
    places = [text.find(line) for line in lines]
    assert -1 not in places, list(zip(lines, places, strict=True))
    assert places == sorted(places)


def test_an_answer_says_who_gave_it_from_what_and_for_how_much(desk: Desk, opened: Any, answered: Any) -> None:
    article = Article.objects.create(slug="deposits", title="Deposits", body="…")
    conversation = opened()
    answered(
        conversation,
        "How?",
        answered_by="claude",
        model="claude-haiku-4-5",
        input_tokens=1234,
        output_tokens=56,
        cache_read_tokens=4200,
        cost_usd_billionths=3_400_000,
        articles=[{"slug": "deposits", "title": "Deposits"}, {"slug": "gone", "title": "Gone"}],
    )
    text = shown(desk, conversation)
    for words in (
        "Claude",
        "claude-haiku-4-5",
        "1,234 tokens in",
        "56 out",
        "4,200 read from the cache",
        "$0.0034",
    ):
        assert words in text
    assert "measured" in text
    html = desk.html(conversation)
    assert f'<a href="/admin/support/article/{article.pk}/change/">Deposits</a>, Gone' in html


def test_an_article_is_linked_as_it_was_when_it_was_used(desk: Desk, opened: Any, answered: Any) -> None:
    article = Article.objects.create(slug="deposits", title="Deposits", body="Taken at booking.")
    conversation = opened()
    answered(conversation, "How?", articles=[{"slug": "deposits", "title": "Deposits", "version": 1}])
    article.revise(title="Your deposit", body="Taken at the table.")
    link = f"/admin/support/article/{article.pk}/versions/1/"
    assert f'<a href="{link}">Deposits (version 1)</a>' in desk.html(conversation)
    assert "Taken at booking." in desk.client.get(link).content.decode()
    article.delete()
    assert "Article used: Deposits <" in desk.html(conversation).replace("</p>", " <")


def test_a_time_of_another_year_names_it() -> None:
    assert ">4 Mar 2019, 09:30<" in moment(datetime(2019, 3, 4, 9, 30, tzinfo=UTC))
    assert f">{now():%-d} {now():%b}" in moment(now())
    assert f"{now().year}" not in moment(now()).partition(">")[2]


def test_tokens_that_a_client_reported_are_marked_as_a_claim(desk: Desk, opened: Any) -> None:
    conversation = opened("logged")
    assert "10 tokens in · 5 out · claimed by the client · &lt;$0.0001" in shown(desk, conversation)
    assert "&lt;$0.0001, of which &lt;$0.0001 claimed by clients" in desk.html(conversation)


def test_a_fault_of_the_model_is_said_in_words(desk: Desk, opened: Any, answered: Any) -> None:
    conversation = opened()
    answered(conversation, "one", answered_by="offline", fault="overloaded_error (529)")
    answered(conversation, "two", fault="something new")
    text = shown(desk, conversation)
    assert "What went wrong: the model&#x27;s service was overloaded" in text
    assert "What went wrong: something new" in text


@pytest.mark.parametrize(("rating", "words"), [("good", "Rated helpful"), ("bad", "Rated not helpful")])
def test_an_answer_says_what_its_visitor_thought_of_it(
    desk: Desk, opened: Any, answered: Any, rating: str, words: str
) -> None:
    conversation = opened("not rated")
    message = answered(conversation, "rated")
    conversation.rate(message, rating)
    assert shown(desk, conversation).count("Rated ") == 1
    assert words in shown(desk, conversation)
    conversation.rate(message, None)
    assert "Rated " not in shown(desk, conversation)


def test_a_person_who_was_called_by_bad_ratings_is_told_so(desk: Desk, opened: Any, answered: Any) -> None:
    conversation = opened()
    for number in range(2):
        conversation.rate(answered(conversation, f"question {number}"), "bad")
    assert "Escalated: answers rated badly" in shown(desk, conversation)
    assert "answers rated badly" in desk.client.get(LIST).content.decode()


def test_a_question_that_waits_for_its_answer_says_so(desk: Desk, opened: Any) -> None:
    conversation = opened()
    conversation.ask("Are you there?", deadline_at=now() + timedelta(minutes=1), idempotency_key=None)
    text = shown(desk, conversation)
    assert "Are you there?" in text
    assert "being answered…" in text


def test_an_opened_conversation_without_a_question_has_a_page(desk: Desk, opened: Any) -> None:
    assert "nothing has been asked yet" in desk.html(opened())


def test_the_summary_links_the_page_and_tells_it_nothing(desk: Desk, opened: Any) -> None:
    address = "https://rezvo.co.uk/pricing?plan=large&from=menu"
    html = desk.html(opened("one", page_url=address, user_id="owner-55"))
    escaped = address.replace("&", "&amp;")
    assert f'<a href="{escaped}" target="_blank" rel="noopener noreferrer nofollow">{escaped}</a>' in html
    assert "owner-55" in html


@pytest.mark.parametrize("address", ["ftp://rezvo.co.uk/", "data:text/html,x", "//rezvo.co.uk", "https://[x"])
def test_only_a_web_address_becomes_a_link(desk: Desk, opened: Any, address: str) -> None:
    conversation = opened("one")
    Conversation.objects.filter(pk=conversation.pk).update(page_url=address)
    html = desk.html(conversation)
    assert address in html
    assert f'href="{address}' not in html


def test_a_page_takes_as_many_queries_for_40_messages_as_for_3(
    desk: Desk, anna: Any, ben: Any, opened: Any, answered: Any
) -> None:
    Article.objects.create(slug="deposits", title="Deposits", body="…")
    used = [{"slug": "deposits", "title": "Deposits"}]

    def queries(pairs: int) -> int:
        conversation = opened()
        for number in range(pairs):
            answered(conversation, f"question {number}", articles=used)
            conversation.assign(ben if number % 2 else anna, by=anna)
        desk.html(conversation)  # content types are read once in a process
        with CaptureQueriesContext(connection) as captured:
            assert f"question {pairs - 1}" in desk.html(conversation)
        return len(captured)

    # Session, user, conversation; first question, pairs, events, their staff, articles; staff to assign to; money.
    assert queries(3) == 10
    assert queries(40) == 10


def test_a_very_long_thread_shows_its_end(
    desk: Desk, opened: Any, answered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "PAIRS_SHOWN", 3)
    conversation = opened()
    for number in range(5):
        answered(conversation, f"question {number}")
    text = shown(desk, conversation)
    assert "Earlier messages than the last 3 are not shown" in text
    assert [number for number in range(5) if f"question {number}" in text] == [2, 3, 4]


def test_what_the_model_tells_who_takes_over_is_there(desk: Desk, opened: Any, answered: Any) -> None:
    conversation = opened()
    answered(conversation, "Refund?", text="One moment.", handover_summary="Wants £40 back for March.")
    assert "For you: Wants £40 back for March." in shown(desk, conversation)
