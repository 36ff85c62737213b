"""A turn outlives its visitor, its connection and its worker, and a repeated request never asks twice."""

from __future__ import annotations

import os
import signal
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from support import clock, recovery
from support.models import BudgetWindow, Conversation, Message
from tests.fake_claude import FakeClaude, Script
from tests.server import Server, manage, text_of, wait_until


def counted() -> Message | None:
    return Message.objects.filter(state="counted").first()


def with_key(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


# --- The visitor --------------------------------------------------------------------------------------


def test_a_visitor_who_closes_the_page_has_his_answer_stored(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="The whole answer is kept.", hold_after=2, input_tokens=30, output_tokens=6))
    with server.stream("Will you keep it?") as events:
        next(events)
        assert next(events).name == "delta"
    claude.wait_for(lambda c: c.held)
    claude.release()
    message = wait_until(counted)
    assert message.assistant_message == "The whole answer is kept."
    assert (message.input_tokens, message.output_tokens, message.is_escalation) == (30, 6, False)


def test_a_visitor_who_leaves_before_the_first_word_has_asked_all_the_same(
    server: Server, claude: FakeClaude
) -> None:
    claude.say(Script(text="Nobody waits.", hold_after=0))
    with server.stream("Anybody?") as events:
        next(events)
    claude.wait_for(lambda c: c.held)
    claude.release()
    assert wait_until(counted).assistant_message == "Nobody waits."


# --- The same request again ---------------------------------------------------------------------------


def test_the_same_key_replays_the_answer_and_counts_once(server: Server, claude: FakeClaude) -> None:
    claude.always("Only once.")
    key = with_key()
    first, again = server.ask("Twice?", key), server.ask("Twice?", key)
    assert first[0].data == again[0].data, "with the token: this call opened the conversation"
    assert first[-1].data == again[-1].data
    assert text_of(first) == text_of(again) == "Only once."
    assert len(claude.requests) == 1
    assert Conversation.objects.get().message_count == 1


def test_the_same_key_joins_the_answer_while_it_is_written(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="Written only once, read twice.", hold_after=2))
    key = with_key()
    with server.stream("Join?", key) as writing, server.stream("Join?", key) as joining:
        assert next(writing).data == next(joining).data
        claude.wait_for(lambda c: c.held)
        claude.release()
        first, joined = list(writing), list(joining)
    assert text_of(joined) == "Written only once, read twice."
    assert joined[-1].data == first[-1].data
    assert len(claude.requests) == 1


def test_another_process_joins_the_answer_too(start_server: object, claude: FakeClaude) -> None:
    settings = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": claude.url}
    one: Server = start_server(**settings)  # type: ignore[operator]
    two: Server = start_server(**settings)  # type: ignore[operator]
    claude.say(Script(text="One process writes, the other reads.", hold_after=3))
    key = with_key()
    with one.stream("Who writes?", key) as writing, two.stream("Who writes?", key) as reading:
        assert next(writing).data == next(reading).data
        claude.wait_for(lambda c: c.held)
        claude.release()
        assert text_of(list(writing)) == text_of(list(reading)) == "One process writes, the other reads."
    assert len(claude.requests) == 1


def test_a_key_used_for_another_question_is_a_400(server: Server, claude: FakeClaude) -> None:
    key = with_key()
    server.ask("One", key)
    answer = server.http.post("/api/support/chat", json={"message": "Another"}, headers=key)
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])


def test_a_short_key_of_another_address_is_another_request(start_server: object, claude: FakeClaude) -> None:
    server: Server = start_server(  # type: ignore[operator]
        ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, TRUSTED_PROXIES="1"
    )
    key = with_key("1")
    mine = server.ask("Hello", key | {"X-Forwarded-For": "192.0.2.1"})
    other = server.ask("Hello", key | {"X-Forwarded-For": "192.0.2.2"})
    assert mine[0].data["token"] != other[0].data["token"]


# --- The worker ---------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_ends_its_answers_first(start_server: object, claude: FakeClaude) -> None:
    server: Server = start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)  # type: ignore[operator]
    claude.say(Script(text="I was nearly stopped.", hold_after=1))
    with server.stream("Are you going?") as events:
        next(events)
        next(events)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Worker shutting down" in server.log)
        claude.wait_for(lambda c: c.held)
        claude.release()
        rest = list(events)
    assert rest[-1].name == "done"
    server.process.wait(30)
    assert Message.objects.get().assistant_message == "I was nearly stopped."


