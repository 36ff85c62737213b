"""What may be spent is a cap that holds: whatever runs at once, whoever is killed, to the last unit."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as desk
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from support import clock, recovery
from support.bot import sentences
from support.bot.context import context_of
from support.import_articles import import_folder
from support.ledger import budget
from support.models import BudgetWindow, Conversation, Message
from support.models.transactions import has_transactions
from tests.fake_claude import FakeClaude, Script
from tests.server import Event, Server, text_of, wait_until

DEMO = Path(desk.BASE_DIR) / "support" / "demo" / "articles"
DOLLAR = 10**9


def asked(conversation: Conversation | None = None, question: str = "Q") -> Message:
    conversation = conversation or Conversation.objects.create()
    return conversation.ask(question, deadline_at=clock.now() + timedelta(hours=1), idempotency_key=None)[0]


def window(key: str) -> tuple[int, int]:
    """Spent and held."""
    row = BudgetWindow.objects.get(pk=key)
    return row.spent_usd_billionths, row.reserved_usd_billionths


# --- Windows ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_cap_is_reached_to_the_last_unit_and_not_passed_by_one() -> None:
    assert asked().reserve(60, {"day:1": 100}) is None
    assert asked().reserve(41, {"day:1": 100}) == "day:1"
    assert asked().reserve(40, {"day:1": 100}) is None
    assert window("day:1") == (0, 100)


@pytest.mark.django_db
def test_what_one_window_refuses_is_held_in_none() -> None:
    asked().reserve(95, {"month:1": 100})
    message = asked()
    assert message.reserve(10, {"day:1": 100, "month:1": 100, "user:1": 100}) == "month:1"
    assert window("month:1") == (0, 95)
    assert set(BudgetWindow.objects.exclude(pk="month:1").values_list("reserved_usd_billionths", flat=True)) <= {0}
    message.refresh_from_db()
    assert (message.reserved_usd_billionths, message.budget_keys) == (0, [])


@pytest.mark.django_db
def test_an_answer_turns_what_is_held_into_what_it_cost() -> None:
    from support.models import Answer

    message = asked()
    message.reserve(1_000, {"day:1": 5_000, "conversation:1": 5_000})
    message.conversation.answer(message, Answer(text="A", answered_by="claude", cost_usd_billionths=123))
    assert window("day:1") == window("conversation:1") == (123, 0)
    assert not message.conversation.answer(message, Answer(text="A", answered_by="claude", cost_usd_billionths=9))
    assert window("day:1") == (123, 0), "a turn ends once"


@pytest.mark.django_db
@examples(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()), max_size=12))
def test_spent_and_held_never_pass_the_cap(steps: list[tuple[int, int, bool]]) -> None:
    BudgetWindow.objects.all().delete()
    spent = held = 0
    conversation = Conversation.objects.create()
    for amount, cost, ends in steps:
        message = asked(conversation)
        refused = message.reserve(amount, {"day:1": 100})
        assert bool(refused) == (spent + held + amount > 100)
        if not refused:
            held += amount
            if ends:
                message.cost_usd_billionths = min(cost, amount)
                message.settle_budgets()
                held, spent = held - amount, spent + min(cost, amount)
            assert window("day:1") == (spent, held)
            assert spent + held <= 100


@pytest.mark.django_db
def test_windows_that_are_over_are_removed_unless_they_hold_something() -> None:
    long_ago = clock.now() - timedelta(days=41)
    BudgetWindow.objects.create(key="day:old", updated_at=long_ago)
    BudgetWindow.objects.create(key="day:held", reserved_usd_billionths=1, updated_at=long_ago)
    BudgetWindow.objects.create(key="day:new")
    assert budget.forget_old() == 1
    assert set(BudgetWindow.objects.values_list("key", flat=True)) == {"day:held", "day:new"}


# --- Scopes -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_answer_counts_for_the_day_the_month_the_address_the_user_and_the_conversation(settings: Any) -> None:
    settings.BUDGET_USER_USD_BILLIONTHS = 7 * DOLLAR
    conversation = Conversation.objects.create(user_id="restaurant-17")
    caps = budget.caps(conversation, "a" * 32, datetime(2026, 11, 24, 23, 59, tzinfo=UTC))
    (user,) = [key for key in caps if key.startswith("user:")]
    assert caps == {
        "day:2026-11-24": settings.BUDGET_DAY_USD_BILLIONTHS,
        "month:2026-11": settings.BUDGET_MONTH_USD_BILLIONTHS,
        f"address:{'a' * 32}:2026-11-24": settings.BUDGET_ADDRESS_USD_BILLIONTHS,
        user: 7 * DOLLAR,
        f"conversation:{conversation.pk}": settings.BUDGET_CONVERSATION_USD_BILLIONTHS,
    }
    assert "restaurant-17" not in user, "a key holds no name"


@pytest.mark.django_db
def test_a_budget_that_is_off_holds_nothing(settings: Any) -> None:
    for name in ("DAY", "MONTH", "ADDRESS", "USER", "CONVERSATION"):
        setattr(settings, f"BUDGET_{name}_USD_BILLIONTHS", None)
    assert budget.caps(Conversation.objects.create(user_id="u"), "a") == {}
    settings.ANTHROPIC_API_KEY = "k"
    assert context_of(asked(), is_first=True).prompt
    assert not BudgetWindow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["day", "month", "address", "user", "conversation"])
def test_a_scope_without_room_leaves_the_model_out(settings: Any, scope: str) -> None:
    settings.ANTHROPIC_API_KEY = "k"
    conversation = Conversation.objects.create(user_id="u")
    setattr(settings, f"BUDGET_{scope.upper()}_USD_BILLIONTHS", 1)
    context = context_of(asked(conversation), is_first=True, address_key="a")
    assert (context.prompt, context.spent) == (None, scope)


@pytest.mark.django_db
def test_what_is_only_held_is_not_called_spent(settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "k"
    first = asked()
    context_of(first, is_first=True)
    settings.BUDGET_DAY_USD_BILLIONTHS = first.reserved_usd_billionths * 3 // 2
    context = context_of(asked(), is_first=True)
    assert (context.prompt, context.spent) == (None, "busy")
    assert "today" not in sentences.budget_spent("busy", has_page=True)


@pytest.mark.django_db
def test_the_states_tell_how_far_the_desk_s_budgets_are_used(settings: Any) -> None:
    settings.BUDGET_DAY_USD_BILLIONTHS, settings.BUDGET_MONTH_USD_BILLIONTHS = 100, None
    (state,) = budget.states()
    assert (state.scope, state.share) == ("day", 0)
    day = asked()
    day.reserve(90, dict.fromkeys(budget.caps(Conversation(), ""), 100))
    assert budget.states()[0].share == 0, "what is only held may be free again in a moment"
    day.cost_usd_billionths = 81
    day.settle_budgets()
    assert budget.states()[0].share == 0.81
    settings.BUDGET_DAY_USD_BILLIONTHS = 0
    assert budget.states()[0].share == 1, "nothing may be spent at all"


# --- Visitors -----------------------------------------------------------------------------------------


@pytest.fixture
def poor(start_server: Callable[..., Server], claude: FakeClaude) -> Server:
    """A desk with a key and a day's budget that no answer fits in."""
    return start_server(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, BUDGET_DAY_USD="0.000001")


