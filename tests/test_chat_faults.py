"""Whatever the model's service does: the question is kept, what was shown is kept, and a person is told."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory

from support.api.chat import _ask
from support.bot.writer import Writer
from support.import_articles import import_folder
from support.models import BudgetWindow, Conversation, Message
from tests.fake_claude import FakeClaude, Fault, Script, ToolCall
from tests.server import Event, Server, text_of

QUESTION = "How do I cancel a booking?"
DEMO = Path(settings.BASE_DIR) / "support" / "demo" / "articles"

BEFORE_THE_FIRST_WORD = [
    (Fault.RATE_LIMIT, "rate_limit_error (429)"),
    (Fault.OVERLOADED, "overloaded_error (529)"),
    (Fault.SERVER_ERROR, "api_error (500)"),
    (Fault.BAD_GATEWAY, "status (502)"),
    (Fault.SPEND_LIMIT, "spend limit reached"),
    (Fault.USAGE_LIMIT, "spend limit reached"),
    (Fault.BILLING, "spend limit reached"),
    (Fault.PAYMENT_REQUIRED, "spend limit reached"),
    (Fault.UNAUTHORIZED, "authentication_error (401)"),
    (Fault.REFUSED_CONNECTION, "unreachable"),
    (Fault.STALL_AT_START, "no answer in time"),
]
IN_MID_STREAM = [
    (Fault.CUT, "connection cut"),
    (Fault.RESET, "connection cut"),
    (Fault.STALL, "stalled"),
    (Fault.ERROR_EVENT, "broke off: overloaded_error"),
    (Fault.NO_MESSAGE_STOP, "ended without an end"),
    (Fault.GARBAGE, "unreadable stream"),
]


@pytest.fixture
def going_on(server: Server, claude: FakeClaude) -> dict[str, str]:
    """A conversation whose first answer cited an article and was read from the cache: tools and caching are on."""
    import_folder(DEMO)
    cited = ToolCall("cite", {"articles": ["change-or-cancel-booking"]})
    claude.say(Script(text="In the app.", tool=cited, cache_read_tokens=5000))
    start = server.ask("How do I change a booking?")[0].data
    return {"conversation_id": start["conversation_id"], "token": start["token"]}


@pytest.mark.parametrize(("fault", "kind"), BEFORE_THE_FIRST_WORD)
def test_a_fault_before_the_first_word_is_answered_offline_and_flagged(
    server: Server, claude: FakeClaude, going_on: dict[str, str], fault: Fault, kind: str
) -> None:
    claude.always(Script(fault=fault))
    events = server.ask(QUESTION, **going_on)
    assert "our help pages say this" in text_of(events)
    assert "a person will take over" in text_of(events)
    message = _stored(events, kind)
    assert (message.answered_by, message.cost_usd_billionths) == ("offline", 0)
    assert message.articles
    assert _nothing_is_held()


@pytest.mark.parametrize(("fault", "kind"), IN_MID_STREAM)
def test_a_fault_in_mid_stream_keeps_what_was_shown_and_flags(
    server: Server, claude: FakeClaude, going_on: dict[str, str], fault: Fault, kind: str
) -> None:
    usage = {"input_tokens": 50, "cache_read_tokens": 5000}
    claude.always(Script(text="You can cancel it in the app", fault=fault, fault_after=3, hold_after=3, **usage))
    events = _until_the_break(server, claude, "You can cancel ", **going_on)
    assert text_of(events).startswith("You can cancel")
    assert "my answer broke off" in text_of(events)
    message = _stored(events, kind)
    assert message.answered_by == "claude"
    assert message.output_tokens >= 1, "estimated from what arrived"
    # What the API said it read is paid for: 50 tokens at $1, 5,000 from the cache at $0.10, output at $5.
    assert message.cost_usd_billionths == 50_000 + 500_000 + 5_000 * message.output_tokens
    assert _nothing_is_held()


@pytest.mark.parametrize(("fault", "kind"), IN_MID_STREAM)
def test_a_fault_in_the_middle_of_a_tool_call_is_seen_by_a_person(
    server: Server, claude: FakeClaude, fault: Fault, kind: str
) -> None:
    cite = ToolCall("cite", {"articles": ["change-or-cancel-booking"]})
    claude.always(Script(text="You can cancel it.", tool=cite, fault=fault, fault_in_tool=True, hold_after=4))
    events = _until_the_break(server, claude, "You can cancel it.")
    assert text_of(events).startswith("You can cancel it.")
    assert _stored(events, kind).articles == [], "it never said which"


def test_a_refusal_goes_to_a_person(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(text="No.", fault=Fault.REFUSAL, fault_after=1))
    events = server.ask(QUESTION)
    message = _stored(events, "refusal", reason="refused")
    assert message.answered_by == "claude"
    assert "I can't help with that one" in text_of(events)


def test_an_answer_that_hits_the_token_limit_says_so_and_is_no_fault(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(text="A very long answer", stop_reason="max_tokens"))
    events = server.ask(QUESTION)
    assert "as much as fits" in text_of(events)
    assert events[-1].data["is_escalation"] is False


def test_an_empty_answer_goes_to_a_person(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(text=""))
    _stored(server.ask(QUESTION), "empty answer")


def test_a_fault_that_passes_is_not_noticed(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(fault=Fault.OVERLOADED), "Second try.")
    events = server.ask(QUESTION)
    assert text_of(events) == "Second try."
    assert events[-1].data["is_escalation"] is False


def test_a_long_retry_after_does_not_keep_the_visitor(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(fault=Fault.RATE_LIMIT, retry_after=3600))
    _stored(server.ask(QUESTION), "no answer in time")


def test_a_model_that_never_stops_is_stopped_by_the_turns_limit(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(deltas=("word ",) * 200, delay_s=0.1))
    began = time.monotonic()
    events = server.ask(QUESTION)
    assert time.monotonic() - began < 15, "a turn is over in CHAT_TURN_SECONDS (6), however busy the machine is"
    _stored(events, "no whole answer in time")
    claude.wait_for(lambda c: c.requests[-1].disconnected)


def test_without_an_article_that_fits_a_plain_sentence_serves(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(fault=Fault.SERVER_ERROR))
    events = server.ask(QUESTION)
    assert text_of(events).startswith("Sorry, I can't give you a proper answer just now.")
    _stored(events, "api_error (500)")


def test_a_fault_is_logged_by_its_kind_and_without_the_words(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(fault=Fault.GARBAGE, fault_after=1))
    server.ask("A question about Quokkas")
    assert "model fault: unreadable stream" in server.log
    assert "Quokkas" not in server.log


def test_an_unknown_model_is_refused_at_the_start(tmp_path: Path, transactional_db: None) -> None:
    from tests import server as servers

    with pytest.raises(AssertionError, match=r"CHAT_MODEL: no price of 'gpt-9' holds"):
        servers.start(tmp_path / "log", CHAT_MODEL="gpt-9")


def test_a_prompt_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path, transactional_db: None) -> None:
    from tests import server as servers

    with pytest.raises(AssertionError, match="SYSTEM_PROMPT_FILE: can't be read: FileNotFoundError"):
        servers.start(tmp_path / "log", SYSTEM_PROMPT_FILE="/nonexistent", ANTHROPIC_API_KEY="k")


def _until_the_break(server: Server, claude: FakeClaude, shown: str, **visitor: str) -> list[Event]:
    """Asks; lets the stream go on to its fault when `shown` is on the screen.

    Not before: a reset throws away what was sent and has not been read yet.
    """
    events = []
    with server.stream(QUESTION, **visitor) as stream:
        for event in stream:
            events.append(event)
            if text_of(events) == shown:
                claude.release()
    return events


def _stored(events: list[Event], kind: str, reason: str = "model_fault") -> Message:
    """The message of these events: its text is what was shown, its ticket is flagged once with the reason."""
    conversation = Conversation.objects.get()
    message = Message.objects.get(pk=events[-1].data["message_id"])
    assert events[-1].name == "done"
    assert events[-1].data["is_escalation"] is True
    assert (message.state, message.fault) == ("counted", kind)
    assert message.assistant_message == text_of(events)
    assert (conversation.status, conversation.escalation_reason) == ("needs_review", reason)
    assert [event.to_value for event in conversation.events.all()] == [reason]
    assert conversation.message_count == Message.objects.count()
    return message


def _nothing_is_held() -> bool:
    """Whether the budgets have exactly what the answers cost."""
    day = BudgetWindow.objects.get(key__startswith="day:")
    cost = sum(Message.objects.values_list("cost_usd_billionths", flat=True))
    return (day.reserved_usd_billionths, day.spent_usd_billionths) == (0, cost)


@pytest.mark.django_db
def test_whatever_goes_wrong_before_the_model_the_question_reaches_a_person(settings: Any) -> None:
    settings.ANTHROPIC_API_KEY, settings.SYSTEM_PROMPT_FILE = "k", "/nonexistent"
    request = RequestFactory().post("/api/support/chat", {"message": "Hello?"}, content_type="application/json")
    asked = _ask(request)
    assert asked.context
    assert asked.context.reason == "unanswered"
    writer = Writer(asked.message, asked.context, lambda: None)
    with ThreadPoolExecutor(1) as thread:  # the tests' own may have a loop
        answer = thread.submit(asyncio.run, writer.answer()).result()
    assert "a person will take over" in answer.text
    assert (answer.is_escalation, Message.objects.get().user_message) == (True, "Hello?")


def test_what_arrives_together_with_a_fault_is_shown(server: Server, claude: FakeClaude) -> None:
    # Without a pause between them the last words and the error come in one piece.
    claude.always(Script(text="You can cancel it", fault=Fault.ERROR_EVENT))
    assert text_of(server.ask(QUESTION)).startswith("You can cancel it")
