"""Whatever the model's service does: the question is kept, what was shown is kept, and a person is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.conf import settings

from support.import_articles import import_folder
from support.models import Conversation, Message
from tests.fake_claude import FakeClaude, Fault, Script
from tests.server import Server, text_of

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


@pytest.mark.parametrize(("fault", "kind"), BEFORE_THE_FIRST_WORD)
def test_a_fault_before_the_first_word_is_answered_offline_and_flagged(
    server: Server, claude: FakeClaude, fault: Fault, kind: str
) -> None:
    import_folder(DEMO)
    claude.always(Script(fault=fault))
    events = server.ask(QUESTION)
    assert "our help pages say this" in text_of(events)
    assert "a person will take over" in text_of(events)
    message = _stored(events, kind)
    assert (message.answered_by, message.cost_usd_billionths) == ("offline", 0)
    assert message.articles


@pytest.mark.parametrize(("fault", "kind"), IN_MID_STREAM)
def test_a_fault_in_mid_stream_keeps_what_was_shown_and_flags(
    server: Server, claude: FakeClaude, fault: Fault, kind: str
) -> None:
    claude.always(Script(text="You can cancel it in the app", fault=fault, fault_after=3, input_tokens=50))
    events = server.ask(QUESTION)
    assert text_of(events).startswith("You can cancel")
    assert "my answer broke off" in text_of(events)
    message = _stored(events, kind)
    assert message.answered_by == "claude"
    assert message.input_tokens == 50, "what the API said it read is paid for"
    assert message.output_tokens >= 1, "estimated from what arrived"
    assert message.cost_usd_billionths > 0


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


def _stored(events: list, kind: str, reason: str = "model_fault") -> Message:
    """The one message: its text is what was shown, its ticket is flagged once with the reason."""
    message, conversation = Message.objects.get(), Conversation.objects.get()
    assert events[-1].name == "done"
    assert events[-1].data["is_escalation"] is True
    assert (message.user_message, message.state, message.fault) == (message.user_message, "counted", kind)
    assert message.assistant_message == text_of(events)
    assert (conversation.status, conversation.escalation_reason) == ("needs_review", reason)
    assert [event.to_value for event in conversation.events.all()] == [reason]
    assert conversation.message_count == 1
    return message