def test_without_budget_the_help_pages_and_the_way_to_a_person_serve_on(poor: Server, claude: FakeClaude) -> None:
    import_folder(DEMO)
    events = poor.ask("How do I cancel a booking?")
    assert "as much as it can today" in text_of(events)
    assert "help page" in text_of(events)
    assert (events[-1].data["answered_by"], events[-1].data["budget_spent"]) == ("offline", True)
    assert events[-1].data["is_escalation"] is False
    assert Message.objects.get().fault == "budget spent: day"
    unknown = text_of(poor.ask("What is the airspeed of a swallow?"))
    assert "as much as it can today" in unknown
    assert "our help pages say" not in unknown
    assert "a person will take over" in unknown
    assert "a person will take over" in text_of(poor.ask("I want to talk to a person"))
    assert not claude.requests


# --- Many at once -------------------------------------------------------------------------------------


class Watch:
    """Reads the day's window over and over while it runs, and keeps the most that it saw taken."""

    def __init__(self) -> None:
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        from django.db import connection

        try:
            while not self._stop.is_set():
                for spent, reserved in BudgetWindow.objects.filter(key__startswith="day:").values_list(
                    "spent_usd_billionths", "reserved_usd_billionths"
                ):
                    self.most = max(self.most, spent + reserved)
                self._stop.wait(0.005)
        finally:
            connection.close()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()


