"""The list's actions: the verbs, done to several, with a count of what they did."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from support.admin import conversations
from support.models import Conversation
from tests.admin.page import LIST, Desk


def test_assign_to_me_says_how_many_were_mine_already(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    mine, his, nobodys = opened(), opened(), opened()
    mine.assign(anna, by=anna)
    his.assign(ben, by=ben)
    said = desk.act("assign_to_me", mine, his, nobodys)
    assert said == ["2 conversations assigned to you; 1 was yours already."]
    for conversation in (mine, his, nobodys):
        conversation.refresh_from_db()
        assert (conversation.assigned_to_id, conversation.status) == (anna.pk, "in_progress")


def test_close_says_how_many_were_closed_already(desk: Desk, anna: Any, opened: Any) -> None:
    one, two = opened(), opened()
    two.close(by=anna)
    assert desk.act("close", one, two) == ["1 conversation closed; 1 was closed already."]
    assert desk.act("close", one, two) == ["0 conversations closed; 2 were closed already."]
    assert set(Conversation.objects.values_list("status", flat=True)) == {"closed"}


def test_an_action_writes_the_audit_row_and_the_history(desk: Desk, anna: Any, opened: Any) -> None:
    conversation = opened()
    desk.act("close", conversation)
    event = conversation.events.get()
    assert (event.kind, event.to_value, event.by_id) == ("status", "closed", anna.pk)
    entry = LogEntry.objects.get()
    assert (entry.object_id, str(entry.user_id)) == (conversation.pk, anna.pk)
    assert "status" in entry.get_change_message()


def test_rows_that_left_the_filter_meanwhile_are_left_alone_and_counted(
    desk: Desk, anna: Any, opened: Any
) -> None:
    waiting, gone = opened(), opened()
    waiting.escalate("no_article")
    said = desk.act("assign_to_me", waiting, gone, status="waiting")
    assert said == ["1 conversation assigned to you; 1 no longer in this list was left alone."]
    gone.refresh_from_db()
    assert gone.assigned_to_id is None


def test_everything_that_a_search_found_can_be_chosen_at_once(desk: Desk, opened: Any) -> None:
    one, two, other = opened("deposit one"), opened("deposit two"), opened("opening hours")
    data = {"action": "close", "_selected_action": [one.pk], "select_across": "1", "index": "0"}
    desk.client.post(LIST, data, query_params={"q": "deposit"})
    closed = set(Conversation.objects.filter(status="closed").values_list("pk", flat=True))
    assert closed == {one.pk, two.pk} != {other.pk}


def test_an_action_on_more_rows_than_are_counted_is_refused(
    desk: Desk, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "COUNT_LIMIT", 1)
    said = desk.act("close", opened(), opened())
    assert "None was changed" in said[0]
    assert not Conversation.objects.filter(status="closed").exists()


def test_whoever_may_only_look_is_offered_no_action(desk: Desk, ben: Any, opened: Any) -> None:
    ben.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    desk.client.force_login(ben)
    conversation = opened()
    assert desk.client.get(LIST).status_code == 200
    desk.act("close", conversation)
    conversation.refresh_from_db()
    assert conversation.status == "auto_resolved"
