"""Every text that an article ever had is kept, however it was changed and whoever changed it at the same time."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection

from support.bot.articles import Found, Library, estimated_tokens, library
from support.models import Article, ArticleChanged, ArticleVersion
from tests.server import ROOT, environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def article(db: None) -> Article:
    return Article.objects.create(slug="deposits", title="Deposits", body="Taken at booking.")


def kept(article: Article) -> list[tuple[int, str, str]]:
    return list(article.versions.order_by("number").values_list("number", "title", "body"))


def stored(article: Article) -> tuple[int, str, str]:
    return Article.objects.values_list("version", "title", "body").get(pk=article.pk)


# --- What makes a version -------------------------------------------------------------------------


def test_the_first_text_is_version_1(article: Article) -> None:
    assert kept(article) == [(1, "Deposits", "Taken at booking.")]
    assert stored(article) == (1, "Deposits", "Taken at booking.")


def test_a_new_title_or_body_is_a_new_version_by_who_changed_it(article: Article, anna: Any, ben: Any) -> None:
    article.revise(body="Taken at the table.", by=anna)
    article.revise(title="Your deposit", by=ben)
    article.body = "Never taken."
    article.save()
    assert kept(article) == [
        (1, "Deposits", "Taken at booking."),
        (2, "Deposits", "Taken at the table."),
        (3, "Your deposit", "Taken at the table."),
        (4, "Your deposit", "Never taken."),
    ]
    assert stored(article) == (4, "Your deposit", "Never taken.")
    assert list(article.versions.order_by("number").values_list("by_id", flat=True)) == [
        None,
        anna.pk,
        ben.pk,
        None,
    ]
    assert article.version == 4


def test_what_is_no_text_makes_no_version(article: Article) -> None:
    before = article.updated_at
    article.is_published = False
    article.save()
    article.revise(slug="deposit")
    article.revise(title="Deposits", body="Taken at booking.")
    article.save(update_fields=["is_published"])
    assert kept(article) == [(1, "Deposits", "Taken at booking.")]
    article.refresh_from_db()
    assert (article.version, article.slug, article.is_published) == (1, "deposit", False)
    assert article.updated_at > before


def test_text_and_other_columns_are_stored_together(article: Article) -> None:
    article.title, article.slug, article.is_published = "Deposit", "deposit", False
    article.save()
    article.refresh_from_db()
    assert (article.version, article.title, article.slug, article.is_published) == (2, "Deposit", "deposit", False)


def test_a_save_of_the_title_alone_leaves_the_body_that_was_typed_but_not_meant(article: Article) -> None:
    article.title, article.body = "Deposit", "Half a sen"
    article.save(update_fields=["title"])
    assert stored(article) == (2, "Deposit", "Taken at booking.")
    assert kept(article)[-1] == (2, "Deposit", "Taken at booking.")


def test_a_change_of_the_text_is_seen_as_an_update(article: Article) -> None:
    before = article.updated_at
    article.title = "Deposit"
    article.save(update_fields=["title"])
    article.refresh_from_db()
    assert article.updated_at > before


def test_the_text_is_not_changed_past_its_versions(article: Article) -> None:
    with pytest.raises(TypeError, match=r"save\(\) or revise\(\)"):
        Article.objects.filter(pk=article.pk).update(body="Unnoticed.")
    assert stored(article) == (1, "Deposits", "Taken at booking.")
    article.body = "Unnoticed."
    with pytest.raises(TypeError):
        Article.objects.bulk_update([article], ["body"])


def test_update_or_create_keeps_versions_too(article: Article) -> None:
    Article.objects.update_or_create(slug="deposits", defaults={"body": "Taken later."})
    assert kept(article)[-1] == (2, "Deposits", "Taken later.")


def test_an_article_that_could_not_be_stored_leaves_no_version(article: Article) -> None:
    with pytest.raises(IntegrityError):
        Article.objects.create(slug="deposits", title="Another", body="…")
    assert ArticleVersion.objects.count() == 1


def test_an_earlier_text_is_restored_as_a_new_version(article: Article, anna: Any) -> None:
    article.revise(title="Deposit", body="Taken later.")
    first = article.kept(1)
    assert first
    article.restore(first, by=anna)
    assert stored(article) == (3, "Deposits", "Taken at booking.")
    assert [number for number, *_ in kept(article)] == [1, 2, 3]
    article.restore(first, by=anna)
    assert stored(article)[0] == 3


def test_a_version_outlives_its_author_and_goes_with_its_article(article: Article, ben: Any) -> None:
    article.revise(body="Taken later.", by=ben)
    ben.delete()
    assert article.versions.get(number=2).by is None
    article.delete()
    assert not ArticleVersion.objects.exists()


def test_an_article_from_before_versions_gets_its_first_with_the_next_change(article: Article) -> None:
    article.versions.all().delete()
    found = article.kept(1)
    assert found
    assert (found.title, found.body) == ("Deposits", "Taken at booking.")
    assert article.kept(2) is None
    article.revise(body="Taken later.")
    assert kept(article) == [(1, "Deposits", "Taken at booking."), (2, "Deposits", "Taken later.")]


def test_versions_go_through_dump_and_load(article: Article, tmp_path: Any) -> None:
    article.revise(body="Taken later.")
    file = str(tmp_path / "articles.json")
    call_command("dumpdata", "support.article", "support.articleversion", output=file)
    Article.objects.all().delete()
    call_command("loaddata", file, verbosity=0)
    assert stored(article) == (2, "Deposits", "Taken later.")
    assert [number for number, *_ in kept(article)] == [1, 2]


# --- Two at once ----------------------------------------------------------------------------------


def test_the_later_of_two_changes_is_refused_and_the_earlier_stays(article: Article) -> None:
    mine, theirs = Article.objects.get(), Article.objects.get()
    theirs.revise(body="Theirs.")
    mine.body = "Mine."
    with pytest.raises(ArticleChanged, match="at version 2 by now; this change was made to version 1"):
        mine.save()
    with pytest.raises(ArticleChanged):
        mine.revise(title="Mine")
    assert stored(article) == (2, "Deposits", "Theirs.")
    assert [number for number, *_ in kept(article)] == [1, 2]


def test_going_back_to_the_text_that_was_read_is_a_change_too(article: Article) -> None:
    stale = Article.objects.get()
    article.revise(body="Theirs.")
    with pytest.raises(ArticleChanged):
        stale.revise(body="Taken at booking.")


def test_who_changes_no_text_keeps_the_newest_of_it(article: Article) -> None:
    stale = Article.objects.get()
    article.revise(body="Theirs.")
    stale.is_published = False
    stale.save()
    assert stored(article) == (2, "Deposits", "Theirs.")
    assert not Article.objects.get().is_published
    assert (stale.version, stale.body) == (2, "Theirs.")
    stale.revise(body="Mine, after theirs.")
    assert stored(article) == (3, "Deposits", "Mine, after theirs.")


def test_the_same_change_twice_is_one_version(article: Article) -> None:
    again = Article.objects.get()
    article.revise(body="The same.")
    again.revise(body="The same.")
    assert [number for number, *_ in kept(article)] == [1, 2]
    assert again.version == 2


WRITER = """
import sys
import django
django.setup()
from support.models import Article, ArticleChanged

