"""The filters of the list, one question each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.clock import now
from tests.admin.page import LIST, Desk


def test_waiting_for_a_person_is_what_a_person_has_or_must_take(desk: Desk, anna: Any, opened: Any) -> None:
    rows = {
        status: opened(status) for status in ("auto_resolved", "needs_review", "open", "in_progress", "closed")
    }
    for status, conversation in rows.items():
        conversation.change(by=anna, status=status)
    assert desk.listed(status="waiting") == {rows[status].pk for status in ("needs_review", "open", "in_progress")}
    for status, conversation in rows.items():
        assert desk.listed(status=status) == {conversation.pk}


def test_source(desk: Desk, opened: Any) -> None:
    web, app = opened(source="web"), opened(source="app_owner")
    assert desk.listed(source="web") == {web.pk}
    assert desk.listed(source="app_owner") == {app.pk}


def test_escalated(desk: Desk, opened: Any) -> None:
    fine, handed_over = opened(), opened()
    handed_over.escalate("no_article")
    assert desk.listed(escalated="yes") == {handed_over.pk}
    assert desk.listed(escalated="no") == {fine.pk}


def test_whose(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    mine, his, nobodys = opened(), opened(), opened()
    mine.assign(anna, by=anna)
    his.assign(ben, by=anna)
    assert desk.listed(whose="me") == {mine.pk}
    assert desk.listed(whose="nobody") == {nobodys.pk}
    assert desk.listed(whose=ben.pk) == {his.pk}


def test_only_active_staff_are_offered_as_colleagues(desk: Desk, ben: Any) -> None:
    assert "Ben" in desk.client.get(LIST).content.decode()
    ben.is_active = False
    ben.save()
    assert "Ben" not in desk.client.get(LIST).content.decode()


@pytest.mark.parametrize("who", ["claude", "offline", "notice"])
def test_answered_by(desk: Desk, opened: Any, answered: Any, who: str) -> None:
    by_client, wanted = opened("logged"), opened()
    answered(wanted, "asked", answered_by=who)
    wanted.ask("still being answered", deadline_at=now() + timedelta(minutes=1), idempotency_key=None)
    assert desk.listed(answered_by=who) == {wanted.pk}
    assert desk.listed(answered_by="client") == {by_client.pk}


def test_why_escalated(desk: Desk, anna: Any, opened: Any) -> None:
    no_article, refused, cleared = opened(), opened(), opened()
    no_article.escalate("no_article")
    refused.escalate("refused")
    cleared.escalate("no_article")
    cleared.change(by=anna, escalated=False)
    assert desk.listed(reason="no_article") == {no_article.pk}
    assert desk.listed(reason="refused") == {refused.pk}


def test_rated_badly(desk: Desk, opened: Any, answered: Any) -> None:
    fine, bad, helped, forgiven = opened("one"), opened(), opened(), opened()
    for conversation, ratings in ((bad, ["bad", "bad", "good"]), (helped, ["good"])):
        for rating in ratings:
            conversation.rate(answered(conversation, rating), rating)
    message = answered(forgiven, "taken back")
    forgiven.rate(message, "bad")
    forgiven.rate(message, None)
    listed = desk.client.get(LIST, {"rated_badly": "yes"}).context["cl"].result_list
    assert [row.pk for row in listed] == [bad.pk], "once, however many answers are rated"
    assert desk.listed(rated_badly="no") == {fine.pk, helped.pk, forgiven.pk}
    assert desk.listed(reason="badly_rated") == {bad.pk}


def test_filters_work_together_and_say_which_are_in_force(desk: Desk, anna: Any, opened: Any) -> None:
    mine, _ = opened(source="web"), opened(source="web")
    mine.assign(anna, by=anna)
    assert desk.listed(source="web", whose="me", status="waiting", escalated="no") == {mine.pk}
    html = desk.client.get(LIST, {"whose": "me"}).content.decode()
    assert "assigned to: me" in html
    assert "Clear search and filters" in html


@pytest.mark.parametrize(
    "name", ["status", "source", "escalated", "whose", "answered_by", "reason", "rated_badly"]
)
def test_a_value_that_is_not_on_offer_filters_nothing(desk: Desk, opened: Any, name: str) -> None:
    conversation = opened()
    for value in ("nonsense", "", "a\x00b", "'"):
        assert desk.listed(**{name: value}) == {conversation.pk}
