"""The indexes that the API and the desk need: found missing or wrong, made, and left alone when they are there."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, models
from django.db.migrations import RemoveConstraint
from django.db.migrations.loader import MigrationLoader

from support.models import Conversation, Message

# Indexes are made outside a transaction.
pytestmark = pytest.mark.django_db(transaction=True)

CONTRACT = [
    ("support_conversations", [("created_at", "DESC")]),
    ("support_conversations", [("status", "ASC"), ("created_at", "DESC")]),
    ("support_conversations", [("escalated", "ASC"), ("created_at", "DESC")]),
    ("support_messages", [("conversation_id", "ASC"), ("created_at", "ASC")]),
]
STATUS = "support_conv_status"


@pytest.fixture(autouse=True)
def _afterwards_all_are_there(transactional_db: None) -> Iterator[None]:
    yield
    run()


def run(*options: str) -> str:
    out = StringIO()
    call_command("create_indexes", *options, stdout=out)
    return out.getvalue()


def run_to_its_exit(*options: str) -> tuple[str, int]:
    out = StringIO()
    with pytest.raises(SystemExit) as exit:
        call_command("create_indexes", *options, stdout=out)
    return out.getvalue(), int(exit.value.code or 0)


def indexes(table: str) -> dict[str, list[tuple[str, str]]]:
    """Columns and directions of each index of a table, as the database tells them."""
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, table)
    return {
        name: list(zip(found["columns"], found.get("orders") or ["ASC"] * len(found["columns"]), strict=True))
        for name, found in there.items()
        if found["index"] or found["unique"]
    }


def index_of(model: type[models.Model], name: str) -> models.Index:
    return next(index for index in model._meta.indexes if index.name == name)


def drop(model: type[models.Model], name: str) -> None:
    with connection.schema_editor() as editor:
        editor.remove_index(model, index_of(model, name))


def drop_constraint(model: str, name: str) -> None:
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    operation = RemoveConstraint(model, name)
    operation.state_forwards("support", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("support", editor, before, after)


@pytest.mark.parametrize(("table", "columns"), CONTRACT)
def test_the_contracts_indexes_are_there_with_their_directions(table: str, columns: list[tuple[str, str]]) -> None:
    assert columns in indexes(table).values()


def test_after_migrate_there_is_nothing_to_do() -> None:
    number = sum(
        len(model._meta.indexes) + sum(isinstance(c, models.UniqueConstraint) for c in model._meta.constraints)
        for model in apps.get_app_config("support").get_models()
    )
    assert number >= 12
    assert run("--check") == f"{number} in place, 0 to create, 0 to replace\n"
    assert run().endswith(" in place, 0 created, 0 replaced\n")


def test_check_lists_a_missing_one_and_exits_with_1() -> None:
    drop(Conversation, STATUS)
    out, code = run_to_its_exit("--check")
    assert code == 1
    assert out.startswith("missing  support_conv_status: support_conversations (status, created_at desc)\n")
    assert out.endswith("1 to create, 0 to replace\n")
    assert STATUS not in indexes("support_conversations")


def test_a_dry_run_says_what_it_would_do_and_changes_nothing() -> None:
    drop(Conversation, STATUS)
    assert "would create support_conv_status: " in run("--dry-run")
    assert STATUS not in indexes("support_conversations")


def test_a_missing_one_is_made_and_a_second_run_does_nothing() -> None:
    drop(Conversation, STATUS)
    drop(Message, "support_msg_conv_created")
    out = run()
    assert "created  support_conv_status: " in out
    assert out.endswith("2 created, 0 replaced\n")
    assert indexes("support_conversations")[STATUS] == [("status", "ASC"), ("created_at", "DESC")]
    assert run().endswith("0 created, 0 replaced\n")


@pytest.mark.parametrize("fields", [["status"], ["status", "created_at"], ["-created_at", "status"]])
def test_one_with_other_columns_or_directions_is_replaced(fields: list[str]) -> None:
    drop(Conversation, STATUS)
    with connection.schema_editor() as editor:
        editor.add_index(Conversation, models.Index(fields=fields, name=STATUS))
    out, code = run_to_its_exit("--check")
    assert (code, out.splitlines()[0].split()[:2]) == (1, ["differs", "support_conv_status:"])
    assert "would replace support_conv_status: " in run("--dry-run")
    assert "replaced  support_conv_status: " in run()
    assert indexes("support_conversations")[STATUS] == [("status", "ASC"), ("created_at", "DESC")]
    assert run("--check").endswith("0 to create, 0 to replace\n")


def test_one_that_covers_all_rows_where_only_few_are_meant_is_replaced() -> None:
    name = "support_msg_unfinished"
    fields = index_of(Message, name).fields
    drop(Message, name)
    with connection.schema_editor() as editor:
        editor.add_index(Message, models.Index(fields=fields, name=name))
    assert f"replaced  {name}: " in run()
    assert run("--check").endswith("0 to create, 0 to replace\n")


def test_a_missing_uniqueness_is_made_again_and_holds() -> None:
    drop_constraint("message", "support_msg_idempotency")
    out, code = run_to_its_exit("--check")
    assert (code, out.splitlines()[0]) == (
        1,
        "missing  support_msg_idempotency: unique support_messages (idempotency_key)",
    )
    run()
    conversation = Conversation.objects.create()
    for key in (None, None, "k"):
        Message.objects.create(conversation=conversation, user_message="Hi", idempotency_key=key)
    with pytest.raises(IntegrityError):
        Message.objects.create(conversation=conversation, user_message="Hi", idempotency_key="k")


@pytest.mark.only_on_postgresql(reason="no other database leaves an index that it does not use")
def test_one_whose_making_was_interrupted_is_made_anew() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [STATUS])
    assert run_to_its_exit("--check")[1] == 1
    assert "replaced  support_conv_status: " in run()
    assert run("--check").endswith("0 to create, 0 to replace\n")


def test_rows_survive_all_of_it() -> None:
    kept = Conversation.objects.create(notes="kept")
    drop(Conversation, STATUS)
    run()
    assert Conversation.objects.get(notes="kept") == kept


def test_silence_is_possible() -> None:
    drop(Conversation, STATUS)
    assert run("--verbosity", "0") == ""
    assert STATUS in indexes("support_conversations")
