from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from support.admin.show import dollars_and_cents
from support.ledger import budget

register = template.Library()


@register.simple_tag
def budget_notices() -> SafeString | str:
    """What staff must know of the money: a budget of the whole desk that is nearly or wholly spent. One query."""
    notices = [notice for state in budget.states() if (notice := _notice(state))]
    if not notices:
        return ""
    return format_html(
        '<ul class="messagelist desk-budget">{}</ul>', format_html_join("", '<li class="{}">{}</li>', notices)
    )


def _notice(state: budget.State) -> tuple[str, str] | None:
    span, ends = ("today", "midnight UTC") if state.scope == "day" else ("this month", "the month's end (UTC)")
    used = f"{dollars_and_cents(state.spent)} of {dollars_and_cents(state.cap)}"
    if state.is_spent:
        return (
            "error",
            f"The budget for Claude {span} is spent ({used}). Until {ends} the help pages answer visitors; "
            "the way to a person stays open.",
        )
    if state.share >= budget.WARN_AT:
        return (
            "warning",
            f"Claude has used {state.share:.0%} of the budget for {span} ({used}). Without room for another "
            "answer the help pages answer instead.",
        )
    return None
