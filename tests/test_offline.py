"""The answerer that needs no model: the right article for most questions, a person for all the others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from support.bot import articles, offline
from support.bot.articles import Found, Library
from support.import_articles import import_folder
from support.models import Article, Conversation, Message
from tests.questions import ANSWERED, UNANSWERED
from tests.server import Server, text_of

DEMO = Path(settings.BASE_DIR) / "support" / "demo" / "articles"


@pytest.fixture
def demo(db: None) -> Library:
    import_folder(DEMO)
    return articles.library()


def found(library: Library, question: str) -> str:
    return next((article.slug for article in library.best(question)), "")


# --- The right article ----------------------------------------------------------------------------


def test_nine_questions_in_ten_find_their_article_and_one_in_twenty_at_most_a_wrong_one(demo: Library) -> None:
    asked = [(question, slug) for slug, questions in ANSWERED.items() for question in questions]
    assert set(ANSWERED) == {article.slug for article in demo.articles}
    assert min(map(len, ANSWERED.values())) >= 2
    assert len(asked) >= 40
    missed = {question: found(demo, question) for question, slug in asked if found(demo, question) != slug}
    wrong = {question: slug for question, slug in missed.items() if slug}
    assert 1 - len(missed) / len(asked) >= 0.90, missed
    assert len(wrong) / len(asked) <= 0.05, wrong


@pytest.mark.parametrize("question", UNANSWERED)
def test_what_no_article_answers_goes_to_a_person(demo: Library, question: str) -> None:
    reply = offline.reply(demo, question)
    assert (reply.fits, reply.used) == (False, [])
    assert "couldn't find an answer" in reply.text


@pytest.mark.parametrize("slug", ANSWERED)
def test_the_title_of_an_article_finds_it(demo: Library, slug: str) -> None:
    title = next(article.title for article in demo.articles if article.slug == slug)
    assert found(demo, title) == slug
    assert found(demo, title.upper().replace("'", "’")) == slug


def test_several_fitting_articles_come_best_first_and_not_more_than_asked_for(demo: Library) -> None:
    best = demo.best("Is the deposit refunded?", most=3)
    assert best[0].slug == "deposit-refunds"
    assert len(best) == 3
    assert demo.best("Is the deposit refunded?", most=1) == best[:1]


def test_a_title_weighs_more_than_a_text() -> None:
    library = Library(
        [Found("a", "Cats", "We have dogs and dogs."), Found("b", "Dogs", "We have cats and cats.")], 1
    )
    assert found(library, "Where are the dogs?") == "b"


def test_half_of_what_is_asked_is_not_enough() -> None:
    library = Library([Found("a", "Parking", "Behind the house."), Found("b", "Dogs", "Welcome.")], 1)
    assert found(library, "parking") == "a"
    assert found(library, "parking for zeppelins") == ""


@pytest.mark.parametrize("question", ["", "???", "12", "the of and", "é" * 8000, "\U0001f44b", "дом", "x " * 4000])
def test_no_text_is_too_strange(demo: Library, question: str) -> None:
    assert found(demo, question) == ""
    assert found(Library([], 1), question) == ""
    assert found(Library([Found("a", "", "")], 1), question) == ""


# --- What is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["Thanks!", "ok thank you", "Cheers, bye"])
def test_thanks_are_no_question(demo: Library, words: str) -> None:
    reply = offline.reply(demo, words)
    assert (reply.fits, reply.used) == (True, [])
    assert reply.text.startswith("You're welcome")


@pytest.mark.parametrize("words", ["hi", "Good morning!", "Hello, can you help me?", "hey there"])
def test_a_greeting_is_greeted_and_needs_no_person(demo: Library, words: str) -> None:
    reply = offline.reply(demo, words)
    assert (reply.fits, reply.used) == (True, [])
    assert reply.text.startswith("Hello!")
    assert f"- {demo.articles[0].title}" in reply.text


@pytest.mark.parametrize("words", ["It doesn't work", "nothing happens", "???", "still the same problem"])
def test_a_complaint_without_a_subject_is_no_greeting(demo: Library, words: str) -> None:
    assert not offline.reply(demo, words).fits


def test_an_answer_is_the_articles_own_words_and_names_it(demo: Library) -> None:
    reply = offline.reply(demo, "How do gift vouchers work?")
    article = Article.objects.get(slug="gift-vouchers")
    assert reply.text == f"{article.body}\n\n(From our help page “How do gift vouchers work?”.)"
    (used,) = reply.used
    assert used.reference() == {"slug": "gift-vouchers", "title": article.title, "version": 1}


def test_a_long_article_is_cut_between_paragraphs() -> None:
    paragraphs = [f"Vouchers {letter} " + letter * 700 for letter in "abc"]
    reply = offline.reply(Library([Found("v", "Vouchers", "\n\n".join(paragraphs))], 1), "vouchers")
    assert reply.text.startswith("\n\n".join(paragraphs[:2]) + "\n\n(From")
    one = offline.reply(Library([Found("v", "Vouchers", "v" * 5000)], 1), "vouchers")
    assert one.text.startswith("v" * 5000)


# --- Articles change ------------------------------------------------------------------------------


def test_an_edited_an_added_and_a_withdrawn_article_are_seen_at_once(demo: Library) -> None:
    article = Article.objects.get(slug="gift-vouchers")
    article.body = "Vouchers are valid for a hundred years."
    article.save()
    assert "hundred years" in offline.reply(articles.library(), "How long is a voucher valid?").text
    Article.objects.create(slug="parking", title="Where can I park?", body="Parking is behind the house.")
    assert found(articles.library(), "Where can I park?") == "parking"
    Article.objects.filter(slug="parking").update(is_published=False)
    assert found(articles.library(), "Where can I park?") == ""
    Article.objects.get(slug="gift-vouchers").delete()
    assert found(articles.library(), "How do gift vouchers work?") != "gift-vouchers"


def test_an_edit_is_seen_though_the_clock_of_another_machine_is_ahead(demo: Library) -> None:
    Article.objects.filter(slug="no-shows").update(updated_at=datetime(2999, 1, 1, tzinfo=UTC))
    articles.library()
    article = Article.objects.get(slug="gift-vouchers")
    article.body = "Vouchers are valid for a hundred years."
    article.save()
    assert "hundred years" in offline.reply(articles.library(), "How long is a voucher valid?").text


def test_one_small_query_tells_that_nothing_has_changed(demo: Library, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert articles.library() is demo


# --- Through the server ---------------------------------------------------------------------------


def test_it_streams_word_by_word_costs_nothing_and_names_its_article(offline: Server) -> None:
    import_folder(DEMO)
    events = offline.ask("How do gift vouchers work?")
    deltas = [event.data["text"] for event in events if event.name == "delta"]
    assert len(deltas) > 10
    assert events[-1].data["is_escalation"] is False
    assert (events[-1].data["input_tokens"], events[-1].data["output_tokens"]) == (0, 0)
    message = Message.objects.get()
    assert message.assistant_message == text_of(events)
    assert (message.answered_by, message.cost_usd_billionths, message.model) == ("offline", 0, "")
    used = {"slug": "gift-vouchers", "title": "How do gift vouchers work?", "version": 1}
    assert message.articles == [used]
    assert Conversation.objects.get().estimated_cost_usd == 0


def test_where_no_article_fits_a_person_takes_over(offline: Server) -> None:
    import_folder(DEMO)
    events = offline.ask("Will it rain on Saturday?")
    assert "a person will take over" in text_of(events)
    assert (events[-1].data["is_escalation"], events[-1].data["status"]) == (True, "needs_review")
    assert Conversation.objects.get().escalation_reason == "no_article"
    assert Message.objects.get().articles == []


def test_an_article_that_sends_to_the_support_address_hands_over(offline: Server) -> None:
    import_folder(DEMO)
    events = offline.ask("How do I contact Rezvo support?")
    assert "email support@rezvo.co.uk" in text_of(events)
    assert (events[-1].data["is_escalation"], events[-1].data["status"]) == (True, "needs_review")


def test_a_greeting_stays_with_the_bot(offline: Server) -> None:
    import_folder(DEMO)
    events = offline.ask("Good morning")
    assert text_of(events).startswith("Hello!")
    assert events[-1].data["status"] == "auto_resolved"


def test_a_running_server_sees_what_staff_edit(offline: Server) -> None:
    import_folder(DEMO)
    offline.ask("How do gift vouchers work?")
    article = Article.objects.get(slug="gift-vouchers")
    article.body = "There are none any more."
    article.save()
    assert text_of(offline.ask("How do gift vouchers work?")).startswith("There are none any more.")
    Article.objects.all().delete()
    assert "couldn't find an answer" in text_of(offline.ask("How do gift vouchers work?"))
