"""Articles, prices, staff, tokens, and the page that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from rest_framework.authtoken.models import Token

from support.admin.prices import per_million
from support.ledger import budget, pricing
from support.models import (
    Article,
    BudgetWindow,
    Conversation,
    ConversationEvent,
    Message,
    ModelPrice,
    RateWindow,
    User,
)
from tests.admin.page import Desk, fields_of

ARTICLES = "/admin/support/article/"
PRICES = "/admin/support/modelprice/"
USERS = "/admin/support/user/"


@pytest.fixture
def article(db: None) -> Article:
    return Article.objects.create(slug="deposits", title="Deposits", body="Taken at booking.")


@pytest.fixture
def price(db: None) -> ModelPrice:
    pricing.load_prices()
    return ModelPrice.objects.get(model="claude-haiku-4-5")


def test_what_has_no_page_of_its_own_is_not_registered() -> None:
    for model in (ConversationEvent, Message, RateWindow):
        assert not admin.site.is_registered(model)


def test_every_list_and_page_opens(desk: Desk, anna: Any, article: Article, price: ModelPrice) -> None:
    Token.objects.create(user=anna)
    for page in (
        "/admin/",
        "/admin/support/",
        ARTICLES,
        f"{ARTICLES}?q=deposit&is_published__exact=1",
        f"{ARTICLES}{article.pk}/change/",
        f"{ARTICLES}add/",
        PRICES,
        f"{PRICES}?q=haiku",
        f"{PRICES}{price.pk}/change/",
        USERS,
        f"{USERS}?q=ann&is_staff__exact=1",
        f"{USERS}{anna.pk}/change/",
        f"{USERS}{anna.pk}/history/",
        f"{USERS}add/",
        "/admin/authtoken/tokenproxy/",
        f"/admin/authtoken/tokenproxy/{anna.pk}/change/",
        "/admin/auth/group/",
        "/admin/password_change/",
    ):
        assert desk.client.get(page).status_code == 200, page


def test_an_article_is_written_and_edited(desk: Desk, anna: Any) -> None:
    form = fields_of(desk.client.get(f"{ARTICLES}add/").content.decode(), "article_form")
    assert form["is_published"] == "on"
    desk.client.post(f"{ARTICLES}add/", {**form, "title": "Refunds", "slug": "refunds", "body": "In 3 days."})
    article = Article.objects.get(slug="refunds")
    page = f"{ARTICLES}{article.pk}/change/"
    form = fields_of(desk.client.get(page).content.decode(), "article_form")
    del form["is_published"]
    desk.client.post(page, form)
    before, article = article, Article.objects.get(slug="refunds")
    assert article.is_published is False
    assert article.updated_at > before.updated_at


def test_the_bot_knows_an_edited_article_at_once(desk: Desk, article: Article) -> None:
    from support.bot.articles import library

    assert [found.body for found in library().articles] == ["Taken at booking."]
    page = f"{ARTICLES}{article.pk}/change/"
    form = fields_of(desk.client.get(page).content.decode(), "article_form")
    desk.client.post(page, {**form, "body": "Taken at the table."})
    assert [found.body for found in library().articles] == ["Taken at the table."]


@pytest.mark.parametrize(
    ("billionths", "shown"), [(1000, "$1.00"), (1250, "$1.25"), (50, "$0.05"), (125, "$0.125"), (3, "$0.003")]
)
def test_prices_are_shown_in_dollars_per_million_tokens(billionths: int, shown: str) -> None:
    assert per_million(billionths) == shown


def test_a_price_holds_from_the_moment_it_is_saved_until_it_is_deleted(desk: Desk, price: ModelPrice) -> None:
    assert "$1.00" in desk.client.get(PRICES).content.decode()
    assert pricing.prices_of(price.model).tiers[0].input_usd_billionths == 1000
    page = f"{PRICES}{price.pk}/change/"
    form = fields_of(desk.client.get(page).content.decode(), "modelprice_form")
    desk.client.post(page, {**form, "input_usd_billionths": "2000"})
    assert pricing.prices_of(price.model).tiers[0].input_usd_billionths == 2000
    desk.client.post(f"{PRICES}{price.pk}/delete/", {"post": "yes"})
    with pytest.raises(pricing.UnknownModel):
        pricing.prices_of(price.model)


@pytest.mark.parametrize("page", [ARTICLES, PRICES, USERS])
def test_delete_selected_deletes_what_was_selected(
    desk: Desk, ben: Any, article: Article, price: ModelPrice, page: str
) -> None:
    row: Any = {ARTICLES: article, PRICES: price, USERS: ben}[page]
    left = type(row).objects.exclude(pk=row.pk).count()
    Token.objects.create(user=ben)
    pricing.prices_of(price.model)
    chosen = {"action": "delete_selected", "_selected_action": [row.pk]}
    confirm = desk.client.post(page, {**chosen, "index": "0"})
    assert "Are you sure" in confirm.content.decode()
    desk.client.post(page, {**chosen, "post": "yes"})
    assert not type(row).objects.filter(pk=row.pk).exists()
    assert type(row).objects.count() == left
    if page == PRICES:
        with pytest.raises(pricing.UnknownModel):
            pricing.prices_of(price.model)


def test_a_member_of_staff_is_made_changed_and_deleted(desk: Desk, opened: Any) -> None:
    new = {"username": "cara", "password1": "a-long-pass-phrase", "password2": "a-long-pass-phrase"}
    response = desk.client.post(f"{USERS}add/", {**new, "usable_password": "true"})
    assert response.status_code == 302
    cara = User.objects.get(username="cara")
    page = f"{USERS}{cara.pk}/change/"
    form = fields_of(desk.client.get(page).content.decode(), "user_form")
    desk.client.post(page, {**form, "is_staff": "on", "first_name": "Cara"})
    cara.refresh_from_db()
    assert (cara.name, cara.is_staff) == ("Cara", True)
    conversation = opened("one")
    conversation.assign(cara, by=cara)
    assert desk.client.post(f"{USERS}{cara.pk}/delete/", {"post": "yes"}).status_code == 302
    conversation.refresh_from_db()
    assert conversation.assigned_to_id is None
    assert "Assigned to a former colleague" in desk.html(conversation)


def test_a_page_that_is_not_there_says_so_without_help_from_elsewhere(desk: Desk) -> None:
    response = desk.client.get("/nothing-here")
    html = response.content.decode()
    assert response.status_code == 404
    assert "There is no such page" in html
    assert "http" not in html.replace("http-equiv", "")


# --- The money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent_cents", "reserved_cents", "notice"),
    [
        (790, 0, ""),
        (800, 0, "Claude has used 80% of the budget for today ($8.00 of $10.00)"),
        (700, 300, ""),
        (1000, 0, "The budget for Claude today is spent ($10.00 of $10.00)"),
    ],
)
def test_staff_are_told_of_a_budget_that_is_nearly_or_wholly_spent(
    desk: Desk, settings: Any, spent_cents: int, reserved_cents: int, notice: str
) -> None:
    settings.BUDGET_DAY_USD_BILLIONTHS = 10 * 10**9
    (key,) = [key for key in budget.caps(Conversation(), "") if key.startswith("day:")]
    BudgetWindow.objects.create(
        key=key, spent_usd_billionths=spent_cents * 10**7, reserved_usd_billionths=reserved_cents * 10**7
    )
    for path in ("/admin/", "/admin/support/conversation/"):
        html = desk.client.get(path).content.decode()
        assert ("desk-budget" in html) == bool(notice)
        assert notice in html


def test_strangers_learn_nothing_of_the_budget(client: Client, settings: Any) -> None:
    settings.BUDGET_DAY_USD_BILLIONTHS = 0
    assert "desk-budget" not in client.get("/admin/login/").content.decode()
