"""The chat: a question in, the answer out word by word, the pair stored, counted and priced."""

from __future__ import annotations

import threading

import pytest

from support.models import Conversation, Message
from tests.fake_claude import FakeClaude, Script, ToolCall
from tests.server import JSON, STREAM, Server, text_of, wait_until


def test_it_streams_start_deltas_and_done(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="We open at nine.", input_tokens=234, output_tokens=156))
    events = server.ask("When do you open?")
    assert [event.name for event in events][:1] == ["start"]
    assert [event.name for event in events][-1:] == ["done"]
    assert {event.name for event in events[1:-1]} == {"delta"}
    assert text_of(events) == "We open at nine."
    start, done = events[0].data, events[-1].data
    assert set(start) == {"conversation_id", "token", "message_id"}
    assert done == {
        "message_id": start["message_id"],
        "is_escalation": False,
        "is_notice": False,
        "status": "auto_resolved",
        "input_tokens": 234,
        "output_tokens": 156,
        "answered_by": "claude",
        "budget_spent": False,
    }


def test_the_first_delta_leaves_while_the_model_is_still_writing(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="One two three four", hold_after=1))
    with server.stream("Count!") as events:
        assert next(events).name == "start"
        assert next(events).data["text"].startswith("One")
        assert claude.held == 1, "the model has said no more than that"
        claude.release()
        assert list(events)[-1].name == "done"


def test_the_question_is_stored_before_the_model_is_called(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="Hm.", hold_after=0))
    with server.stream("Is it stored?") as events:
        claude.wait_for(lambda c: c.requests and c.held)
        message = Message.objects.get()
        assert (message.user_message, message.state) == ("Is it stored?", "pending")
        claude.release()
        list(events)


def test_the_pair_is_counted_and_priced_with_cached_tokens(server: Server, claude: FakeClaude) -> None:
    claude.say(
        Script(
            text="Yes.",
            input_tokens=100,
            output_tokens=20,
            cache_write_5m_tokens=1000,
            cache_write_1h_tokens=500,
            cache_read_tokens=5003,
        )
    )
    server.ask("Do you cache?")
    message, conversation = Message.objects.get(), Conversation.objects.get()
    # 100 × $1 + 20 × $5 + 1,000 × $1.25 + 500 × $2 + 5,003 × $0.10, each a million tokens
    assert message.cost_usd_billionths == 100_000 + 100_000 + 1_250_000 + 1_000_000 + 500_300
    assert conversation.estimated_cost_usd == 2950
    assert (conversation.total_input_tokens, conversation.total_output_tokens) == (100, 20)
    assert (conversation.message_count, message.answered_by, message.model) == (1, "claude", "claude-haiku-4-5")
    assert message.tokens_measured


def test_it_goes_on_in_a_conversation_with_its_history(server: Server, claude: FakeClaude) -> None:
    claude.say("First answer.", "Second answer.")
    start = server.ask("First?")[0].data
    events = server.ask("Second?", conversation_id=start["conversation_id"], token=start["token"])
    assert "token" not in events[0].data, "it comes only with the call that opened the conversation"
    assert events[0].data["conversation_id"] == start["conversation_id"]
    said = claude.requests[-1].json["messages"]
    assert [(turn["role"], turn["content"]) for turn in said] == [
        ("user", "First?"),
        ("assistant", "First answer."),
        ("user", "Second?"),
    ]
    assert Conversation.objects.get().message_count == 2


def test_the_token_may_come_as_a_bearer(server: Server, claude: FakeClaude) -> None:
    start = server.ask("First?")[0].data
    bearer = {"Authorization": f"Bearer {start['token']}"}
    assert server.ask("Second?", bearer, conversation_id=start["conversation_id"])[-1].name == "done"


@pytest.mark.parametrize(
    ("token", "code"), [(None, 401), ("wrong", 403), ("other", 403)], ids=["none", "wrong", "another's"]
)
def test_a_conversation_opens_only_with_its_own_token(
    server: Server, claude: FakeClaude, token: str | None, code: int
) -> None:
    mine, other = server.open(), server.open()
    body = {"message": "Let me in", "conversation_id": mine["id"]}
    if token:
        body["token"] = other["token"] if token == "other" else token
    answer = server.http.post("/api/support/chat", json=body)
    assert answer.status_code == code
    assert not claude.requests
    assert not Message.objects.exists()


def test_an_unknown_conversation_is_a_404(server: Server) -> None:
    for unknown in ("f" * 24, "no id"):
        answer = server.http.post(
            "/api/support/chat", json={"message": "x", "conversation_id": unknown, "token": "t"}
        )
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


def test_without_the_stream_the_whole_answer_comes_as_json(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="All at once.", input_tokens=7, output_tokens=3))
    answer = server.http.post("/api/support/chat", json={"message": "JSON, please", "source": "app_diner"}).json()
    assert answer["assistant_message"] == "All at once."
    assert (answer["status"], answer["is_escalation"]) == ("auto_resolved", False)
    assert (answer["input_tokens"], answer["output_tokens"]) == (7, 3)
    assert {"conversation_id", "token", "message_id"} <= set(answer)
    assert Conversation.objects.get().source == "app_diner"