def test_a_stopping_worker_stores_answers_that_nobody_is_connected_to(
    start_server: object, claude: FakeClaude
) -> None:
    server: Server = start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)  # type: ignore[operator]
    claude.say(Script(text="Nobody listens, but it is kept.", hold_after=1))
    with server.stream("Are you going?") as events:
        next(events)
        next(events)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Worker shutting down" in server.log)
    claude.wait_for(lambda c: c.held)
    claude.release()
    server.process.wait(30)
    assert Message.objects.get().assistant_message == "Nobody listens, but it is kept."


def test_a_worker_stopped_at_once_keeps_what_was_shown_and_flags(start_server: object, claude: FakeClaude) -> None:
    server: Server = start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)  # type: ignore[operator]
    claude.say(Script(text="Half of it is shown", hold_after=2))
    with server.stream("Quick!") as events:
        next(events)
        next(events)
        claude.wait_for(lambda c: c.held)
        server.stop(signal.SIGINT)
    message = Message.objects.get()
    assert message.assistant_message.startswith("Half of")
    assert (message.is_escalation, message.fault) == (True, "worker stopped")
    assert Conversation.objects.get().status == "needs_review"


def test_a_worker_that_is_still_starting_hears_that_it_has_to_stop(start_server: object) -> None:
    server: Server = start_server(ANTHROPIC_API_KEY="k", WEB_CONCURRENCY="1")  # type: ignore[operator]
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    (another,) = wait_until(lambda: [pid for pid in server.workers() if pid != worker])
    # In the middle of loading the application; before, gunicorn itself does not listen to signals for a moment.
    wait_until(lambda: "numpy" in Path(f"/proc/{another}/maps").read_text(), every_s=0.01)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(60)  # not the grace time, 95 seconds


def test_a_turn_of_a_killed_process_is_handed_to_a_person_at_the_next_start(
    start_server: object, claude: FakeClaude
) -> None:
    settings = {
        "ANTHROPIC_API_KEY": "k",
        "ANTHROPIC_BASE_URL": claude.url,
        "CHAT_TURN_SECONDS": "60",
    }
    server: Server = start_server(**settings)  # type: ignore[operator]
    claude.say(Script(deltas=("Shown. ",) * 400, delay_s=0.1, input_tokens=1000))
    with server.stream("Do you survive?") as events:
        next(events)
        # What is shown is stored every two seconds, so that a kill loses two seconds of it at most.
        wait_until(lambda: Message.objects.get().assistant_message)
        os.killpg(server.process.pid, signal.SIGKILL)
    assert Message.objects.get().is_pending
    assert not recovery.recover(), "its deadline is not over: it could still be alive"
    Message.objects.update(deadline_at=clock.now() - timedelta(seconds=1))
    start_server(**settings)  # type: ignore[operator]
    message = wait_until(counted)
    assert message.assistant_message.startswith("Shown. ")
    assert message.model == "claude-haiku-4-5"
    assert message.cost_usd_billionths > 1000 * 1000, "what it had used when it was last heard of is paid for"
    day = BudgetWindow.objects.get(key__startswith="day:")
    assert (day.reserved_usd_billionths, day.spent_usd_billionths) == (0, message.cost_usd_billionths)
    assert "a person will take over" in message.assistant_message
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.escalation_reason) == ("needs_review", "unanswered")
    assert conversation.message_count == 1


@pytest.mark.django_db(transaction=True)
def test_recover_turns_hands_over_once_and_says_so() -> None:
    conversation = Conversation.objects.create()
    conversation.ask("Lost?", deadline_at=clock.now() - timedelta(seconds=1), idempotency_key=None)
    assert manage("recover_turns").stdout == "1 handed to a person, 0 counted, 0 settled\n"
    assert manage("recover_turns").stdout == "0 handed to a person, 0 counted, 0 settled\n"
    conversation.refresh_from_db()
    assert (conversation.status, conversation.message_count) == ("needs_review", 1)


def test_who_asks_again_after_a_kill_is_handed_over_without_waiting_for_the_sweep(offline: Server) -> None:
    opened = offline.open()
    key = with_key()
    body = {"conversation_id": opened["id"], "token": opened["token"]}
    offline.ask("Hello?", key, **body)
    past = clock.now() - timedelta(seconds=1)
    Message.objects.update(state="pending", assistant_message="", deadline_at=past)
    events = offline.ask("Hello?", key, **body)
    assert "a person will take over" in text_of(events)
    assert events[-1].data["is_escalation"] is True
