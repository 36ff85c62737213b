"""Is the desk well? Each part looked at once, with what to do where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from support import clock, hours
from support.bot import articles, prompt
from support.bot.context import now_text
from support.faults import DATABASE_FAULTS
from support.indexes import survey
from support.ledger import budget, pricing
from support.models import Message

OK, WARNING, FAULT = "ok", "warning", "fault"


@dataclass(frozen=True)
class Finding:
    """What was found of one part. `mend` says what to do; it is empty where all is well."""

    part: str
    state: str
    found: str
    mend: str = ""


def examine(call: bool = False) -> Iterator[Finding]:
    """All parts in an order in which the first fault explains those after it. `call`: try the key for real."""
    database = _database()
    yield database
    if database.state == FAULT:
        return
    yield from (*_migrations(), *_indexes(), *_cache(), *_model())
    rules = _rules()
    yield rules
    if rules.state == OK:
        yield from (*_articles(), *_cost())
    yield from (*_budgets(), *_hours(), *_email())
    yield _called() if call else _key()


def _database() -> Finding:
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mongodb": "MongoDB"}[connection.vendor]
    try:
        connection.ensure_connection()
        Message.objects.order_by().values("pk")[:1].exists()
    except DATABASE_FAULTS as error:
        if not _is_migrated():
            return Finding("database", FAULT, f"{kind}: without the desk's tables", "Run `manage.py setup`.")
        return Finding(
            "database", FAULT, f"{kind}: {type(error).__name__}", "Is the server up, and DATABASE_URL right?"
        )
    return Finding("database", OK, kind)


def _is_migrated() -> bool:
    try:
        return Message._meta.db_table in connection.introspection.table_names()
    except DATABASE_FAULTS:
        return True  # nothing can be said of its tables


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding("migrations", FAULT, f"{len(missing)} not applied", "Run `manage.py migrate`.")
    else:
        yield Finding("migrations", OK, "all applied")


def _indexes() -> Iterator[Finding]:
    wrong = [f"{wanted.index.name} {state}" for wanted, state in survey() if state != "ok"]
    if wrong:
        yield Finding("indexes", FAULT, ", ".join(wrong), "Run `manage.py create_indexes`.")
    else:
        yield Finding("indexes", OK, "all in place")


def _cache() -> Iterator[Finding]:
    try:
        cache.set("doctor", 1, 5)
        answers = cache.get("doctor") == 1
    except Exception as error:  # each backend has errors of its own
        yield Finding("cache", FAULT, type(error).__name__, "Is Redis up, and REDIS_URL right?")
        return
    if not answers:
        yield Finding("cache", FAULT, "does not keep what it is given", "Look at Redis' memory and its policy.")
    else:
        yield Finding("cache", OK, "Redis" if settings.REDIS_URL else "in this process; limits in the database")


def _rules() -> Finding:
    path = Path(settings.SYSTEM_PROMPT_FILE)
    try:
        prompt.check_rules()
    except (OSError, UnicodeDecodeError) as error:
        return Finding("rules", FAULT, f"{path}: {type(error).__name__}", "Mend or unset SYSTEM_PROMPT_FILE.")
    return Finding("rules", OK, path.name)


def _articles() -> Iterator[Finding]:
    library = articles.library()
    number = len(library.articles)
    tokens = library.estimated_tokens
    room = settings.CHAT_ARTICLE_TOKENS
    size = f"{number} published, about {tokens:,} tokens"
    if not number:
        yield Finding("articles", WARNING, "none published", "Write some, or run `manage.py import_articles`.")
    elif not library.within(room):
        yield Finding(
            "articles",
            WARNING,
            f"{size}: over the {room:,} of CHAT_ARTICLE_TOKENS, so the model sees those that fit the question",
            "Raise CHAT_ARTICLE_TOKENS to show it all of them; each answer then costs more, caching helps.",
        )
    elif settings.ANTHROPIC_API_KEY and _prefix_tokens(library) < articles.CACHE_MINIMUM_TOKENS:
        yield Finding(
            "articles",
            WARNING,
            f"{size}: with the rules too short for the cache, which begins at {articles.CACHE_MINIMUM_TOKENS:,}",
            "More articles would make each answer cheaper once the prompt is long enough to be cached.",
        )
    else:
        shown = ", all shown to the model and cached" if settings.ANTHROPIC_API_KEY else ""
        yield Finding("articles", OK, f"{size} of {room:,}{shown}")


def _prefix_tokens(library: articles.Library) -> int:
    built = prompt.build(library, [], "?")
    return articles.estimated_tokens(built.prefix.text) if built else 0


def _model() -> Iterator[Finding]:
    try:
        price = pricing.prices_of(settings.CHAT_MODEL).row(0)
    except pricing.UnknownModel as error:
        yield Finding("model", FAULT, str(error), "Add its price under Prices in the admin, or mend CHAT_MODEL.")
        return
    per_million = f"${price.input_usd_billionths / 1000:g} in, ${price.output_usd_billionths / 1000:g} out"
    yield Finding("model", OK, f"{settings.CHAT_MODEL}, {per_million} a million tokens since {price.valid_from}")


def _cost() -> Iterator[Finding]:
    try:
        most = pricing.prices_of(settings.CHAT_MODEL).cost_at_most_usd_billionths(
            prompt.tokens_at_most(articles.library(), now_text(clock.now())), settings.CHAT_MAX_TOKENS
        )
    except pricing.UnknownModel:
        return
    too_small = [name for name, cap in _caps().items() if cap is not None and cap < most]
    found = f"at most {_dollars(most)} an answer, whatever is asked"
    if too_small:
        yield Finding(
            "cost",
            WARNING,
            f"{found}: more than {', '.join(too_small)}",
            "Long questions will be answered without the model: raise the budget, or lower CHAT_MAX_TOKENS, "
            "CHAT_HISTORY_CHARACTERS or CHAT_ARTICLE_TOKENS.",
        )
    else:
        yield Finding("cost", OK, found)


def _caps() -> dict[str, int | None]:
    scopes = ("DAY", "MONTH", "ADDRESS", "USER", "CONVERSATION")
    return {f"BUDGET_{scope}_USD": getattr(settings, f"BUDGET_{scope}_USD_BILLIONTHS") for scope in scopes}


def _budgets() -> Iterator[Finding]:
    states = budget.states()
    if not states:
        yield Finding("budget", WARNING, "no daily and no monthly one", "Set BUDGET_DAY_USD or BUDGET_MONTH_USD.")
    for state in states:
        span = "today" if state.scope == "day" else "this month"
        found = f"{_dollars(state.spent)} of {_dollars(state.cap)} spent {span}"
        if state.is_spent:
            yield Finding("budget", FAULT, found, f"Raise BUDGET_{state.scope.upper()}_USD, or wait for its end.")
        elif state.share >= budget.WARN_AT:
            yield Finding("budget", WARNING, found, f"BUDGET_{state.scope.upper()}_USD is nearly spent.")
        else:
            yield Finding("budget", OK, found)


def _hours() -> Iterator[Finding]:
    now = hours.state(clock.now())
    if not now:
        mend = "Write them under Opening hours in the admin: visitors are then told when somebody replies."
        yield Finding("hours", WARNING, "none given", mend)
    elif not now.is_open and not now.opens_at:
        yield Finding("hours", WARNING, "closed, and no opening in the next 60 days", "Look at the exceptions.")
    else:
        yield Finding(
            "hours", OK, f"{hours.week_text()} ({now.zone.key}), {'open' if now.is_open else 'closed'} now"
        )


def _email() -> Iterator[Finding]:
    if settings.SUPPORT_EMAIL.endswith("@rezvo.co.uk") and settings.COMPANY_NAME != "Rezvo":
        yield Finding(
            "email",
            WARNING,
            f"SUPPORT_EMAIL is {settings.SUPPORT_EMAIL}, but the company is {settings.COMPANY_NAME}",
            "Set SUPPORT_EMAIL to the address that your visitors should write to.",
        )
    else:
        yield Finding("email", OK, f"visitors are told of {settings.SUPPORT_EMAIL}")


def _key() -> Finding:
    if not settings.ANTHROPIC_API_KEY:
        return Finding(
            "key", WARNING, "none: the offline answerer replies", "Set ANTHROPIC_API_KEY to answer with Claude."
        )
    return Finding("key", OK, "set; not tried (`--call` asks the model for one word)")


def _called() -> Finding:
    if not settings.ANTHROPIC_API_KEY:
        return _key()
    from support.bot import claude

    try:
        said = asyncio.run(claude.try_out())
    except claude.ModelFault as fault:
        mend = _MENDS.get(fault.kind.partition(" ")[0], "Is ANTHROPIC_BASE_URL right, and the service up?")
        return Finding("key", FAULT, f"the model did not answer: {fault.kind}", mend)
    return Finding("key", OK, f"the model answered; {said} tokens, outside the budgets")


_MENDS = {
    "authentication_error": "The key is wrong or revoked: set another ANTHROPIC_API_KEY.",
    "permission_error": "This key may not use the model of CHAT_MODEL.",
    "not_found_error": "The service does not know the model of CHAT_MODEL.",
    "spend": "The account's own limit is reached: raise it in Anthropic's console.",
    "rate_limit_error": "The account's rate limit is reached: wait, or raise it in Anthropic's console.",
}


def _dollars(billionths: int) -> str:
    return f"${billionths / 10**9:,.4f}"
