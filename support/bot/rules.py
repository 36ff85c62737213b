"""When a person is needed without any model having to say so."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Count, Q

from support.bot.words import asks_nothing
from support.handoff import asks_for_person, listed_word
from support.models import Conversation, Message

_TIMES_ASKED = 3


def person_needed(message: Message, *, is_first: bool) -> str:
    """The reason why this question goes to a person at once; "" if the bot may answer it.

    The rules that count look at what was asked since the conversation last went to a person or was dealt with
    by one, so that a ticket which staff hand back does not return at the next word. One query, none for the
    first question of a conversation.
    """
    reason = Conversation.Reason
    if asks_for_person(message.user_message):
        return reason.VISITOR_ASKED
    if listed_word(message.user_message, settings.ESCALATE_WORDS):
        return reason.LISTED_WORD
    if is_first or asks_nothing(message.user_message):
        return ""
    earlier = message.conversation.messages.filter(created_at__lte=message.created_at).exclude(pk=message.pk)
    if handled_at := message.conversation.handled_at:
        earlier = earlier.filter(created_at__gt=handled_at)
    count = earlier.aggregate(pairs=Count("pk"), same=Count("pk", filter=Q(question_key=message.question_key)))
    if count["same"] >= _TIMES_ASKED - 1:
        return reason.REPEATED
    if settings.CHAT_PAIRS_BEFORE_PERSON and count["pairs"] >= settings.CHAT_PAIRS_BEFORE_PERSON:
        return reason.LONG
    return ""
