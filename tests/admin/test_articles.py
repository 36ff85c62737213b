"""Articles in the desk: their versions, two editors at once, and what they take of the prompt."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import httpx2
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from support.admin import articles as articles_page
from support.admin import diff
from support.admin.prompt_use import prompt_use
from support.bot.articles import Found, Library
from support.models import Article, ArticleVersion
from tests.admin.page import Desk, fields_of
from tests.server import Server

LIST = "/admin/support/article/"


@pytest.fixture
def article(db: None) -> Article:
    return Article.objects.create(slug="deposits", title="Deposits", body="First line\n\nSecond line")


def page_of(article: Article) -> str:
    return f"{LIST}{article.pk}/change/"


def version_of(article: Article, number: int) -> str:
    return f"{LIST}{article.pk}/versions/{number}/"


def form_of(desk: Desk, article: Article) -> dict[str, str]:
    return fields_of(desk.client.get(page_of(article)).content.decode(), "article_form")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def may(person: Any, *permissions: str) -> Client:
    """A client of somebody with these rights alone."""
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person)
    return client


# --- Editing --------------------------------------------------------------------------------------


def test_writing_and_editing_make_versions_by_who_did_it(desk: Desk, anna: Any) -> None:
    form = fields_of(desk.client.get(f"{LIST}add/").content.decode(), "article_form")
    desk.client.post(f"{LIST}add/", {**form, "title": "Refunds", "slug": "refunds", "body": "In 3 days.\r\nOr 4."})
    article = Article.objects.get(slug="refunds")
    desk.client.post(page_of(article), {**form_of(desk, article), "body": "In 5 days.\r\nOr 6."})
    rows = article.versions.order_by("number").values_list("number", "body", "by_id")
    assert list(rows) == [(1, "In 3 days.\nOr 4.", anna.pk), (2, "In 5 days.\nOr 6.", anna.pk)]


def test_saving_an_untouched_form_changes_nothing(desk: Desk, article: Article) -> None:
    article.revise(body=" spaces and\r\nline ends \n")
    before = Article.objects.values().get()
    assert desk.client.post(page_of(article), form_of(desk, article)).status_code == 302
    assert Article.objects.values().get() == before
    assert article.versions.count() == 2


def test_publishing_makes_no_version(desk: Desk, article: Article) -> None:
    form = form_of(desk, article)
    del form["is_published"]
    desk.client.post(page_of(article), form)
    article.refresh_from_db()
    assert (article.version, article.is_published) == (1, False)


def test_an_imported_article_says_where_it_is_from_and_keeps_its_slug(desk: Desk, article: Article) -> None:
    assert "folder" not in desk.client.get(page_of(article)).content.decode()
    Article.objects.update(imported_from="help", imported_published=True)
    html = desk.client.get(page_of(article)).content.decode()
    assert "The folder “help”. What you change here stays until its file changes" in html
    desk.client.post(page_of(article), {**form_of(desk, article), "slug": "other", "title": "Deposit"})
    article.refresh_from_db()
    assert (article.slug, article.title) == ("deposits", "Deposit")
    Article.objects.update(imported_published=None)
    assert "its file is gone" in desk.client.get(page_of(article)).content.decode()


def test_a_text_that_is_too_long_is_refused_and_kept(desk: Desk, article: Article) -> None:
    response = desk.client.post(page_of(article), {**form_of(desk, article), "body": "x" * 20_001})
    assert "at most 20000 characters" in response.content.decode()
    assert "x" * 20_001 in response.content.decode()


# --- Somebody else was faster ---------------------------------------------------------------------


def test_the_later_of_two_editors_is_told_and_what_he_typed_is_kept(
    desk: Desk, article: Article, ben: Any
) -> None:
    form = form_of(desk, article)
    article.revise(body="Ben's <b>text", by=ben)
    response = desk.client.post(page_of(article), {**form, "body": "My long text"})
    html = response.content.decode()
    assert response.status_code == 200
    assert "This article was changed by Ben while you had it open, so nothing was saved." in html
    assert f'<a href="{version_of(article, 2)}" target="_blank">See what was changed</a>' in html
    assert "My long text</textarea>" in html
    article.refresh_from_db()
    assert (article.version, article.body) == (2, "Ben's <b>text")


def test_saving_again_makes_a_version_after_the_colleagues(desk: Desk, article: Article, ben: Any) -> None:
    form = form_of(desk, article)
    article.revise(title="Ben's title", by=ben)
    html = desk.client.post(page_of(article), {**form, "body": "My long text"}).content.decode()
    assert desk.client.post(page_of(article), fields_of(html, "article_form")).status_code == 302
    article.refresh_from_db()
    assert (article.version, article.title, article.body) == (3, "Ben's title", "My long text")


def test_a_colleagues_switch_of_publishing_is_not_put_back(desk: Desk, article: Article) -> None:
    form = form_of(desk, article)
    Article.objects.update(is_published=False)
    desk.client.post(page_of(article), {**form, "body": "My long text"})
    article.refresh_from_db()
    assert (article.body, article.is_published) == ("My long text", False)


def test_a_second_click_on_save_is_no_conflict(desk: Desk, article: Article) -> None:
    form = {**form_of(desk, article), "body": "My long text"}
    for _ in range(2):
        assert desk.client.post(page_of(article), form).status_code == 302
    assert article.versions.count() == 2


@pytest.mark.parametrize("version", ["", "nonsense", None])
def test_a_form_without_its_version_saves_nothing(desk: Desk, article: Article, version: str | None) -> None:
    form = {**form_of(desk, article), "body": "My long text"}
    if version is None:
        del form["version"]
    else:
        form["version"] = version
    assert desk.client.post(page_of(article), form).status_code == 200
    assert article.versions.count() == 1


def test_of_editors_who_save_at_the_same_moment_one_is_saved_and_the_others_are_told(
    offline: Server, article: Article, anna: Any
) -> None:
    page = f"{offline.url}{page_of(article)}"
    with httpx2.Client(timeout=60) as browser:
        browser.get(f"{offline.url}/admin/login/")
        who = {"username": "anna", "password": "anna's password", "next": page_of(article)}
        browser.post(
            f"{offline.url}/admin/login/", data={**who, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        )
        form = fields_of(browser.get(page).text, "article_form")
        with ThreadPoolExecutor(6) as editors:
            answers = list(editors.map(lambda n: browser.post(page, data={**form, "body": f"Text {n}"}), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [302]
    for number, answer in enumerate(answers):
        told = (
            "changed by Anna while you had it open" in answer.text and f"Text {number}</textarea>" in answer.text
        )
        assert told == (answer.status_code == 200), answer.text
    article.refresh_from_db()
    (saved,) = (number for number, answer in enumerate(answers) if answer.status_code == 302)
    assert (article.version, article.body) == (2, f"Text {saved}")
    assert article.versions.count() == 2


def test_a_change_that_was_written_halfway_is_shown_to_the_next_editor(desk: Desk, article: Article) -> None:
    form = form_of(desk, article)
    ArticleVersion.objects.create(article=article, number=2, title="Deposits", body="Half written.")
    html = desk.client.post(page_of(article), {**form, "title": "My title"}).content.decode()
    assert "nothing was saved" in html
    assert "Half written.</textarea>" in html
    assert desk.client.post(page_of(article), fields_of(html, "article_form")).status_code == 302
    article.refresh_from_db()
    assert (article.version, article.title, article.body) == (3, "My title", "Half written.")


# --- Versions -------------------------------------------------------------------------------------


def test_the_page_lists_the_versions_newest_first(desk: Desk, article: Article, ben: Any) -> None:
    article.revise(title="Your deposit", by=ben)
    html = desk.client.get(page_of(article)).content.decode()
    rows = re.findall(r'<a href="([^"]*/versions/\d+/)">(\d+)</a></th><td>.*?</td><td>(.*?)</td>', html)
    assert rows == [(version_of(article, 2), "2", "Ben"), (version_of(article, 1), "1", "–")]
    assert "by a command, or somebody who has left" in html


def test_the_list_of_versions_takes_one_query_however_many(
    desk: Desk, article: Article, ben: Any, anna: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(articles_page, "VERSIONS_SHOWN", 4)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            html = desk.client.get(page_of(article)).content.decode()
        assert html.count("/versions/") == min(article.version, 4)
        return len(captured)

    queries()
    few = queries()
    for number in range(5):
        article.revise(body=f"Text {number}", by=ben if number % 2 else anna)
    assert queries() == few


def test_an_article_without_a_kept_version_shows_the_one_in_force(desk: Desk, article: Article) -> None:
    article.versions.all().delete()
    assert version_of(article, 1) in desk.client.get(page_of(article)).content.decode()
    assert "Second line" in desk.client.get(version_of(article, 1)).content.decode()
    assert not article.versions.exists()


def test_a_versions_page_shows_its_text_and_what_it_changed(desk: Desk, article: Article, ben: Any) -> None:
    article.revise(body="First line\n\nSecond longer line\n\nThird line", by=ben)
    article.revise(title="Your deposit")
    html = desk.client.get(version_of(article, 2)).content.decode()
    text = text_of(html)
    assert "What it changed since version 1" in text
    assert "by Ben" in text
    assert '<p class="desk-diff-edited">Second <ins>longer </ins>line<ins>' in html
    assert "Third line</div>" in html
    assert f'href="{version_of(article, 1)}"' in html
    assert f'href="{version_of(article, 3)}"' in html
    newest = desk.client.get(version_of(article, 3)).content.decode()
    assert "the text in force" in newest
    assert "Restore this version" not in newest
    first = text_of(desk.client.get(version_of(article, 1)).content.decode())
    assert "What it changed" not in first


@pytest.mark.parametrize("number", ["0", "3", "99999999999999999999999"])
def test_a_version_that_is_not_there_is_a_404(desk: Desk, article: Article, number: str) -> None:
    for page in (
        f"{LIST}{article.pk}/versions/{number}/",
        f"{LIST}{'0' * 24}/versions/1/",
        f"{LIST}bad/versions/1/",
    ):
        assert desk.client.get(page).status_code == 404, page
        assert desk.client.post(f"{page}restore/").status_code == 404, page


def test_text_in_a_diff_is_escaped(desk: Desk, article: Article) -> None:
    hostile = "<script>alert(1)</script>"
    article.revise(title=hostile, body=f"First line\n\nSecond {hostile} line\n{hostile}")
    article.revise(title="Deposits", body="First line\n\nSecond line")
    for number in (2, 3):
        html = desk.client.get(version_of(article, number)).content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert hostile not in html


# --- Restoring ------------------------------------------------------------------------------------


def test_restoring_writes_a_new_version_by_who_did_it(desk: Desk, article: Article, anna: Any) -> None:
    article.revise(title="Wrong", body="All wrong")
    html = desk.client.get(version_of(article, 1)).content.decode()
    (seen,) = re.findall(r'name="seen" value="(\d+)"', html)
    response = desk.client.post(f"{version_of(article, 1)}restore/", {"seen": seen}, follow=True)
    assert response.redirect_chain == [(page_of(article), 302)]
    assert said(response) == ["Version 1 is restored, as version 3."]
    article.refresh_from_db()
    assert (article.version, article.title, article.body) == (3, "Deposits", "First line\n\nSecond line")
    assert article.versions.get(number=3).by == anna
    assert LogEntry.objects.get().get_change_message() == "Restored version 1."
    again = desk.client.post(f"{version_of(article, 1)}restore/", {"seen": "3"}, follow=True)
    assert said(again) == ["The article has the text of version 1 already."]
    assert article.versions.count() == 3


@pytest.mark.parametrize("seen", ["1", "", "nonsense"])
def test_a_page_that_is_behind_restores_nothing(desk: Desk, article: Article, seen: str) -> None:
    article.revise(body="Newer, and not seen")
    response = desk.client.post(f"{version_of(article, 1)}restore/", {"seen": seen}, follow=True)
    assert response.redirect_chain == [(version_of(article, 1), 302)]
    assert "so nothing was restored" in said(response)[0]
    assert article.versions.count() == 2


def test_restoring_over_a_change_that_was_written_halfway_is_refused(desk: Desk, article: Article) -> None:
    article.revise(body="Second")
    ArticleVersion.objects.create(article=article, number=3, title="Deposits", body="Half written.")
    response = desk.client.post(f"{version_of(article, 1)}restore/", {"seen": "2"}, follow=True)
    assert "so nothing was restored" in said(response)[0]


def test_restoring_is_a_post_with_a_token_of_the_page(desk: Desk, article: Article, anna: Any) -> None:
    article.revise(body="Second")
    page = f"{version_of(article, 1)}restore/"
    assert desk.client.get(page).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(anna)
    assert strict.post(page, {"seen": "2"}).status_code == 403
    assert article.versions.count() == 2


def test_who_may_only_look_sees_versions_and_restores_none(article: Article, ben: Any) -> None:
    article.revise(body="Second")
    client = may(ben, "view_article")
    page = client.get(page_of(article))
    assert page.status_code == 200
    assert version_of(article, 1) in page.content.decode()
    version = client.get(version_of(article, 1))
    assert version.status_code == 200
    assert "Restore this version" not in version.content.decode()
    assert client.post(f"{version_of(article, 1)}restore/", {"seen": "2"}).status_code == 403
    assert article.versions.count() == 2


def test_who_has_no_right_to_articles_sees_no_version(article: Article, ben: Any) -> None:
    client = may(ben, "view_conversation")
    assert client.get(version_of(article, 1)).status_code == 403
    assert client.post(f"{version_of(article, 1)}restore/", {"seen": "1"}).status_code == 403
    nobody = Client().get(version_of(article, 1))
    assert (nobody.status_code, nobody["Location"].split("?")[0]) == (302, "/admin/login/")


# --- The list -------------------------------------------------------------------------------------


def test_the_list_tells_version_size_and_state(desk: Desk, article: Article) -> None:
    article.revise(body="five words of plain text")
    text = text_of(desk.client.get(LIST).content.decode())
    assert re.search(r"Deposits version 2 5 words about 10 tokens just now", text), text
    assert "1 published article, about 10 of 20,000 tokens (CHAT_ARTICLE_TOKENS)" in text


def library_of(tokens: int) -> Library:
    """One article of about so many tokens."""
    return Library([Found("a", "", "word " * (tokens * 7 // 10))], 1)


@pytest.fixture
def rules(settings: Any, tmp_path: Any) -> None:
    (tmp_path / "rules.txt").write_text("x" * 3_500)  # about 1,000 tokens
    settings.SYSTEM_PROMPT_FILE = str(tmp_path / "rules.txt")
    settings.ANTHROPIC_API_KEY = "sk-test"


@pytest.mark.parametrize(
    ("tokens", "says", "to_do"),
    [
        (2_000, "below the 4,096 tokens", "publish about 2,200 more, and most questions pay a tenth for it"),
        (3_200, "near the 4,096 tokens", "publish an article or two more"),
        (8_000, "above the 4,096 tokens", "nothing to do"),
    ],
)
def test_it_says_whether_the_prompt_can_be_cached_and_what_to_do(
    rules: None, tokens: int, says: str, to_do: str
) -> None:
    told = prompt_use(library_of(tokens))
    assert "the model is given all of them" in told
    assert says in told
    assert to_do in told


def test_it_says_when_the_articles_do_not_fit(rules: None, settings: Any) -> None:
    settings.CHAT_ARTICLE_TOKENS = 5_000
    told = prompt_use(library_of(8_300))
    assert "of 5,000 tokens" in told
    assert "those that fit the question best (BM25)" in told
    assert "Set CHAT_ARTICLE_TOKENS to 9000" in told
    settings.CHAT_ARTICLE_TOKENS = 9_000
    assert "all of them" in prompt_use(library_of(8_300))


def test_it_says_nothing_that_it_does_not_know(rules: None, settings: Any) -> None:
    assert prompt_use(Library([], 1)) == "No article is published, so every question goes to a person."
    settings.ANTHROPIC_API_KEY = ""
    assert "once there is a key, the model is given all of them" in prompt_use(library_of(100))
    settings.CHAT_MODEL = "claude-haiku-5-5"
    assert prompt_use(library_of(100)).endswith("given all of them.")


# --- Differences ----------------------------------------------------------------------------------


def test_words_are_marked_in_a_line_that_was_edited() -> None:
    html = diff.html("We open at nine on weekdays.", "We open at ten on weekdays.")
    assert "We open at <del>nine </del><ins>ten </ins>on weekdays." in html


def test_a_line_that_was_written_anew_is_shown_after_the_one_it_replaced() -> None:
    html = diff.html("a\nGone entirely\nb", "a\nSomething else here\nb")
    assert "<del>Gone entirely</del></p><p" in html
    assert "<ins>Something else here</ins></p>" in html


def test_lines_that_are_far_from_a_change_are_left_out() -> None:
    lines = [f"line {number}" for number in range(40)]
    html = diff.html("\n".join(lines), "\n".join(["first", *lines, "last"]))
    assert "<ins>first</ins>" in html
    assert "<ins>last</ins>" in html
    assert "line 1<" in html
    assert "line 20<" not in html
    assert html.count("…") == 1


def test_the_same_text_has_no_difference() -> None:
    assert "The text is the same." in diff.html("a\r\nb", "a\nb")


def test_a_long_text_that_was_written_anew_is_not_compared_word_by_word() -> None:
    old, new = " ".join(f"old{n}" for n in range(3_000)), " ".join(f"new{n}" for n in range(3_000))
    html = diff.html(old, new)
    assert f"<del>{old}</del>" in html
    assert f"<ins>{new}</ins>" in html