def many(server: Server, number: int) -> list[list[Event]]:
    """So many visitors ask at the same moment; the events that each got, those of broken streams too."""
    got: list[list[Event]] = [[] for _ in range(number)]
    at_once = threading.Barrier(number)

    def ask(n: int) -> None:
        at_once.wait()
        try:
            with server.stream(f"Question {n}?") as events:
                for event in events:
                    got[n].append(event)
        except Exception:  # the worker was killed
            got[n].append(Event("broken", {}))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_fifty_chats_on_four_workers_do_not_pass_the_cap_by_one_unit(
    start_server: Callable[..., Server], claude: FakeClaude
) -> None:
    server = start_server(
        WEB_CONCURRENCY="4", ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url, BUDGET_DAY_USD="0.15"
    )
    cap = 150_000_000
    claude.always(Script(text="An answer in some words.", delay_s=0.02, input_tokens=1500, output_tokens=700))
    with Watch() as watch:
        got = many(server, 50)
    assert [events[-1].name for events in got] == ["done"] * 50
    by_claude = Message.objects.filter(answered_by="claude")
    assert 0 < watch.most <= cap
    assert 0 < len(claude.requests) == by_claude.count() < 50, "the budget is meant to be too small for all"
    day = BudgetWindow.objects.get(key__startswith="day:")
    assert day.reserved_usd_billionths == 0
    assert day.spent_usd_billionths == sum(by_claude.values_list("cost_usd_billionths", flat=True)) <= cap


def test_a_killed_worker_s_hold_is_released_and_the_cap_holds(
    start_server: Callable[..., Server], claude: FakeClaude
) -> None:
    server = start_server(
        WEB_CONCURRENCY="4",
        ANTHROPIC_API_KEY="k",
        ANTHROPIC_BASE_URL=claude.url,
        BUDGET_DAY_USD="0.30",
        CHAT_TURN_SECONDS="60",
    )
    cap = 300_000_000
    claude.always(Script(text="One two three four", hold_after=2, input_tokens=1500, output_tokens=700))
    result: list[list[Event]] = []
    with Watch() as watch:
        visitors = threading.Thread(target=lambda: result.extend(many(server, 50)))
        visitors.start()
        claude.wait_for(lambda c: c.held > 3)
        wait_until(lambda: not Message.objects.filter(state="pending", budget_keys=[]).exists())
        os.kill(server.workers()[0], signal.SIGKILL)
        for _ in _until_gone(visitors):
            claude.release()
    assert watch.most <= cap
    left = Message.objects.filter(state="pending")
    assert left.exists(), "the killed worker was at some of them"
    day = BudgetWindow.objects.get(key__startswith="day:")
    meant_to_hold = sum(left.values_list("reserved_usd_billionths", flat=True))
    assert 0 < day.reserved_usd_billionths <= meant_to_hold
    # Without transactions a message says first what it is going to hold.
    assert day.reserved_usd_billionths == meant_to_hold or not has_transactions()
    recovery.recover(clock.now() + timedelta(hours=1))
    day.refresh_from_db()
    assert day.reserved_usd_billionths == 0
    assert day.spent_usd_billionths == sum(Message.objects.values_list("cost_usd_billionths", flat=True)) <= cap
    assert not Message.objects.filter(state="pending").exists()


def _until_gone(thread: threading.Thread) -> Iterator[None]:
    while thread.is_alive():
        yield
        thread.join(0.05)
