"""The thumbs under an answer, as visitors use them: Chromium against a real gunicorn."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.models import Conversation, Message
from tests.fake_claude import FakeClaude
from tests.server import Server, wait_until
from tests.test_pages import ask, bot, open_chat, overflow

pytestmark = pytest.mark.chromium

HELPED, DID_NOT_HELP = "This answer helped", "This answer did not help"


def answered(page: Page, claude: FakeClaude, *answers: str) -> None:
    """Asks for each of the answers, and waits for it."""
    for text in answers:
        claude.say(text)
        ask(page, f"A question about {text}")
        expect(bot(page)).to_have_attribute("data-state", "done")
        expect(bot(page)).to_contain_text(text)


def thumb(page: Page, name: str, answer: int = -1) -> Any:
    """A button under an answer; the last one's unless another is named."""
    return page.get_by_role("button", name=name, exact=True).nth(answer)


def is_pressed(button: Any, pressed: bool) -> None:
    expect(button).to_have_attribute("aria-pressed", "true" if pressed else "false")


def stored(rating: str | None) -> None:
    wait_until(lambda: Message.objects.filter(rating=rating).exists())


def test_a_press_rates_a_second_takes_it_back_and_a_reload_shows_it(
    page: Page, server: Server, claude: FakeClaude
) -> None:
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.")
    is_pressed(thumb(page, HELPED), False)
    thumb(page, HELPED).click()
    is_pressed(thumb(page, HELPED), True)
    stored("good")
    thumb(page, DID_NOT_HELP).click()
    is_pressed(thumb(page, DID_NOT_HELP), True)
    is_pressed(thumb(page, HELPED), False)
    stored("bad")

    open_chat(page, server.url)
    is_pressed(thumb(page, DID_NOT_HELP), True)
    is_pressed(thumb(page, HELPED), False)
    thumb(page, DID_NOT_HELP).click()
    is_pressed(thumb(page, DID_NOT_HELP), False)
    stored(None)
    assert page.locator("[data-role=system]").count() == 0, "one bad rating is nothing to tell"


def test_two_bad_answers_bring_a_person_and_the_visitor_is_told(
    page: Page, server: Server, claude: FakeClaude
) -> None:
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.", "Behind the bar.")
    thumb(page, DID_NOT_HELP, 0).click()
    thumb(page, DID_NOT_HELP, 1).click()
    notice = page.locator("[data-role=system]")
    expect(notice).to_contain_text("a person will take over")
    expect(notice.get_by_role("link", name="support@rezvo.co.uk")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("a person will take over")
    expect(page.locator("[data-chat=banner]")).to_be_visible()
    expect(page.locator("[data-chat=person]")).to_be_disabled()
    assert Conversation.objects.get().escalation_reason == "badly_rated"


def test_the_keyboard_is_enough(page: Page, server: Server, claude: FakeClaude) -> None:
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.")
    expect(page.get_by_role("group", name="Did this answer help?")).to_be_visible()
    thumb(page, HELPED).focus()
    page.keyboard.press("Tab")
    expect(thumb(page, DID_NOT_HELP)).to_be_focused()
    page.keyboard.press("Space")
    stored("bad")
    is_pressed(thumb(page, DID_NOT_HELP), True)
    expect(thumb(page, DID_NOT_HELP)).to_be_focused()


def test_a_rating_that_does_not_get_through_goes_back_without_a_word(
    page: Page, server: Server, claude: FakeClaude
) -> None:
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.")
    page.route("**/rating", lambda route: route.abort("connectionreset"))
    with page.expect_event("requestfailed"):
        thumb(page, HELPED).click()
    is_pressed(thumb(page, HELPED), False)
    page.unroute("**/rating")
    page.route("**/rating", lambda route: route.fulfill(status=503, json={"detail": "away"}))
    with page.expect_response("**/rating"):
        thumb(page, HELPED).click()
    is_pressed(thumb(page, HELPED), False)
    assert page.locator("[data-role=system]").count() == 0
    page.unroute("**/rating")
    thumb(page, HELPED).click()
    stored("good")
    is_pressed(thumb(page, HELPED), True)


def test_what_is_pressed_last_is_what_counts(page: Page, server: Server, claude: FakeClaude) -> None:
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.")
    sent: list[Any] = []
    page.route("**/rating", lambda route: sent.append(route) or (len(sent) > 1 and route.continue_()))
    with page.expect_request("**/rating"):
        thumb(page, DID_NOT_HELP).click()
    thumb(page, DID_NOT_HELP).click()
    thumb(page, HELPED).click()
    is_pressed(thumb(page, HELPED), True)
    assert len(sent) == 1, "the next one waits for the answer to the first"
    with page.expect_response(lambda response: response.request.post_data_json == {"rating": "good"}):
        sent[0].continue_()
    assert [route.request.post_data_json["rating"] for route in sent] == ["bad", "good"]
    is_pressed(thumb(page, HELPED), True)
    assert Message.objects.get().rating == "good"


def test_only_whole_answers_of_the_bot_can_be_rated(page: Page, server: Server, claude: FakeClaude) -> None:
    open_chat(page, server.url)
    ask(page, "I want to talk to a human")
    expect(bot(page)).to_contain_text("a person will take over")
    expect(bot(page)).to_have_attribute("data-state", "done")
    expect(thumb(page, HELPED)).to_have_count(0)
    open_chat(page, server.url)
    expect(bot(page)).to_contain_text("a person will take over")
    expect(thumb(page, HELPED)).to_have_count(0)
    answered(page, claude, "Under Settings.")
    expect(thumb(page, HELPED)).to_have_count(1)


@pytest.mark.parametrize("width", [1440, 390, 320])
def test_a_finger_finds_them_on_any_screen(page: Page, server: Server, claude: FakeClaude, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_chat(page, server.url)
    answered(page, claude, "Under Settings.")
    for name in (HELPED, DID_NOT_HELP):
        box = thumb(page, name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= (40 if width < 480 else 36)
        assert 0 <= box["x"] <= width - box["width"]
    assert overflow(page) <= 0