name, times = sys.argv[1], int(sys.argv[2])
refused = 0
for n in range(times):
    while True:
        article = Article.objects.get()
        try:
            article.revise(body=f"{article.body}{name}{n} ")
            break
        except ArticleChanged:
            refused += 1
print(refused)
"""


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_at_once_nobody_loses_a_word() -> None:
    article = Article.objects.create(slug="deposits", title="Deposits", body="")
    # The wire server for tests keeps its rows in one thread of Python: fewer there, with the same claim.
    processes, times = (3, 5) if connection.vendor == "mongodb" else (4, 25)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter, str(times)],
            cwd=ROOT,
            env=environment(DJANGO_SETTINGS_MODULE="rezvo_support.settings"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for letter in "abcd"[:processes]
    ]
    for writer in writers:
        _, err = writer.communicate(timeout=300)
        assert writer.returncode == 0, err
    version, _, body = stored(article)
    assert version == 1 + processes * times
    assert sorted(body.split()) == sorted(f"{name}{n}" for name in "abcd"[:processes] for n in range(times))
    rows = kept(article)
    assert [number for number, *_ in rows] == list(range(1, version + 1))
    for (_, _, before), (_, _, after) in pairwise(rows):
        assert after.startswith(before)
    assert rows[-1] == (version, "Deposits", body)


# --- Killed between the two writes (MongoDB: on SQL that is undone) -------------------------------


def half_written(article: Article) -> None:
    """What is left where nothing is undone: the version's row, and the article without it."""
    ArticleVersion.objects.create(article=article, number=2, title="Deposit", body="Half written.")


def test_a_change_that_was_written_halfway_is_ended_by_the_next_writer_who_is_told(article: Article) -> None:
    half_written(article)
    with pytest.raises(ArticleChanged):
        Article.objects.get().revise(body="Mine.")
    if connection.vendor == "mongodb":  # elsewhere the refusal undoes the ending too, and the next one ends it
        assert stored(article) == (2, "Deposit", "Half written.")
    current = Article.objects.get()
    current.settle()
    assert (current.version, current.title, current.body) == stored(article) == (2, "Deposit", "Half written.")
    current.revise(body="Mine.")
    assert stored(article) == (3, "Deposit", "Mine.")
    assert [number for number, *_ in kept(article)] == [1, 2, 3]


def test_who_repeats_a_change_that_was_written_halfway_has_it(article: Article) -> None:
    half_written(article)
    Article.objects.get().revise(title="Deposit", body="Half written.")
    assert stored(article) == (2, "Deposit", "Half written.")
    assert [number for number, *_ in kept(article)] == [1, 2]


# --- What the bot makes of it ---------------------------------------------------------------------


def test_the_bot_knows_which_version_it_answers_from(article: Article) -> None:
    article.revise(body="Taken at the table.")
    (found,) = library().articles
    assert found == Found("deposits", "Deposits", "Taken at the table.", 2)
    assert found.reference() == {"slug": "deposits", "title": "Deposits", "version": 2}


def test_the_bot_sees_an_edit_in_the_same_millisecond(article: Article) -> None:
    moment = article.updated_at
    library()
    article.revise(body="Taken at the table.")
    Article.objects.update(updated_at=moment)
    assert [found.body for found in library().articles] == ["Taken at the table."]


def test_an_estimate_is_the_sum_of_its_articles() -> None:
    articles = [Found("a", "Title", "x" * 700), Found("b", "Other", "y" * 70)]
    assert articles[0].estimated_tokens == estimated_tokens("Title" + "x" * 700)
    assert Library(articles, 1).estimated_tokens == sum(found.estimated_tokens for found in articles)
    assert Library(articles, 1).within(Library(articles, 1).estimated_tokens)
    assert not Library(articles, 1).within(Library(articles, 1).estimated_tokens - 1)
