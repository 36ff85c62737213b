"""Rules that hand over without a model: what they see, and that they never go round in a circle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support import clock
from support.bot import rules
from support.models import Conversation, Message, User
from tests.fake_claude import FakeClaude
from tests.server import Server, text_of, wait_until

pytestmark = pytest.mark.django_db


def ask(conversation: Conversation, question: str) -> str:
    """Asks, answers, and returns why a person was needed."""
    message, _ = conversation.ask(question, deadline_at=clock.now() + timedelta(hours=1), idempotency_key=None)
    message.conversation = conversation
    reason = rules.person_needed(message, is_first=conversation.message_count == 0)
    from support.models import Answer

    answer = Answer(text="A", answered_by=Message.AnsweredBy.CLAUDE, is_escalation=bool(reason), reason=reason)
    conversation.answer(message, answer)
    tick()
    return reason


def tick() -> None:
    """To the next millisecond: as fine as times are kept, and no visitor is faster."""
    moment = clock.now()
    wait_until(lambda: clock.now() > moment, every_s=0.0005)


@pytest.fixture
def conversation() -> Conversation:
    return Conversation.objects.create()


def test_the_same_question_for_the_third_time(conversation: Conversation) -> None:
    assert ask(conversation, "How do I cancel?") == ""
    assert ask(conversation, "Something else") == ""
    assert ask(conversation, "how do i  cancel") == "", "twice"
    assert ask(conversation, "HOW DO I CANCEL???") == "repeated"


def test_thanks_and_greetings_may_be_repeated(conversation: Conversation) -> None:
    assert {ask(conversation, "Thanks!") for _ in range(5)} == {""}


def test_another_conversation_s_questions_do_not_count(conversation: Conversation) -> None:
    for _ in range(2):
        ask(Conversation.objects.create(), "How do I cancel?")
    assert ask(conversation, "How do I cancel?") == ""


def test_a_conversation_that_goes_on_and_on(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_PAIRS_BEFORE_PERSON = 4
    assert [ask(conversation, f"Question {n}") for n in range(5)] == ["", "", "", "", "long"]


def test_without_a_cap_it_may_go_on(conversation: Conversation, settings: Any) -> None:
    settings.CHAT_PAIRS_BEFORE_PERSON = 0
    assert {ask(conversation, f"Question {n}") for n in range(35)} == {""}


def test_words_that_the_owner_lists(conversation: Conversation, settings: Any) -> None:
    settings.ESCALATE_WORDS = ["lawyer", "refund"]
    assert ask(conversation, "My LAWYER will hear of this") == "listed_word"
    assert ask(Conversation.objects.create(), "Is it refundable?") == "", "a whole word"


def test_who_asks_for_a_person_is_not_asked_for_the_third_time(conversation: Conversation) -> None:
    assert ask(conversation, "Can I talk to a person?") == "visitor_asked"


@pytest.mark.parametrize("back_to", ["closed", "auto_resolved"])
def test_what_staff_hand_back_is_counted_anew(
    conversation: Conversation, anna: User, settings: Any, back_to: str
) -> None:
    settings.CHAT_PAIRS_BEFORE_PERSON = 3
    assert [ask(conversation, "Why was I charged?") for _ in range(3)] == ["", "", "repeated"]
    conversation.assign(anna, by=anna)
    conversation.change(by=anna, status=back_to, assigned_to_id=None)
    tick()
    assert [ask(conversation, "Why was I charged?") for _ in range(3)] == ["", "", "repeated"], (
        "no loop, and no blind eye"
    )
    assert conversation.events.filter(kind="escalated").count() == 2


def test_while_it_waits_for_a_person_the_counting_begins_anew(conversation: Conversation) -> None:
    assert [ask(conversation, "Why was I charged?") for _ in range(4)] == ["", "", "repeated", ""]
    assert conversation.events.filter(kind="escalated").count() == 1


# --- In the chat --------------------------------------------------------------------------------------


def test_the_rule_answers_without_the_model_and_flags(server: Server, claude: FakeClaude) -> None:
    start = server.ask("Where is my money?")[0].data
    visitor = {"conversation_id": start["conversation_id"], "token": start["token"]}
    server.ask("Where is my money", **visitor)
    asked = len(claude.requests)
    events = server.ask("where is my money?!", **visitor)
    assert "a person will take over" in text_of(events)
    assert (events[-1].data["answered_by"], events[-1].data["status"]) == ("notice", "needs_review")
    assert len(claude.requests) == asked
    assert Conversation.objects.get().escalation_reason == "repeated"


def test_the_bot_is_silent_for_a_ticket_that_somebody_was_given(
    server: Server, claude: FakeClaude, anna: User
) -> None:
    start = server.ask("I want a person")[0].data
    Conversation.objects.get().change(by=anna, assigned_to_id=anna.pk)
    events = server.ask("Hello?", conversation_id=start["conversation_id"], token=start["token"])
    assert "already looking into this" in text_of(events)
    assert not claude.requests
    Conversation.objects.get().change(by=anna, assigned_to_id=None, status="auto_resolved")
    claude.say("The bot again.")
    events = server.ask("And now?", conversation_id=start["conversation_id"], token=start["token"])
    assert text_of(events) == "The bot again.", "given back"


def test_too_many_articles_and_none_that_fits_is_a_case_for_a_person(
    start_server: Any, claude: FakeClaude
) -> None:
    from support.models import Article

    Article.objects.create(slug="vouchers", title="Gift vouchers", body="A voucher is valid for a year. " * 50)
    server: Server = start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, CHAT_ARTICLE_TOKENS="100")
    events = server.ask("What is the airspeed of a swallow?")
    assert "a person will take over" in text_of(events)
    assert Conversation.objects.get().escalation_reason == "no_article"
    assert not claude.requests
