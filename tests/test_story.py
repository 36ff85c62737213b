"""The whole story in one test. A newcomer reads it first: each step names the module that does it."""

from __future__ import annotations

from typing import Any

from support.models import Conversation, User
from tests.fake_claude import FakeClaude, Script, ToolCall
from tests.server import Server, text_of


def test_a_visitor_asks_the_bot_answers_hands_over_and_staff_closes(
    server: Server, claude: FakeClaude, anna: User
) -> None:
    # A visitor opens the chat on a page. (api/views.py: Conversations.post; models/conversation.py: open_new)
    opened = server.open(source="web", page_url="https://rezvo.example/pricing", user_id="restaurant-17")
    visitor = {"conversation_id": opened["id"], "token": opened["token"]}

    # He asks; Claude answers from the help articles. (api/chat.py, bot/turn.py, bot/claude.py, ledger/pricing.py)
    claude.say(Script(text="Plans start at £29 a month.", input_tokens=1000, output_tokens=20))
    events = server.ask("How do deposits work?", **visitor)
    assert text_of(events) == "Plans start at £29 a month."
    assert events[-1].data["status"] == "auto_resolved"

    # He asks for something the bot can't do; it hands over. (bot/claude.py: the escalate tool; bot/sentences.py)
    claude.say(Script(text="", tool=ToolCall("escalate", {"summary": "wants a refund"}), input_tokens=1100))
    events = server.ask("Please refund my last invoice", **visitor)
    assert "a person will take over" in text_of(events)
    assert events[-1].data["status"] == "needs_review"

    # Staff find it among the tickets with its whole thread. (api/views.py: Tickets; api/auth.py)
    staff = {"Authorization": f"Token {_token(anna)}"}
    (ticket,) = server.http.get("/api/support/tickets", headers=staff).json()["results"]
    assert [message["user_message"] for message in ticket["messages"]] == [
        "How do deposits work?",
        "Please refund my last invoice",
    ]
    assert ticket["message_count"] == 2
    assert ticket["estimated_cost_usd"] > 1000, "in millionths of a dollar"

    # Anna takes it and closes it; both are in its history. (models/conversation.py: assign, close, change)
    conversation = Conversation.objects.get()
    conversation.assign(anna, by=anna)
    conversation.close(by=anna)
    history = [(event.kind, event.to_value) for event in conversation.events.order_by("created_at", "id")]
    assert history[0] == ("escalated", "bot_handed_over")
    assert {("status", "in_progress"), ("assigned", anna.pk), ("status", "closed")} < set(history)

    # The owner sees what it came to. (analytics.py)
    numbers = server.http.get("/api/support/analytics?days=7", headers=staff).json()
    assert (numbers["total_conversations"], numbers["total_messages"]) == (1, 2)
    assert (numbers["auto_resolved_pct"], numbers["escalated_pct"]) == (0.0, 100.0)
    assert numbers["top_questions"][0]["count"] == 1

    # The visitor comes back and sees his thread, and nothing of the staff's. (api/serializers.py)
    thread = server.http.get(
        f"/api/support/conversations/{opened['id']}", headers={"Authorization": f"Bearer {opened['token']}"}
    ).json()
    assert thread["status"] == "closed"
    assert not {"notes", "estimated_cost_usd", "assigned_to"} & set(thread)


def _token(user: Any) -> str:
    from rest_framework.authtoken.models import Token

    return str(Token.objects.create(user=user).key)
