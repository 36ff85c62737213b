"""What the model says by its tools: to hand over with a reason, and which articles its answer is taken from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from support.import_articles import import_folder
from support.models import Conversation, Message, ModelPrice
from tests.fake_claude import FakeClaude, Script, ToolCall
from tests.server import Server, text_of

DEMO = Path(settings.BASE_DIR) / "support" / "demo" / "articles"
TAKES_OVER = "a person will take over"


def escalate(**given: object) -> ToolCall:
    return ToolCall("escalate", given)


def cite(*slugs: object) -> ToolCall:
    return ToolCall("cite", {"articles": list(slugs)})


# --- escalate -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["no_article", "account", "complaint", "broken", "sensitive", "visitor_asked"])
def test_the_reason_and_the_summary_reach_staff(server: Server, claude: FakeClaude, reason: str) -> None:
    claude.say(Script(text="One moment.", tool=escalate(reason=reason, summary="wants his deposit back")))
    events = server.ask("Where is my deposit?")
    assert text_of(events).startswith("One moment.")
    assert TAKES_OVER in text_of(events)
    conversation, message = Conversation.objects.get(), Message.objects.get()
    assert (conversation.status, conversation.escalation_reason) == ("needs_review", reason)
    assert (message.escalation_reason, message.handover_summary) == (reason, "wants his deposit back")
    assert message.is_escalation


@pytest.mark.parametrize(
    "call",
    [
        escalate(),
        escalate(reason="because I say so", summary="x"),
        escalate(reason="staff", summary="a reason that only the desk itself may give"),
        escalate(reason=["no_article"], summary={"a": 1}),
        ToolCall("escalate", json=""),
        ToolCall("escalate", json='{"reason": "no_article", "summ'),
        ToolCall("escalate", json='["no_article"]'),
        ToolCall("escalate", json="null"),
    ],
    ids=["nothing", "no reason of the list", "the desk's own", "wrong types", "empty", "cut", "a list", "null"],
)
def test_a_tool_called_wrongly_hands_over_all_the_same(server: Server, claude: FakeClaude, call: ToolCall) -> None:
    claude.say(Script(text="", tool=call))
    events = server.ask("Help")
    assert TAKES_OVER in text_of(events)
    assert Conversation.objects.get().escalation_reason == "bot_handed_over"


def test_one_case_is_flagged_once_and_the_visitor_is_told_each_time(server: Server, claude: FakeClaude) -> None:
    claude.always(Script(text="Not my field.", tool=escalate(reason="account", summary="s")))
    start = server.ask("Change my plan")[0].data
    visitor = {"conversation_id": start["conversation_id"], "token": start["token"]}
    claude.always(Script(text="", tool=escalate(reason="complaint", summary="s")))
    assert TAKES_OVER in text_of(server.ask("Hello? Anybody?", **visitor))
    assert TAKES_OVER in text_of(server.ask("I want a person", **visitor))
    conversation = Conversation.objects.get()
    assert [(event.kind, event.to_value) for event in conversation.events.all()] == [("escalated", "account")]
    assert conversation.escalation_reason == "account", "why it went to a person in the first place"


def test_a_closed_case_that_escalates_again_is_a_case_of_its_own(
    server: Server, claude: FakeClaude, anna: object
) -> None:
    claude.always(Script(text="", tool=escalate(reason="account", summary="s")))
    start = server.ask("Change my plan")[0].data
    visitor = {"conversation_id": start["conversation_id"], "token": start["token"]}
    Conversation.objects.get().close(by=anna)  # type: ignore[arg-type]
    server.ask("And the address", **visitor)
    conversation = Conversation.objects.get()
    assert conversation.status == "needs_review"
    assert [event.kind for event in conversation.events.order_by("created_at", "id")] == [
        "escalated",
        "status",
        "escalated",
    ]


# --- cite ---------------------------------------------------------------------------------------------


def test_what_an_answer_cites_is_stored_with_it(server: Server, claude: FakeClaude) -> None:
    import_folder(DEMO)
    claude.say(Script(text="Within five days.", tool=cite("deposit-refunds", "no-shows")))
    events = server.ask("When do I get my deposit back?")
    assert events[-1].data["is_escalation"] is False
    assert text_of(events) == "Within five days."
    assert [article["slug"] for article in Message.objects.get().articles] == ["deposit-refunds", "no-shows"]


@pytest.mark.parametrize(
    "call",
    [
        cite("no-such-article", "../../etc/passwd", "<b>"),
        cite(1, None, {"slug": "no-shows"}, ["no-shows"]),
        ToolCall("cite", {"articles": "no-shows"}),
        ToolCall("cite", json="{"),
        ToolCall("delete_everything", {"articles": ["no-shows"]}),
    ],
    ids=["unknown slugs", "wrong types", "no list", "cut", "another tool"],
)
def test_only_articles_that_the_model_was_shown_can_be_cited(
    server: Server, claude: FakeClaude, call: ToolCall
) -> None:
    import_folder(DEMO)
    claude.say(Script(text="An answer.", tool=call))
    events = server.ask("Anything?")
    assert (text_of(events), events[-1].data["is_escalation"]) == ("An answer.", False)
    assert Message.objects.get().articles == []


def test_it_may_cite_and_hand_over_in_one_answer(server: Server, claude: FakeClaude) -> None:
    import_folder(DEMO)
    both = (cite("no-shows"), escalate(reason="account", summary="was charged twice"))
    claude.say(Script(text="You can charge for it.", tool=both))
    assert TAKES_OVER in text_of(server.ask("Somebody did not come"))
    message = Message.objects.get()
    assert [article["slug"] for article in message.articles] == ["no-shows"]
    assert (message.escalation_reason, message.handover_summary) == ("account", "was charged twice")


def test_the_next_question_shows_the_model_what_it_cited(server: Server, claude: FakeClaude) -> None:
    import_folder(DEMO)
    claude.say(Script(text="Five days.", tool=cite("deposit-refunds")), "Yes.")
    start = server.ask("When?")[0].data
    server.ask("Sure?", conversation_id=start["conversation_id"], token=start["token"])
    assistant = claude.requests[-1].json["messages"][1]
    assert assistant["content"][1]["input"] == {"articles": ["deposit-refunds"]}


# --- The same request each time -----------------------------------------------------------------------


def test_the_cached_part_of_the_prompt_is_the_same_for_every_visitor(server: Server, claude: FakeClaude) -> None:
    import_folder(DEMO)
    claude.say(Script(text="One.", cache_write_5m_tokens=6000, input_tokens=50))
    claude.say(Script(text="Two.", cache_read_tokens=6000, input_tokens=60))
    server.ask("How do deposits work?", user_id="restaurant-17", page_url="https://example.com/one")
    server.ask("What does Plus cost?", source="app_diner")
    first, second = (request.json for request in claude.requests)
    assert first["system"][0] == second["system"][0]
    assert first["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert first["tools"] == second["tools"]
    costs = list(Message.objects.order_by("created_at").values_list("cost_usd_billionths", flat=True))
    assert costs[0] - costs[1] > 6_000_000, "what is read from the cache costs a twelfth of what is written"


def test_the_price_row_used_is_kept(start_server: Callable[..., Server], claude: FakeClaude) -> None:
    server = start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)
    server.ask("What does it cost?")
    message = Message.objects.get()
    price = ModelPrice.objects.get(pk=message.price_id)
    assert (price.model, message.model) == ("claude-haiku-4-5", "claude-haiku-4-5")