def test_the_model_hands_over_by_its_tool_and_the_visitor_is_told(server: Server, claude: FakeClaude) -> None:
    claude.say(Script(text="That needs a look.", tool=ToolCall("escalate", {"summary": "refund"})))
    events = server.ask("Where is my money?")
    assert events[-1].data["is_escalation"] is True
    assert events[-1].data["status"] == "needs_review"
    assert "a person will take over" in text_of(events)
    conversation = Conversation.objects.get()
    assert (conversation.escalated, conversation.escalation_reason) == (True, "bot_handed_over")
    assert Message.objects.get().handover_summary == "refund"
    assert [event.kind for event in conversation.events.all()] == ["escalated"]


def test_an_answer_that_names_the_support_address_hands_over(server: Server, claude: FakeClaude) -> None:
    claude.say("Please EMAIL us at Support@Rezvo.co.uk about that.")
    events = server.ask("Can I sue you?")
    assert events[-1].data["is_escalation"] is True
    assert text_of(events).startswith("Please EMAIL us at Support@Rezvo.co.uk about that.\n\nI've passed this on")
    assert Message.objects.get().assistant_message == text_of(events)


def test_who_asks_for_a_person_gets_one_without_a_model_call(server: Server, claude: FakeClaude) -> None:
    events = server.ask("Can I speak to a real person, please?")
    assert events[-1].data["status"] == "needs_review"
    assert not claude.requests


def test_the_bot_is_silent_once_a_person_has_the_conversation(server: Server, claude: FakeClaude) -> None:
    start = server.ask("Hello, bot")[0].data
    Conversation.objects.update(status="in_progress")
    count = len(claude.requests)
    events = server.ask("Any news?", conversation_id=start["conversation_id"], token=start["token"])
    assert "already looking into this" in text_of(events)
    assert events[-1].data["status"] == "in_progress"
    assert len(claude.requests) == count
    assert Message.objects.filter(user_message="Any news?").exists()


def test_the_key_never_leaves_the_server(server: Server, claude: FakeClaude) -> None:
    events = server.ask("What is your key?")
    assert claude.requests[0].headers["authorization"] == "Bearer sk-test"
    assert "sk-test" not in str(events) + server.log


def test_what_visitors_write_is_not_logged(server: Server, claude: FakeClaude) -> None:
    claude.say("an answer with a secret word: Xylophon")
    server.ask("a question with a secret word: Pumpernickel")
    assert "Pumpernickel" not in server.log
    assert "Xylophon" not in server.log


def test_pages_of_listed_origins_may_ask_and_no_others(start_server: object) -> None:
    server: Server = start_server(CORS_ALLOWED_ORIGINS="https://rezvo.example")  # type: ignore[operator]
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    for origin, is_listed in {"https://rezvo.example": True, "https://evil.example": False}.items():
        answers = [
            server.http.options("/api/support/chat", headers=preflight | {"Origin": origin}),
            server.http.post("/api/support/chat", json={"message": "hello"}, headers=STREAM | {"Origin": origin}),
        ]
        for answer in answers:
            assert answer.headers.get("access-control-allow-origin") == (origin if is_listed else None)
            assert "access-control-allow-credentials" not in answer.headers
        if is_listed:
            assert "idempotency-key" in answers[0].headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n "}, "message"),
        ({"message": "x" * 8001}, "message"),
        ({"message": 5}, "message"),
        ({"message": "a\x00b"}, "message"),
        ({"message": "\ud800"}, "message"),
        ({"message": "x", "source": "fax"}, "source"),
        ({"message": "x", "page_url": "javascript:alert(1)"}, "page_url"),
        ({"message": "x", "page_url": "https://a/" + "b" * 2000}, "page_url"),
        ({"message": "x", "user_id": "u" * 201}, "user_id"),
        ([], "non_field_errors"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(server: Server, body: object, field: str) -> None:
    import json

    answer = server.http.post("/api/support/chat", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, '{"message": NaN}', "\xff"])
def test_what_is_no_json_is_a_400(server: Server, text: str) -> None:
    answer = server.http.post("/api/support/chat", content=text.encode("latin-1"), headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")


def test_other_methods_and_media_types_are_refused_in_json(server: Server) -> None:
    answer = server.http.get("/api/support/chat")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    answer = server.http.post("/api/support/chat", content="message=x")
    assert answer.status_code == 415
    answer = server.http.post("/api/support/chat", content=b"x" * 1_100_000, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/json")


def test_many_chats_at_once_keep_their_words_apart(server: Server, claude: FakeClaude) -> None:
    for n in range(20):
        claude.when(f"number {n}!", Script(text=f"answer to {n}. " * 10, delay_s=0.01))
    answers: dict[int, str] = {}

    def ask(n: int) -> None:
        answers[n] = text_of(server.ask(f"number {n}!"))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: f"answer to {n}. " * 10 for n in range(20)}
    assert Conversation.objects.count() == 20


def test_above_the_cap_on_open_chats_the_visitor_is_told_when_to_try_again(
    start_server: object, claude: FakeClaude
) -> None:
    server: Server = start_server(  # type: ignore[operator]
        WEB_CONCURRENCY="1", ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, CHAT_OPEN_STREAMS="1"
    )
    claude.say(Script(text="Slow", hold_after=0))
    with server.stream("First") as events:
        claude.wait_for(lambda c: c.held)
        answer = server.http.post("/api/support/chat", json={"message": "Second"})
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert int(answer.headers["retry-after"]) == answer.json()["retry_after"]
        claude.release()
        list(events)
    wait_until(lambda: server.http.post("/api/support/chat", json={"message": "Third"}).status_code == 200)
