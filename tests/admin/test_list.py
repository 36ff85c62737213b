"""The list of conversations: what it shows, finds and lets through."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from support.admin import changelist
from support.models import Conversation
from tests.admin.conftest import tick
from tests.admin.page import LIST, Desk, page_of

PAGES = ("/admin/", LIST, "/admin/support/article/", "/admin/support/modelprice/", "/admin/support/user/")


def test_a_stranger_is_sent_to_the_login(client: Client, db: None) -> None:
    for page in PAGES:
        response = client.get(page)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")


def test_a_user_who_is_not_staff_sees_nothing(client: Client, ben: Any, opened: Any) -> None:
    conversation = opened("My secret question")
    ben.is_staff = False
    ben.save()
    client.force_login(ben)
    for page in (*PAGES, page_of(conversation)):
        response = client.get(page, follow=True)
        assert response.redirect_chain[-1][0].startswith("/admin/login/")
        assert "secret" not in response.content.decode()


def test_staff_without_the_permission_see_no_conversation(client: Client, ben: Any, opened: Any) -> None:
    conversation = opened("My secret question")
    client.force_login(ben)
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(conversation)).status_code == 403
    assert client.get("/admin/").status_code == 200


def test_the_site_is_named_after_the_company(desk: Desk) -> None:
    assert "Rezvo Support" in desk.client.get("/admin/").content.decode()


def test_a_row_says_what_was_asked_what_it_cost_and_who_has_it(
    desk: Desk, anna: Any, opened: Any, answered: Any
) -> None:
    conversation = opened(source="app_diner")
    answered(
        conversation,
        "\n  Where is my deposit?  \nI paid on Friday.",
        cost_usd_billionths=3_400_000,
        is_escalation=True,
        reason="no_article",
    )
    tick()
    conversation.log(
        user_message="A later question",
        assistant_message="",
        input_tokens=0,
        output_tokens=0,
        is_escalation=False,
        cost_usd_billionths=0,
    )
    conversation.assign(anna, by=anna)
    html = desk.client.get(LIST).content.decode()
    for shown in (
        "Where is my deposit?",
        "in progress",
        "no article fits",
        "diner app",
        "$0.0034",
        "Anna",
        "just now",
    ):
        assert shown in html
    assert "I paid on Friday" not in html
    assert "A later question" not in html


def test_the_newest_conversation_comes_first(desk: Desk, opened: Any) -> None:
    old, new = opened("old"), opened("new")
    Conversation.objects.filter(pk=old.pk).update(created_at=old.created_at - timedelta(hours=3))
    response = desk.client.get(LIST)
    assert [row.pk for row in response.context["cl"].result_list] == [new.pk, old.pk]
    assert "3\xa0hours ago" in response.content.decode()


def test_text_in_the_list_is_escaped(desk: Desk, opened: Any) -> None:
    opened("<img src=x onerror=alert(1)>")
    html = desk.client.get(LIST).content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img src=x" not in html


# --- Search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["FLOOR plan", "under settings", "ring her", "/pricing", "owner-5", " floor "])
def test_search_finds_words_of_messages_notes_pages_and_users(
    desk: Desk, anna: Any, opened: Any, typed: str
) -> None:
    wanted = opened("The floor plan is gone", page_url="https://rezvo.co.uk/pricing", user_id="owner-55")
    wanted.change(by=anna, notes="Ring her back")
    opened()
    assert desk.listed(q=typed) == {wanted.pk}


def test_typing_an_id_finds_that_conversation(desk: Desk, opened: Any) -> None:
    wanted, _ = opened("one"), opened("two")
    assert desk.listed(q=wanted.pk) == {wanted.pk}
    assert desk.listed(q=f" {wanted.pk.upper()} ") == {wanted.pk}
    assert desk.listed(q="0" * 24) == set()
    assert desk.listed(q="nobody wrote this") == set()


def test_search_takes_no_pattern_for_anything_but_text(desk: Desk, opened: Any) -> None:
    opened("one")
    hundred = opened("100% sure (really?)")
    assert desk.listed(q="100% s") == {hundred.pk}
    assert desk.listed(q="(really?)") == {hundred.pk}
    assert desk.listed(q=".*") == set()
    assert desk.client.get(LIST, {"q": "a\x00b"}).status_code == 200


def test_search_works_together_with_a_filter(desk: Desk, anna: Any, opened: Any) -> None:
    closed, _ = opened("deposit one"), opened("deposit two")
    closed.close(by=anna)
    assert desk.listed(q="deposit", status="closed") == {closed.pk}


# --- Size -----------------------------------------------------------------------------------------


def test_the_list_takes_seven_queries_however_many_rows(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert desk.client.get(LIST).status_code == 200
        return len(captured)

    for number in range(5):
        opened(f"question {number}").assign(anna, by=anna)
    desk.client.get(LIST)  # reads the opening hours, once in ten seconds
    # Session, user, colleagues to filter by, count, rows, first questions, budgets.
    assert queries() == 7
    for number in range(55):
        opened(f"question {number}").assign(ben if number % 2 else anna, by=anna)
    assert queries() == 7


def test_the_count_stops_and_says_so(desk: Desk, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelist, "COUNT_LIMIT", 3)
    for number in range(3):
        opened(f"question {number}")
    assert "3 conversations" in desk.client.get(LIST).content.decode()
    for number in range(2):
        opened(f"question {number}")
    response = desk.client.get(LIST)
    html = response.content.decode()
    assert response.context["cl"].result_count == 4
    assert "1,000+ conversations" in html
    assert 'class="question' not in html  # 'select all 1001'


def test_every_counted_row_is_on_a_page(desk: Desk, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.admin.conversations.ConversationAdmin.list_per_page", 2)
    monkeypatch.setattr("support.admin.conversations.ConversationAdmin.list_max_show_all", 2)
    everything = {opened(f"question {number}").pk for number in range(5)}
    assert set.union(*(desk.listed(p=page) for page in "123")) == everything
    assert desk.client.get(LIST, {"p": "4"}).status_code == 302


def test_conversations_are_neither_added_nor_deleted_here(desk: Desk, opened: Any) -> None:
    conversation = opened("one")
    assert desk.client.get(f"{LIST}add/").status_code == 403
    assert desk.client.post(f"{LIST}add/", {}).status_code == 403
    delete = page_of(conversation).replace("change/", "delete/")
    assert desk.client.get(delete).status_code == 403
    assert desk.client.post(delete, {"post": "yes"}).status_code == 403
    desk.act("delete_selected", conversation)
    assert Conversation.objects.filter(pk=conversation.pk).exists()
