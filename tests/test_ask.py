"""`manage.py ask`: the bot in a terminal, on the path of a visitor's question."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from support import clock, recovery
from support.import_articles import import_folder
from support.models import BudgetWindow, Conversation, Message
from tests.fake_claude import FakeClaude, Fault, Script, ToolCall
from tests.server import ROOT, environment, manage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _articles(transactional_db: None) -> None:
    import_folder(ROOT / "support" / "demo" / "articles")


def test_it_shows_answer_articles_tokens_and_cost(claude: FakeClaude) -> None:
    cite = ToolCall("cite", {"articles": ["payments-and-deposits"]})
    claude.say(
        Script(text="Ten pounds each.", tool=cite, input_tokens=200, output_tokens=40, cache_read_tokens=5000)
    )
    done = manage("ask", "How do deposits work?", ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)
    assert done.stdout.splitlines() == [
        "Ten pounds each.",
        "",
        "answered by  Claude (claude-haiku-4-5)",
        "articles     payments-and-deposits",
        "tokens       200 in, 5,000 from the cache, 0 to the cache, 40 out",
        "cost         $0.000900",
    ]
    assert not Conversation.objects.exists(), "a try-out is no ticket"
    assert BudgetWindow.objects.get(key__startswith="day:").spent_usd_billionths == 900_000, "but it was paid for"


def test_it_reads_questions_line_by_line_and_remembers(claude: FakeClaude) -> None:
    claude.say("First.", "Second.")
    done = subprocess.run(
        [sys.executable, "manage.py", "ask"],
        cwd=ROOT,
        env=environment(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url),
        input="One?\n\nTwo?\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.index("First.") < done.stdout.index("Second.")
    assert [turn["content"] for turn in claude.requests[-1].json["messages"]] == ["One?", "First.", "Two?"]


def test_without_a_key_the_help_pages_answer_and_it_can_be_kept() -> None:
    done = manage("ask", "How do deposits work?", "--keep")
    assert "answered by  offline answerer" in done.stdout
    assert "articles     payments-and-deposits" in done.stdout
    assert f"Kept as conversation {Conversation.objects.get().pk}." in done.stdout
    assert Message.objects.count() == 1


def test_a_fault_and_a_hand_over_are_told(claude: FakeClaude) -> None:
    claude.always(Script(fault=Fault.UNAUTHORIZED))
    done = manage("ask", "How do deposits work?", ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url)
    assert "handed over  model unavailable" in done.stdout
    assert "fault        authentication_error (401)" in done.stdout
    assert done.returncode == 0


def test_who_interrupts_it_leaves_nothing_held(claude: FakeClaude) -> None:
    claude.always(Script(text="One two three four", hold_after=2))
    started = subprocess.Popen(
        [sys.executable, "manage.py", "ask", "Are you there?"],
        cwd=ROOT,
        env=environment(ANTHROPIC_API_KEY="k", ANTHROPIC_BASE_URL=claude.url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    claude.wait_for(lambda c: c.held, timeout_s=30)
    started.send_signal(signal.SIGINT)
    started.wait(30)
    recovery.recover(clock.now() + timedelta(hours=1))
    assert set(BudgetWindow.objects.values_list("reserved_usd_billionths", flat=True)) == {0}
