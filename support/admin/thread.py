"""A conversation as its thread: bubbles in time order, and between them what happened to the ticket."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from support.admin.show import dollars, moment, rating_badge, reason
from support.models import Article, Conversation, ConversationEvent, Message, User

PAIRS_SHOWN = 200
"""The latest pairs of a thread that are shown: a page must open, however long a visitor went on."""

_FAULTS = {
    "overloaded_error": "the model's service was overloaded",
    "rate_limit_error": "the model's service had too many requests",
    "authentication_error": "the model's service refused the API key",
    "permission_error": "the API key may not use this model",
    "not_found_error": "the model's service does not know this model",
    "invalid_request_error": "the model's service refused the request",
    "api_error": "the model's service failed",
    "spend limit reached": "the spend limit is reached",
    "broke off": "the answer broke off",
    "stalled": "the model's service stopped answering",
    "connection cut": "the connection to the model's service was cut",
    "unreachable": "the model's service could not be reached",
    "no whole answer in time": "there was no whole answer in time",
    "refusal": "the model refused to answer",
    "empty answer": "the model's answer was empty",
    "worker stopped": "this server was stopped in the middle of the answer",
    "process stopped": "this server stopped in the middle of the answer",
    "budget spent: day": "today's budget for Claude is spent",
    "budget spent: month": "this month's budget for Claude is spent",
    "budget spent: address": "the budget for this visitor's address is spent for today",
    "budget spent: user": "the budget for this user is spent for today",
    "budget spent: busy": "answers that were being written held what was left of a budget",
    "budget spent: conversation": "the budget for this conversation is spent",
    "internal error": "an error in this server, see its log",
}


@dataclass(frozen=True)
class Thread:
    """The rows of one page: four queries, whatever the number of messages."""

    messages: list[Message]
    events: list[ConversationEvent]
    names: dict[str, str]
    """The names of staff by their ids."""
    article_ids: dict[str, str]
    """The ids of the articles that answers used, by their slugs."""
    is_cut: bool


def load(conversation: Conversation) -> Thread:
    """Reads the latest pairs and what happened since the first of them."""
    latest = list(conversation.messages.order_by("-created_at", "-id")[: PAIRS_SHOWN + 1])
    is_cut = len(latest) > PAIRS_SHOWN
    messages = latest[:PAIRS_SHOWN][::-1]
    events = conversation.events.order_by("created_at", "kind")
    if is_cut:
        events = events.filter(created_at__gte=messages[0].created_at)
    shown = list(events)
    staff = {event.by_id for event in shown if event.by_id}
    staff |= {
        value
        for event in shown
        if event.kind == ConversationEvent.Kind.ASSIGNED
        for value in (event.from_value, event.to_value)
        if value
    }
    slugs = {article["slug"] for message in messages for article in message.articles}
    return Thread(
        messages,
        shown,
        {user.pk: user.name for user in User.objects.filter(pk__in=staff)} if staff else {},
        dict(Article.objects.filter(slug__in=slugs).values_list("slug", "pk")) if slugs else {},
        is_cut,
    )


def html(thread: Thread) -> SafeString:
    """The thread as a list. Every text in it goes through format_html, and so is escaped."""
    if not thread.messages and not thread.events:
        return format_html('<p class="desk-note">{}</p>', "Opened, but nothing has been asked yet.")
    # A pair before an event of the same millisecond: the answer is what escalated it.
    entries = [(message.created_at, 0, _pair(message, thread)) for message in thread.messages]
    entries += [(event.created_at, 1, _line(event, thread.names)) for event in thread.events]
    entries.sort(key=itemgetter(0, 1))
    cut = (
        format_html('<li class="desk-event">Earlier messages than the last {} are not shown.</li>', PAIRS_SHOWN)
        if thread.is_cut
        else ""
    )
    return format_html(
        '<ol class="desk-thread">{}{}</ol>', cut, format_html_join("", "{}", ((entry[2],) for entry in entries))
    )


# --- Bubbles --------------------------------------------------------------------------------------


def _pair(message: Message, thread: Thread) -> SafeString:
    question = format_html(
        '<div class="desk-bubble desk-visitor"><p class="desk-head"><b>Visitor</b> {}</p>{}</div>',
        moment(message.created_at),
        _text(message.user_message),
    )
    return format_html('<li class="desk-pair">{}{}</li>', question, _answer(message, thread))


def _answer(message: Message, thread: Thread) -> SafeString:
    if message.is_pending:
        return format_html(
            '<div class="desk-bubble desk-bot desk-pending">{}<p class="desk-note">being answered…</p></div>',
            _text(message.assistant_message) if message.assistant_message else "",
        )
    who = dict(Message.AnsweredBy.choices).get(message.answered_by, message.answered_by)
    badge = (
        format_html(
            ' <span class="desk-badge desk-escalated">{}</span>', reason(message.escalation_reason) or "escalated"
        )
        if message.is_escalation
        else ""
    )
    return format_html(
        '<div class="desk-bubble desk-bot desk-by-{}"><p class="desk-head"><b>{}</b>{}{}</p>{}{}{}{}{}</div>',
        message.answered_by,
        who[:1].upper() + who[1:],
        badge,
        rating_badge(message),
        _text(message.assistant_message)
        if message.assistant_message
        else format_html('<p class="desk-note">{}</p>', "No answer was recorded."),
        _summary(message.handover_summary),
        _fault(message.fault),
        _articles(message.articles, thread.article_ids),
        _usage(message),
    )


def _text(text: str) -> SafeString:
    return format_html('<div class="desk-text" dir="auto">{}</div>', text)


def _summary(summary: str) -> SafeString | str:
    return format_html('<p class="desk-note" dir="auto">For you: {}</p>', summary) if summary else ""


def _fault(fault: str) -> SafeString | str:
    if not fault:
        return ""
    # The API's own word comes first, then a status or a detail: `overloaded_error (529)`, `broke off: api_error`.
    words = next((words for start, words in _FAULTS.items() if fault.startswith(start)), fault)
    return format_html('<p class="desk-fault" title="{}">What went wrong: {}</p>', fault, words)


def _articles(used: list[dict[str, Any]], ids: dict[str, str]) -> SafeString | str:
    if not used:
        return ""
    return format_html(
        '<p class="desk-meta">{} {}</p>',
        "Article used:" if len(used) == 1 else "Articles used:",
        format_html_join(", ", "{}", ((_article(article, ids.get(article["slug"])),) for article in used)),
    )


def _article(used: dict[str, Any], article_id: str | None) -> SafeString | str:
    """A link to the text that was used, not to what has become of it since."""
    title: str = used["title"]
    if not article_id:
        return title  # deleted or renamed since
    version = used.get("version")
    if not version:  # from before versions were kept
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:support_article_change", args=[article_id]), title
        )
    page = reverse("admin:support_article_version", args=[article_id, version])
    return format_html('<a href="{}">{} (version {})</a>', page, title, version)


def _usage(message: Message) -> SafeString | str:
    if not (message.model or message.input_tokens or message.output_tokens):
        return ""
    cached = [
        f"{number:,} {words}"
        for number, words in (
            (message.cache_read_tokens, "read from the cache"),
            (message.cache_write_5m_tokens + message.cache_write_1h_tokens, "written to the cache"),
        )
        if number
    ]
    parts = [
        *([message.model] if message.model else []),
        f"{message.input_tokens:,} tokens in",
        *cached,
        f"{message.output_tokens:,} out",
        "measured" if message.tokens_measured else "claimed by the client",
        dollars(message.cost_usd_billionths),
    ]
    return format_html('<p class="desk-meta">{}</p>', " · ".join(parts))


# --- System lines ---------------------------------------------------------------------------------


def _line(event: ConversationEvent, names: dict[str, str]) -> SafeString:
    return format_html('<li class="desk-event">{} {}</li>', _words(event, names), moment(event.created_at))


def _words(event: ConversationEvent, names: dict[str, str]) -> str:
    kind = ConversationEvent.Kind
    by = f" by {names.get(event.by_id, 'a former colleague')}" if event.by_id else ""
    if event.kind == kind.ESCALATED:
        return f"Escalated{by}: {reason(event.to_value)}"
    if event.kind == kind.STATUS:
        labels = dict(Conversation.Status.choices)
        was = labels.get(event.from_value, event.from_value)
        return f"Status {labels.get(event.to_value, event.to_value)}{by} (was {was})"
    if event.kind == kind.ASSIGNED:
        if event.to_value and event.to_value == event.by_id:
            return f"Taken{by}"
        if event.to_value:
            return f"Assigned to {names.get(event.to_value, 'a former colleague')}{by}"
        return f"Taken from {names.get(event.from_value, 'a former colleague')}{by}, now with nobody"
    if event.kind == kind.NOTES:
        return f"Notes edited{by}"
    return f"Escalation mark cleared{by}"
