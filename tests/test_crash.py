"""A process killed between any two of its writes loses nothing and counts nothing twice.

With transactions that is the database's promise; on MongoDB without them it is ours. A child process does one
thing to a conversation or an article and is killed (`os._exit`) at its nth command to the database, for every n
there is; then the tidying up runs, the client repeats its request, and the books must be right.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from support import clock, recovery
from support.models import (
    Article,
    ArticleChanged,
    ArticleVersion,
    BudgetWindow,
    Conversation,
    ConversationEvent,
    Message,
)
from tests.server import ROOT, environment

CHILD = """
import os, sys
import django
django.setup()
from django.db import connection
from datetime import timedelta
from support import clock
from support.models import Answer, Article, Conversation, Message, User

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
elif what == "reserve":
    Message.objects.get(conversation_id=conversation_id).reserve(100_000, {"day:x": 10**9, "month:x": 10**9})
elif what == "close":
    conversation.change(by=User.objects.get(), status="closed", notes="done")
elif what == "rate":
    conversation.rate(Message.objects.get(conversation_id=conversation_id, rating=None), "bad")
elif what == "write":
    Article.objects.create(slug="a", title="T", body="first")
elif what == "revise":
    Article.objects.get().revise(body="second", is_published=False)
os._exit(0)
"""


def run(what: str, conversation: Conversation | None, kill_at: int) -> bool:
    """Does it, killed at the nth command; False if it got through with fewer."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, what, conversation.pk if conversation else "", str(kill_at)],
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


def budgets() -> dict[str, tuple[int, int]]:
    """Spent and held by each budget window."""
    rows = BudgetWindow.objects.values_list("key", "spent_usd_billionths", "reserved_usd_billionths")
    return {key: (spent, reserved) for key, spent, reserved in rows}


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
        question, _ = ticket.ask("Q", deadline_at=clock.now() + timedelta(minutes=30), idempotency_key=None)
        assert question.reserve(100_000, {"day:x": 10**9, "month:x": 10**9}) is None
        was_killed = run("answer", ticket, kill_at)
        tidy_up()
        found = books(ticket)
        if found["input"] == 0:  # killed before the answer was stored: a person has the question
            assert found["events"] == [("escalated", "unanswered")]
            assert (found["pairs"], found["rows"]) == (1, ["counted"])
        else:
            assert found == {**ONE_PAIR, "events": [("escalated", "refused")]}, f"killed at command {kill_at}"
        cost = 46_000 if found["input"] else 0
        assert budgets() == {"day:x": (cost, 0), "month:x": (cost, 0)}, f"killed at command {kill_at}"
        tidy_up()
        assert books(ticket) == found
        assert budgets() == {"day:x": (cost, 0), "month:x": (cost, 0)}
        BudgetWindow.objects.all().delete()
        if not was_killed:
            break
    assert not was_killed
    assert found["input"] == 11
    assert kill_at > 4


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_process_held_in_the_budgets_is_free_again() -> None:
    for kill_at in range(1, 40):
        ticket = conversation()
        ticket.ask("Q", deadline_at=clock.now() + timedelta(minutes=30), idempotency_key=None)
        was_killed = run("reserve", ticket, kill_at)
        if not was_killed:
            assert budgets() == {"day:x": (0, 100_000), "month:x": (0, 100_000)}
        tidy_up()
        assert set(budgets().values()) <= {(0, 0)}, f"killed at command {kill_at}"
        BudgetWindow.objects.all().delete()
        if not was_killed:
            break
    assert not was_killed
    assert kill_at > 3


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
def test_a_bad_rating_counts_once_and_calls_a_person_once() -> None:
    for kill_at in range(1, 40):
        ticket = conversation()
        first, second = (
            ticket.log(
                user_message=question,
                assistant_message="A",
                input_tokens=1,
                output_tokens=1,
                is_escalation=False,
                cost_usd_billionths=6_000,
            )[0]
            for question in ("Q1", "Q2")
        )
        ticket.rate(first, "bad")
        was_killed = run("rate", ticket, kill_at)
        if kill_at % 2:
            tidy_up()
        # The visitor presses the button again: it had gone back, as there was no answer.
        assert Conversation(pk=ticket.pk).rate(Message.objects.get(pk=second.pk), "bad"), f"killed at {kill_at}"
        tidy_up()
        found = books(ticket)
        assert (found["status"], found["events"]) == ("needs_review", [("escalated", "badly_rated")])
        rated = Message.objects.filter(conversation=ticket, rating="bad").values_list("rated_at", flat=True)
        assert len(rated) == 2
        assert ticket.badly_rated_at == max(filter(None, rated))
        if not was_killed:
            break
    assert not was_killed
    assert kill_at > 4


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["write", "revise"])
def test_after_the_next_change_an_article_has_every_text_it_had_as_a_version(what: str) -> None:
    for kill_at in range(1, 40):
        if what == "revise":
            Article.objects.create(slug="a", title="T", body="first")
        was_killed = run(what, None, kill_at)
        article, _ = Article.objects.get_or_create(slug="a", defaults={"title": "T", "body": "first"})
        while True:
            try:
                article.revise(body="third")
                break
            except ArticleChanged:  # the killed change counts: whoever comes next has to look at it
                article.settle()
        bodies = list(article.versions.order_by("number").values_list("number", "body"))
        assert bodies in (
            [(1, "first"), (2, "third")],
            [(1, "first"), (2, "second"), (3, "third")],
        ), f"killed at command {kill_at}"
        article.refresh_from_db()
        assert (article.version, article.body) == bodies[-1]
        Article.objects.all().delete()
        assert ArticleVersion.objects.count() == 0, f"killed at command {kill_at}"
        if not was_killed:
            break
    assert not was_killed
    assert len(bodies) == (3 if what == "revise" else 2)
    assert kill_at > 2
