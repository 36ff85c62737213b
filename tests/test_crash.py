"""A process killed between any two of its writes loses nothing and counts nothing twice.

With transactions that is the database's promise; on MongoDB without them it is ours. A child process does one
thing to a conversation and is killed (`os._exit`) at its nth command to the database, for every n there is;
then the tidying up runs, the client repeats its request, and the books must be right.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from support import clock, recovery
from support.models import Conversation, ConversationEvent, Message
from tests.server import ROOT, environment

CHILD = """
import os, sys
import django
django.setup()
from django.db import connection
from datetime import timedelta
from support import clock
from support.models import Answer, Conversation, Message, User

what, conversation_id, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = 0

def next_command():
    global seen
    seen += 1
    if seen == kill_at:
        os._exit(9)

if connection.vendor == "mongodb":
    from pymongo import monitoring

    class Killer(monitoring.CommandListener):
        def started(self, event):
            if event.command_name in ("insert", "update", "delete", "findAndModify", "aggregate", "find"):
                next_command()
        def succeeded(self, event): pass
        def failed(self, event): pass

    monitoring.register(Killer())
else:
    def wrapper(execute, sql, params, many, context):
        next_command()
        return execute(sql, params, many, context)
    connection.execute_wrappers.append(wrapper)

conversation = Conversation(pk=conversation_id)
if what == "log":
    conversation.log(user_message="Q", assistant_message="email support@rezvo.co.uk", input_tokens=11,
                     output_tokens=7, is_escalation=False, cost_usd_billionths=46_000, idempotency_key="k")
elif what == "answer":
    message = Message.objects.get(conversation_id=conversation_id)
    conversation.answer(message, Answer(text="A", answered_by="claude", is_escalation=True, reason="refused",
                                        input_tokens=11, output_tokens=7, cost_usd_billionths=46_000))
elif what == "close":
    conversation.change(by=User.objects.get(), status="closed", notes="done")
os._exit(0)
"""


def run(what: str, conversation: Conversation, kill_at: int) -> bool:
    """Does it, killed at the nth command; False if it got through with fewer."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, what, conversation.pk, str(kill_at)],
        cwd=ROOT,
        env=environment(DJANGO_SETTINGS_MODULE="rezvo_support.settings"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode in (0, 9), child.stderr
    return child.returncode == 9


def tidy_up() -> None:
    """What the server does every half minute, when everything is old enough to be taken for left behind."""
    recovery.recover(clock.now() + timedelta(hours=1))


def conversation() -> Conversation:
    return Conversation.objects.open_new(source="web", page_url="", user_id=None)[0]


def books(conversation: Conversation) -> dict[str, Any]:
    conversation.refresh_from_db()
    assert conversation.unsettled is None
    return {
        "pairs": conversation.message_count,
        "input": conversation.total_input_tokens,
        "output": conversation.total_output_tokens,
        "millionths": conversation.estimated_cost_usd,
        "status": conversation.status,
        "rows": list(Message.objects.filter(conversation=conversation).values_list("state", flat=True)),
        "events": sorted(
            ConversationEvent.objects.filter(conversation=conversation).values_list("kind", "to_value")
        ),
    }


ONE_PAIR = {"pairs": 1, "input": 11, "output": 7, "millionths": 46, "status": "needs_review", "rows": ["counted"]}


@pytest.mark.django_db(transaction=True)
def test_a_logged_pair_is_there_once_and_counted_once() -> None:
    for kill_at in range(1, 40):
        ticket = conversation()
        was_killed = run("log", ticket, kill_at)
        if kill_at % 2:  # the sweep may come before the client's second try, or after it
            tidy_up()
        repeat = Conversation(pk=ticket.pk)
        repeat.log(
            user_message="Q",
            assistant_message="email support@rezvo.co.uk",
            input_tokens=11,
            output_tokens=7,
            is_escalation=False,
            cost_usd_billionths=46_000,
            idempotency_key="k",
        )
        tidy_up()
        assert books(ticket) == {**ONE_PAIR, "events": [("escalated", "logged")]}, f"killed at command {kill_at}"
        Message.objects.all().delete()
        if not was_killed:
            break
    assert not was_killed
    assert kill_at > 4, "the child was killed between its writes"


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_stored_once_and_counted_once() -> None:
    for kill_at in range(1, 40):
        ticket = conversation()
        # Long before `tidy_up` looks, and long after a server of another test that tidies up beside this one does.
        ticket.ask("Q", deadline_at=clock.now() + timedelta(minutes=30), idempotency_key=None)
        was_killed = run("answer", ticket, kill_at)
        tidy_up()
        found = books(ticket)
        if found["input"] == 0:  # killed before the answer was stored: a person has the question
            assert found["events"] == [("escalated", "unanswered")]
            assert (found["pairs"], found["rows"]) == (1, ["counted"])
        else:
            assert found == {**ONE_PAIR, "events": [("escalated", "refused")]}, f"killed at command {kill_at}"
        tidy_up()
        assert books(ticket) == found
        if not was_killed:
            break
    assert not was_killed
    assert found["input"] == 11
    assert kill_at > 4


@pytest.mark.django_db(transaction=True)
def test_a_change_by_staff_has_its_audit_rows_or_did_not_happen(anna: Any) -> None:
    for kill_at in range(1, 40):
        ticket = conversation()
        was_killed = run("close", ticket, kill_at)
        tidy_up()
        found = books(ticket)
        if found["status"] == "closed":
            assert found["events"] == [("notes", ""), ("status", "closed")], f"killed at command {kill_at}"
        else:
            assert (found["status"], found["events"]) == ("auto_resolved", []), f"killed at command {kill_at}"
        if not was_killed:
            break
    assert not was_killed
    assert found["status"] == "closed"
    assert kill_at > 3


@pytest.mark.django_db(transaction=True)
def test_others_go_on_over_a_change_that_was_left_half_written() -> None:
    """Whoever writes next ends what the killed process left, without waiting for the sweep."""
    for kill_at in range(1, 40):
        ticket = conversation()
        was_killed = run("log", ticket, kill_at)
        ticket.log(
            user_message="Another",
            assistant_message="A",
            input_tokens=1,
            output_tokens=1,
            is_escalation=False,
            cost_usd_billionths=6_000,
        )
        tidy_up()
        found = books(ticket)
        kept = Message.objects.filter(conversation=ticket, user_message="Q").exists()
        assert found["pairs"] == 1 + kept, f"killed at command {kill_at}"
        assert found["millionths"] == 6 + 46 * kept
        assert found["events"] == [("escalated", "logged")] * kept
        assert set(found["rows"]) == {"counted"}
        Message.objects.all().delete()
        if not was_killed:
            break
    assert not was_killed
