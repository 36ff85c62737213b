"""The pages as people use them: Chromium against a real gunicorn and the stand-in of Anthropic's API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.import_articles import import_folder
from support.models import Conversation, Message, User
from tests.fake_claude import FakeClaude, Script, ToolCall
from tests.server import ROOT, Server

pytestmark = pytest.mark.chromium


def open_chat(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("[data-chat=open]").click()
    expect(page.locator("[data-chat=input]")).to_be_focused()


def ask(page: Page, text: str) -> None:
    page.locator("[data-chat=input]").fill(text)
    page.keyboard.press("Enter")


def sign_in(page: Page, url: str) -> None:
    """As Anna; ends at the page she wanted."""
    page.goto(url)
    page.fill("#id_username", "anna")
    page.fill("#id_password", "anna's password")
    page.keyboard.press("Enter")
    page.wait_for_url(url)


def bot(page: Page) -> Any:
    return page.locator("[data-role=bot]").last


def test_a_visitor_asks_is_handed_over_and_staff_closes_it(
    page: Page, server: Server, claude: FakeClaude, anna: User
) -> None:
    claude.say(Script(text="Deposits hold a table for big groups.", hold_after=3))
    open_chat(page, server.url)
    ask(page, "How do deposits work?")
    # Word by word: the first words stand there while the model still holds back the rest.
    expect(bot(page)).to_contain_text("Deposits hold")
    expect(bot(page)).not_to_contain_text("groups")
    expect(bot(page)).to_have_attribute("data-state", "streaming")
    claude.wait_for(lambda c: c.held)
    claude.release()
    expect(bot(page)).to_contain_text("Deposits hold a table for big groups.")
    expect(bot(page)).to_have_attribute("data-state", "done")

    claude.say(Script(text="", tool=ToolCall("escalate", {"summary": "refund"})))
    ask(page, "Please refund me")
    expect(bot(page)).to_contain_text("a person will take over")
    expect(page.locator("[data-chat=banner]")).to_be_visible()

    sign_in(page, f"{server.url}/admin/")
    page.get_by_role("link", name="Conversations", exact=True).first.click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator("body")).to_contain_text("How do deposits work?")
    expect(page.locator("body")).to_contain_text("Please refund me")
    expect(page.locator("body")).to_contain_text("Deposits hold a table for big groups.")
    page.locator("[name=_close]").first.click()
    expect(page.locator(".messagelist")).to_be_visible()
    conversation = Conversation.objects.get()
    assert conversation.status == "closed"
    assert conversation.events.get(kind="status", to_value="closed").by_id == anna.pk


def test_without_a_key_the_articles_answer(page: Page, offline: Server) -> None:
    import_folder(ROOT / "support" / "demo" / "articles")
    open_chat(page, offline.url)
    ask(page, "How do I export my guest data?")
    expect(bot(page)).to_have_attribute("data-state", "done")
    expect(bot(page)).to_contain_text("From our help page")
    ask(page, "What is the capital of Peru?")
    expect(bot(page)).to_contain_text("a person will take over")
    assert Conversation.objects.get().status == "needs_review"


def test_the_thread_is_there_after_a_reload(page: Page, server: Server, claude: FakeClaude) -> None:
    claude.say("The first answer.")
    open_chat(page, server.url)
    ask(page, "Remember me?")
    expect(bot(page)).to_have_attribute("data-state", "done")
    open_chat(page, server.url)
    expect(page.locator("[data-role=visitor]")).to_have_text(re.compile("Remember me"))
    expect(bot(page)).to_contain_text("The first answer.")


def test_a_lost_connection_is_tried_again_without_asking_twice(
    page: Page, server: Server, claude: FakeClaude
) -> None:
    claude.always("Once and only once.")
    open_chat(page, server.url)
    lost = []

    def lose_the_first(route: Any) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.request.headers["idempotency-key"])
        # It reaches the server, and the answer is lost on the way back.
        server.http.post(
            "/api/support/chat", content=route.request.post_data_buffer, headers=route.request.headers
        )
        route.abort("connectionreset")

    page.route("**/api/support/chat", lose_the_first)
    ask(page, "Are you there?")
    expect(bot(page)).to_contain_text("Once and only once.")
    expect(bot(page)).to_have_attribute("data-state", "done")
    assert lost
    assert page.locator("[data-role=visitor]").count() == 1
    assert Message.objects.count() == len(claude.requests) == 1


def test_what_the_model_writes_is_text_and_never_markup(page: Page, server: Server, claude: FakeClaude) -> None:
    evil = '<img src=x onerror="document.title=1"> [x](javascript:alert(1)) <script>document.title=2</script>'
    claude.say(Script(text=evil))
    open_chat(page, server.url)
    title = page.title()
    ask(page, "<b>bold</b><img src=x onerror=alert(1)>")
    expect(bot(page)).to_have_attribute("data-state", "done")
    expect(bot(page)).to_contain_text("<script>document.title=2</script>")
    assert page.locator("[data-chat=panel] img, [data-chat=panel] script, [data-chat=panel] b").count() == 0
    assert page.locator('a[href^="javascript"]').count() == 0
    assert page.title() == title


def test_talk_to_a_person_opens_a_ticket_without_a_question(page: Page, offline: Server) -> None:
    open_chat(page, offline.url)
    page.locator("[data-chat=person]").click()
    expect(page.locator("[data-role=system]").last).to_contain_text("take over")
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.escalation_reason) == ("needs_review", "visitor_asked")


def test_over_the_rate_the_visitor_is_told_when_to_try_again(page: Page, start_server: Any) -> None:
    server: Server = start_server(RATE_CHAT="1/min")
    open_chat(page, server.url)
    ask(page, "hello")
    expect(bot(page)).to_have_attribute("data-state", "done")
    ask(page, "hello again")
    expect(page.locator("[data-chat=panel]")).to_contain_text(
        re.compile(r"again in \d+ s|a minute", re.IGNORECASE)
    )
    expect(page.locator("[data-chat=panel]")).not_to_contain_text("throttled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390, 320])
def test_no_page_is_wider_than_its_screen(
    page: Page, offline: Server, anna: User, width: int, scheme: Any, tmp_path: Path
) -> None:
    conversation = Conversation.objects.create(page_url="https://rezvo.example/" + "a" * 300)
    conversation.log(
        user_message="A long word: " + "x" * 300,
        assistant_message="An answer",
        input_tokens=1,
        output_tokens=1,
        is_escalation=True,
        cost_usd_billionths=6000,
    )
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    open_chat(page, offline.url)
    assert overflow(page) <= 0
    sign_in(page, f"{offline.url}/admin/support/conversation/{conversation.pk}/change/")
    expect(page.locator("body")).to_contain_text("A long word")
    assert overflow(page) <= 0


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
