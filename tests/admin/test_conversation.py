"""Changing a conversation on its page, and what a colleague's change in between does to that."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from support.models import User
from tests.admin.page import LIST, Desk, fields_of, page_of


def events_of(conversation: Any) -> list[tuple[str, str, str, str | None]]:
    rows = conversation.events.order_by("created_at", "id")
    return [(event.kind, event.from_value, event.to_value, event.by_id) for event in rows]


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_saving_writes_only_what_was_changed_and_by_whom(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    response = desk.post(conversation, form, notes="First line\r\nsecond", assigned_to=ben.pk)
    assert response.redirect_chain[-1][0] == LIST
    conversation.refresh_from_db()
    assert (conversation.notes, conversation.assigned_to_id) == ("First line\nsecond", ben.pk)
    assert conversation.status == "auto_resolved"
    assert sorted(events_of(conversation)) == [("assigned", "", ben.pk, anna.pk), ("notes", "", "", anna.pk)]


def test_saving_an_untouched_form_changes_nothing(desk: Desk, anna: Any, opened: Any) -> None:
    conversation = opened("one")
    conversation.change(by=anna, notes=" two\r\nlines \n", escalated=True, assigned_to_id=anna.pk)
    before = conversation.version
    desk.post(conversation, desk.form(conversation))
    conversation.refresh_from_db()
    assert conversation.version == before
    assert conversation.notes == " two\r\nlines \n"


def test_escalated_can_be_ticked_and_unticked(desk: Desk, anna: Any, opened: Any) -> None:
    conversation = opened("one")
    desk.post(conversation, desk.form(conversation), escalated="on")
    conversation.refresh_from_db()
    assert (conversation.escalated, conversation.escalation_reason) == (True, "staff")
    form = desk.form(conversation)
    del form["escalated"]
    desk.post(conversation, form)
    conversation.refresh_from_db()
    assert conversation.escalated is False
    assert [event[0] for event in events_of(conversation)] == ["escalated", "escalation_cleared"]


def test_the_close_button_closes_and_keeps_what_was_typed(desk: Desk, anna: Any, opened: Any) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    response = desk.post(conversation, form, notes="Solved by phone", status="open", _close="Close")
    assert response.redirect_chain[-1][0] == LIST
    assert "Closed" in said(response)[0]
    conversation.refresh_from_db()
    assert (conversation.status, conversation.notes) == ("closed", "Solved by phone")
    assert sorted(events_of(conversation)) == [
        ("notes", "", "", anna.pk),
        ("status", "auto_resolved", "closed", anna.pk),
    ]
    assert 'name="_close"' not in desk.html(conversation)


def test_the_assign_button_takes_it_and_stays_on_the_page(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    response = desk.post(conversation, desk.form(conversation), assigned_to=ben.pk, status="open", _assign="x")
    assert response.redirect_chain[-1][0] == page_of(conversation)
    assert said(response) == ["Assigned to you."]
    conversation.refresh_from_db()
    assert (conversation.assigned_to_id, conversation.status) == (anna.pk, "in_progress")
    assert ("assigned", "", anna.pk, anna.pk) in events_of(conversation)
    assert 'name="_assign"' not in desk.html(conversation)


def test_a_button_goes_back_to_the_list_as_it_was_filtered(desk: Desk, opened: Any) -> None:
    conversation = opened("one")
    address = f"{page_of(conversation)}?_changelist_filters=status%3Dwaiting"
    response = desk.client.post(address, {**desk.form(conversation), "_close": "Close"})
    assert response["Location"] == f"{LIST}?status=waiting"


def test_the_history_of_the_admin_tells_the_changes(desk: Desk, anna: Any, opened: Any) -> None:
    conversation = opened("one")
    desk.post(conversation, desk.form(conversation), notes="called back")
    desk.post(conversation, desk.form(conversation), _close="Close")
    first, second = LogEntry.objects.order_by("action_time")
    assert first.get_change_message() == "Changed notes."
    assert "status" in second.get_change_message()
    history = desk.client.get(page_of(conversation).replace("change/", "history/"))
    assert "Changed notes." in history.content.decode()


def test_only_active_staff_can_be_given_a_conversation(desk: Desk, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    visitor = User.objects.create_user("visitor")
    ben.is_active = False
    ben.save()
    html = desk.html(conversation)
    assert f'value="{ben.pk}"' not in html
    assert f'value="{visitor.pk}"' not in html
    for nobody in (ben.pk, visitor.pk, "nonsense"):
        response = desk.post(conversation, desk.form(conversation), assigned_to=nobody)
        assert "Select a valid choice" in response.content.decode()
    conversation.refresh_from_db()
    assert conversation.assigned_to_id is None


def test_a_note_takes_nothing_from_a_colleague_who_has_left(desk: Desk, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    conversation.assign(ben, by=ben)
    ben.is_active = False
    ben.save()
    desk.post(conversation, desk.form(conversation), notes="Ben has left")
    conversation.refresh_from_db()
    assert (conversation.assigned_to_id, conversation.notes) == (ben.pk, "Ben has left")


def test_notes_that_are_too_long_are_refused_and_kept(desk: Desk, opened: Any) -> None:
    conversation = opened("one")
    response = desk.post(conversation, desk.form(conversation), notes="x" * 20_001)
    assert "at most 20000 characters" in response.content.decode()
    assert "x" * 20_001 in response.content.decode()


# --- Somebody else was faster ---------------------------------------------------------------------


def test_a_colleagues_change_in_between_is_told_and_what_was_typed_is_kept(
    desk: Desk, ben: Any, opened: Any
) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    conversation.close(by=ben)
    response = desk.post(conversation, form, notes="My long note", status="open")
    html = response.content.decode()
    assert response.status_code == 200
    assert "desk-status-closed" in html  # what is, above the form with what was typed
    assert '<option value="open" selected>' in html
    assert "nothing was saved" in html
    assert "Status: now “closed”." in html
    assert "Last changed by Ben." in html
    assert "My long note" in html
    conversation.refresh_from_db()
    assert conversation.notes == ""


def test_saving_again_keeps_the_colleagues_change(desk: Desk, anna: Any, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    conversation.assign(anna, by=anna)
    form = desk.form(conversation)
    conversation.change(by=ben, status="closed", assigned_to_id=ben.pk, escalated=True)
    html = desk.post(conversation, form, notes="My long note").content.decode()
    again = fields_of(html, "conversation_form")
    response = desk.post(conversation, again)
    assert response.redirect_chain
    conversation.refresh_from_db()
    assert (conversation.status, conversation.assigned_to_id) == ("closed", ben.pk)
    assert (conversation.escalated, conversation.notes) == (True, "My long note")


def test_notes_of_both_are_shown_before_one_replaces_the_other(desk: Desk, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    conversation.change(by=ben, notes="Ben's note <b>")
    html = desk.post(conversation, form, notes="Anna's note").content.decode()
    assert "Notes: now “Ben&#x27;s note &lt;b&gt;”." in html
    assert "Anna&#x27;s note</textarea>" in html


def test_a_button_respects_what_changed_in_between(desk: Desk, ben: Any, opened: Any) -> None:
    for button in ("_close", "_assign"):
        conversation = opened("one")
        form = desk.form(conversation)
        conversation.change(by=ben, notes="Please leave this open")
        html = desk.post(conversation, form, **{button: "x"}).content.decode()
        assert "Please leave this open" in html
        conversation.refresh_from_db()
        assert (conversation.status, conversation.assigned_to_id) == ("auto_resolved", None)


def test_a_new_message_in_between_is_pointed_out(desk: Desk, opened: Any, answered: Any) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    answered(conversation, "One more thing")
    html = desk.post(conversation, form, _close="Close").content.decode()
    assert "There is something new in the thread." in html
    assert "One more thing" in html
    conversation.refresh_from_db()
    assert conversation.status == "auto_resolved"


def test_a_form_without_a_version_saves_nothing(desk: Desk, opened: Any) -> None:
    conversation = opened("one")
    form = desk.form(conversation)
    for version in ("", "nonsense", "-1"):
        assert desk.post(conversation, form, version=version, notes="x").redirect_chain == []
    conversation.refresh_from_db()
    assert conversation.notes == ""


# --- Who may ---------------------------------------------------------------------------------------


def test_whoever_may_only_look_reads_everything_and_changes_nothing(desk: Desk, ben: Any, opened: Any) -> None:
    conversation = opened("one")
    conversation.assign(ben, by=ben)
    ben.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    desk.client.force_login(ben)
    html = desk.html(conversation)
    assert "Under Settings." in html
    assert 'name="_save"' not in html
    assert 'name="_close"' not in html
    assert desk.client.post(page_of(conversation), {"notes": "x", "version": "1"}).status_code == 403


def test_an_id_that_is_none_leads_back_to_the_index(desk: Desk) -> None:
    for nothing in ("0" * 24, "nonsense", "_5B"):
        response = desk.client.get(f"{LIST}{nothing}/change/", follow=True)
        assert response.redirect_chain[-1][0] == "/admin/"
