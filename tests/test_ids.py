"""One kind of id on three databases: 24 hex digits that say nothing about their neighbours."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bson import ObjectId
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from support.fields import is_id, new_id
from support.models import Conversation, Message, User

MALFORMED = [
    "",
    "bad",
    "z" * 24,
    "a" * 23,
    "a" * 25,
    "A" * 24,
    " " + "a" * 23,
    "a" * 24 + "\n",
    "١" * 24,
    "x\x00y",
]


def test_an_id_has_24_hex_digits_and_begins_with_the_time() -> None:
    before = int(time.time())
    made = new_id()
    assert re.fullmatch(r"[0-9a-f]{24}", made)
    assert before <= int(made[:8], 16) <= time.time()
    assert ObjectId.is_valid(made)


def test_neighbours_of_one_second_share_nothing_but_the_second() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    seconds = {made[:8] for made in ids}
    assert len(seconds) <= 3
    # Random bytes: each of the 16 digits after the time takes every value, and none counts upwards.
    for place in range(8, 24):
        assert {made[place] for made in ids} == set("0123456789abcdef")
    tails = [made[8:] for made in ids]
    assert tails != sorted(tails)
    assert len({tail[:8] for tail in tails}) > 1990, "no fixed part for the process"


@pytest.mark.parametrize("value", [*MALFORMED, None, 5, b"a" * 24])
def test_what_is_malformed_is_no_id(value: object) -> None:
    assert not is_id(value)


@pytest.mark.django_db
@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_id_matches_nothing_in_any_lookup(value: str) -> None:
    conversation = Conversation.objects.create()
    Message.objects.create(conversation=conversation, user_message="Hi")
    assert not Conversation.objects.filter(pk=value).exists()
    assert not Conversation.objects.filter(id__in=[value]).exists()
    assert not Message.objects.filter(conversation=value).exists()
    assert not Message.objects.filter(conversation_id__in=[value, "worse"]).exists()
    assert not Message.objects.filter(conversation__id=value).exists()
    assert not Conversation.objects.filter(assigned_to=value).exists()
    assert Conversation.objects.filter(id__in=[value, conversation.pk]).count() == 1
    assert Conversation.objects.exclude(pk=value).count() == 1
    with pytest.raises(Conversation.DoesNotExist):
        Conversation.objects.get(pk=value)


@pytest.mark.django_db
@pytest.mark.parametrize("value", [value for value in MALFORMED if value])
def test_a_malformed_id_is_refused_when_saved(value: str) -> None:
    conversation = Conversation.objects.create()
    with refused():
        Conversation(id=value).save(force_insert=True)
    with refused():
        Conversation.objects.bulk_create([Conversation(id=value)])
    with refused():
        Message(conversation_id=value, user_message="Hi").save(force_insert=True)
    with refused():
        Conversation.objects.filter(pk=conversation.pk).update(assigned_to_id=value)
    assert Conversation.objects.get().assigned_to_id is None
    assert not Message.objects.exists()


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(ValidationError, match="is not an id of 24 hex digits"), transaction.atomic():
        yield


@pytest.mark.django_db
def test_an_id_comes_back_as_the_text_that_went_in() -> None:
    conversation = Conversation.objects.create()
    message = Message.objects.create(conversation=conversation, user_message="Hi")
    found = Message.objects.select_related("conversation").get(pk=message.pk)
    assert (found.pk, found.conversation_id, found.conversation.pk) == (
        message.pk,
        conversation.pk,
        conversation.pk,
    )
    assert all(type(value) is str for value in (found.pk, found.conversation_id, found.conversation.pk))
    assert list(Conversation.objects.values_list("id", flat=True)) == [conversation.pk]
    assert Conversation.objects.get(assigned_to=None).assigned_to_id is None


@pytest.mark.django_db
def test_an_object_id_is_understood_too() -> None:
    conversation = Conversation.objects.create()
    assert Conversation.objects.get(pk=ObjectId(conversation.pk)) == conversation


@pytest.mark.django_db
def test_the_store_keeps_object_ids_on_mongodb_and_text_on_sql() -> None:
    conversation = Conversation.objects.create()
    message = Message.objects.create(conversation=conversation, user_message="Hi")
    assert raw("support_conversations", "_id") == as_stored(conversation.pk)
    assert raw("support_messages", "_id") == as_stored(message.pk)
    assert raw("support_messages", "conversation_id") == as_stored(conversation.pk)


def as_stored(value: str) -> Any:
    return ObjectId(value) if connection.vendor == "mongodb" else value


def raw(table: str, column: str) -> Any:
    """What the database itself holds in the only row."""
    if connection.vendor == "mongodb":
        return connection.get_collection(table).find_one()[column]  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM {table}')
        ((value,),) = cursor.fetchall()
    return value


@pytest.mark.django_db
def test_bulk_writes_and_foreign_keys_take_ids_in_every_form() -> None:
    conversations = Conversation.objects.bulk_create([Conversation() for _ in range(3)])
    Message.objects.bulk_create([Message(conversation=c, user_message="Hi") for c in conversations])
    assert Message.objects.filter(conversation__in=conversations).count() == 3
    assert {m.conversation for m in Message.objects.select_related("conversation")} == set(conversations)


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", [".*", "ann.", "^anna$", "an%", "a_na", "ANNA|ben", "(anna)", "\\w+"])
def test_a_name_is_compared_as_text_and_not_as_a_pattern(pattern: str) -> None:
    User.objects.create_user("anna")
    assert not User.objects.filter(username__iexact=pattern).exists()
    assert User.objects.filter(username__iexact="ANNA").exists()
