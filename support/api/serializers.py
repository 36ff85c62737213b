"""What the API takes and shows. Names, order and limits are the wire contract's."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from support.api.fields import Choice, Flag, Id, PageUrl, Question, StaffId, Text, Tokens
from support.models import Conversation, Message, User
from support.models.message import ASSISTANT_MESSAGE_MAX, USER_MESSAGE_MAX


class OpenConversation(serializers.Serializer[Conversation]):
    """The body that opens a conversation."""

    source = Choice(  # type: ignore[assignment]  # the contract's name, and one of DRF's own
        Conversation.Source.choices, default=Conversation.Source.WEB
    )
    page_url = PageUrl(default="")
    user_id = Text(max_length=200, allow_null=True, allow_blank=True, default=None)

    def validate_user_id(self, value: str | None) -> str | None:
        return value or None


class LogMessage(serializers.Serializer[Message]):
    """The body that logs a pair."""

    user_message = Question(max_length=USER_MESSAGE_MAX)
    assistant_message = Text(max_length=ASSISTANT_MESSAGE_MAX, allow_blank=True, default="")
    input_tokens = Tokens(default=0)
    output_tokens = Tokens(default=0)
    is_escalation = Flag(default=False)


class Chat(OpenConversation):
    """The body of a question to the bot."""

    message = Question(max_length=USER_MESSAGE_MAX)
    conversation_id = Text(max_length=100, required=False)
    token = Text(max_length=200, required=False)


class RateMessage(serializers.Serializer[Message]):
    """The body that rates an answer; null takes a rating back."""

    rating = Choice(Message.Rating.choices, allow_null=True)


class PatchConversation(serializers.Serializer[Conversation]):
    """What staff may set."""

    status = Choice(Conversation.Status.choices, required=False)
    notes = Text(max_length=20_000, allow_blank=True, required=False)
    assigned_to = StaffId(allow_null=True, required=False)
    escalated = Flag(required=False)

    def validate_assigned_to(self, value: str | None) -> str | None:
        if value is not None and not User.objects.filter(pk=value, is_staff=True, is_active=True).exists():
            raise serializers.ValidationError("There is no such member of staff.")
        return value


class VisitorMessage(serializers.ModelSerializer[Message]):
    """One pair, as the visitor may see it."""

    id = Id(read_only=True)
    conversation_id = Id(read_only=True)
    pending = serializers.BooleanField(source="is_pending", read_only=True, help_text="Still being answered.")
    rating = serializers.ChoiceField(
        Message.Rating.choices, read_only=True, allow_null=True, help_text="What the visitor thinks of the answer."
    )
    is_notice = serializers.BooleanField(
        read_only=True, help_text="A standard sentence rather than an answer: nothing to rate."
    )

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            "id",
            "conversation_id",
            "user_message",
            "assistant_message",
            "input_tokens",
            "output_tokens",
            "is_escalation",
            "created_at",
            "pending",
            "rating",
            "is_notice",
        )
        read_only_fields = fields


class Article(serializers.Serializer[Any]):
    """An article that an answer used."""

    slug = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)
    version = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Of its text; null in answers from before versions were kept."
    )


class StaffMessage(VisitorMessage):
    """One pair, with who answered it and from what."""

    answered_by = serializers.ChoiceField(Message.AnsweredBy.choices, read_only=True, allow_blank=True)
    articles = Article(many=True, read_only=True, help_text="What the answer used.")

    class Meta(VisitorMessage.Meta):
        fields = (*VisitorMessage.Meta.fields, "answered_by", "tokens_measured", "articles", "fault")
        read_only_fields = fields


class Rated(serializers.Serializer[Any]):
    """What became of a rating, and of the conversation."""

    message_id = Id()
    rating = serializers.ChoiceField(Message.Rating.choices, allow_null=True)
    status = serializers.ChoiceField(Conversation.Status.choices)
    notice = serializers.CharField(
        help_text="What to tell the visitor where this rating hands the conversation to a person; else empty."
    )


class PublicConversation(serializers.ModelSerializer[Conversation]):
    """A conversation as its visitor sees it: no notes, no cost, no staff."""

    id = Id(read_only=True)

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = (
            "id",
            "source",
            "page_url",
            "user_id",
            "status",
            "escalated",
            "message_count",
            "total_input_tokens",
            "total_output_tokens",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class OpenedConversation(PublicConversation):
    """A conversation just opened, with the token that its visitor keeps."""

    token = serializers.CharField(read_only=True)

    class Meta(PublicConversation.Meta):
        fields = (*PublicConversation.Meta.fields, "token")
        read_only_fields = fields


class VisitorConversation(PublicConversation):
    messages = VisitorMessage(many=True, read_only=True)

    class Meta(PublicConversation.Meta):
        fields = (*PublicConversation.Meta.fields, "messages")
        read_only_fields = fields


class StaffConversation(serializers.ModelSerializer[Conversation]):
    """A conversation with all that is stored of it."""

    id = Id(read_only=True)
    assigned_to = Id(source="assigned_to_id", read_only=True, allow_null=True)
    escalation_reason = serializers.ChoiceField(Conversation.Reason.choices, read_only=True, allow_blank=True)
    estimated_cost_usd = serializers.IntegerField(read_only=True, help_text="Millionths of a dollar.")

    class Meta:
        model = Conversation
        fields: tuple[str, ...] = (
            "id",
            "source",
            "page_url",
            "user_id",
            "status",
            "escalated",
            "message_count",
            "total_input_tokens",
            "total_output_tokens",
            "estimated_cost_usd",
            "assigned_to",
            "notes",
            "created_at",
            "updated_at",
            "escalation_reason",
        )
        read_only_fields = fields


class Ticket(StaffConversation):
    messages = StaffMessage(many=True, read_only=True)

    class Meta(StaffConversation.Meta):
        fields = (*StaffConversation.Meta.fields, "messages")
        read_only_fields = fields


class QuestionCount(serializers.Serializer[Any]):
    question = serializers.CharField()
    count = serializers.IntegerField()


class DayCount(serializers.Serializer[Any]):
    date = serializers.DateField()
    count = serializers.IntegerField()


class Analytics(serializers.Serializer[Any]):
    """Numbers of the conversations opened in the last `days` days (UTC), today included."""

    total_conversations = serializers.IntegerField()
    total_messages = serializers.IntegerField()
    auto_resolved_pct = serializers.FloatField()
    escalated_pct = serializers.FloatField()
    avg_messages_per_conversation = serializers.FloatField()
    total_cost_usd = serializers.FloatField()
    top_questions = QuestionCount(many=True)
    conversations_by_day = DayCount(many=True)


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "pattern": "^([01][0-9]|2[0-4]):[0-5][0-9]$"},
        "minItems": 2,
        "maxItems": 2,
    }
)
class Span(serializers.Field):  # type: ignore[type-arg]
    """From when to when of one day: `["09:00", "17:00"]`; the end of the day is `24:00`."""

    def to_representation(self, value: tuple[int, int]) -> list[str]:
        return [f"{minute // 60:02}:{minute % 60:02}" for minute in value]


class WeekdayHours(serializers.Serializer[Any]):
    weekday = serializers.IntegerField(min_value=0, max_value=6, help_text="0 is Monday.")
    spans = serializers.ListField(child=Span())


class DayHours(serializers.Serializer[Any]):
    date = serializers.DateField()
    name = serializers.CharField()
    closed = serializers.BooleanField()
    spans = serializers.ListField(child=Span())


class Hours(serializers.Serializer[Any]):
    """When the support team is here. Times of day are on the clock of `time_zone`."""

    time_zone = serializers.CharField()
    is_open = serializers.BooleanField(allow_null=True, help_text="null where no hours are given.")
    closes_at = serializers.DateTimeField(allow_null=True, help_text="null while closed.")
    opens_at = serializers.DateTimeField(allow_null=True, help_text="The next opening, also while open.")
    text = serializers.CharField(allow_blank=True, help_text="The ordinary week in words.")
    exceptions = DayHours(many=True, help_text="Dates with other hours, of the next 60 days.")
    week = WeekdayHours(many=True, help_text="The ordinary week, all seven days.")


class ChatAnswer(serializers.Serializer[Any]):
    """The whole answer to a question, for clients that do not stream."""

    conversation_id = Id()
    token = serializers.CharField(required=False, help_text="Only when this call opened the conversation.")
    message_id = Id()
    assistant_message = serializers.CharField()
    is_escalation = serializers.BooleanField()
    is_notice = serializers.BooleanField(help_text="A standard sentence rather than an answer: nothing to rate.")
    status = serializers.ChoiceField(Conversation.Status.choices)
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    answered_by = serializers.ChoiceField(Message.AnsweredBy.choices)
    budget_spent = serializers.BooleanField(help_text="No budget for the model: the help pages answered.")
