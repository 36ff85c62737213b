"""The indexes that the API and the desk need, and what the database has of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.apps import apps
from django.db import connection, models

from support.models import Conversation, Message


@dataclass(frozen=True)
class Wanted:
    """An index or a unique constraint of a model, and what the database must say of it."""

    model: type[models.Model]
    index: models.Index | models.UniqueConstraint

    @property
    def is_unique(self) -> bool:
        return isinstance(self.index, models.UniqueConstraint)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Column and ASC or DESC, in order."""
        orders = (
            [(name, "") for name in self.index.fields]
            if isinstance(self.index, models.UniqueConstraint)
            else self.index.fields_orders
        )
        return [(self._column(name), order or "ASC") for name, order in orders]

    def _column(self, name: str) -> str:
        field = cast("models.Field[Any, Any]", self.model._meta.get_field(name))
        return str(field.column)

    def __str__(self) -> str:
        columns = ", ".join(column + (" desc" if order == "DESC" else "") for column, order in self.columns)
        kind = "unique " if self.is_unique else ""
        return f"{self.index.name}: {kind}{self.model._meta.db_table} ({columns})"


def survey() -> Iterator[tuple[Wanted, str]]:
    """Each index with `ok`, `missing` or `differs`."""
    there: dict[str, dict[str, Any]] = {}
    for wanted in all_wanted():
        table = wanted.model._meta.db_table
        if table not in there:  # Django parses a whole SQLite table for this: once is enough
            with connection.cursor() as cursor:
                there[table] = connection.introspection.get_constraints(cursor, table)
        yield wanted, state(wanted, there[table])


def all_wanted() -> Iterator[Wanted]:
    """The contract's four, on conversations and messages, come first; then what our own queries need."""
    others = set(apps.get_app_config("support").get_models()) - {Conversation, Message}
    app_models: list[type[models.Model]] = [
        Conversation,
        Message,
        *sorted(others, key=lambda model: model.__name__),
    ]
    for model in app_models:
        for index in model._meta.indexes:
            yield Wanted(model, index)
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                yield Wanted(model, constraint)


def state(wanted: Wanted, there: dict[str, Any]) -> str:
    found = there.get(wanted.index.name or "")
    if found is None:
        return "missing"
    # A constraint inside SQLite's CREATE TABLE has no orders; all of ours ascend.
    orders = found.get("orders") or ["ASC"] * len(found["columns"])
    same = list(zip(found["columns"], orders, strict=True)) == wanted.columns
    same = same and bool(found["unique"]) == wanted.is_unique
    return "ok" if same and _is_partial(wanted) == _should_be_partial(wanted) and _is_usable(wanted) else "differs"


def _is_usable(wanted: Wanted) -> bool:
    """False for what PostgreSQL leaves when the making of an index was interrupted: a name that serves nobody."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [wanted.index.name])
        row = cursor.fetchone()
    return bool(row and row[0])


def _should_be_partial(wanted: Wanted) -> bool:
    # MongoDB's way to let several rows have no value under a unique index is to index only those that have one.
    return wanted.index.condition is not None or (wanted.is_unique and connection.vendor == "mongodb")


def _is_partial(wanted: Wanted) -> bool:
    table, name = wanted.model._meta.db_table, wanted.index.name
    if connection.vendor == "mongodb":
        information = connection.get_collection(table).index_information()  # type: ignore[attr-defined]
        return "partialFilterExpression" in information[name]
    sql = (
        "SELECT sql LIKE '%% WHERE %%' FROM sqlite_master WHERE name = %s"
        if connection.vendor == "sqlite"
        else "SELECT indpred IS NOT NULL FROM pg_index WHERE indexrelid = to_regclass(%s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [name])
        row = cursor.fetchone()
    return bool(row and row[0])


def make(wanted: Wanted, *, replace: bool) -> None:
    # PostgreSQL builds an index beside the running desk only outside a transaction.
    live = {"concurrently": True} if connection.vendor == "postgresql" and not connection.in_atomic_block else {}
    with connection.schema_editor(atomic=not live) as editor:
        if isinstance(wanted.index, models.UniqueConstraint):
            if replace:
                editor.remove_constraint(wanted.model, wanted.index)
            editor.add_constraint(wanted.model, wanted.index)
        else:
            if replace:
                editor.remove_index(wanted.model, wanted.index, **live)
            editor.add_index(wanted.model, wanted.index, **live)
