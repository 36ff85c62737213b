"""The JSON endpoints. Each reads the request, calls one verb or question, and writes the answer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rezvo_support.env import Rate
from support import analytics, clock, hours
from support.api import limits, schema, serializers
from support.api.auth import IsStaffOrVisitor, IsVisitor, Visitor, VisitorAuthentication
from support.api.errors import TooManyRequests
from support.api.fields import idempotency_key
from support.api.filters import ConversationFilter
from support.api.keys import scoped_key
from support.api.pagination import KeysetPagination
from support.bot import sentences
from support.faults import DATABASE_FAULTS
from support.ledger import pricing
from support.models import Conversation, Message, User

_THREAD = Prefetch("messages", queryset=Message.objects.oldest_first())


def limit(request: Request, scope: str, rate: Rate | None) -> None:
    """Counts the request against its address's rate. Raises TooManyRequests."""
    if wait := limits.wait_seconds(request, scope, rate):
        raise TooManyRequests(wait)


@extend_schema_view(
    get=extend_schema(
        operation_id="listConversations",
        summary="List conversations, newest first",
        description="For staff. Walking `next` shows every row once, also while rows are added.",
        tags=["tickets"],
    )
)
class Conversations(generics.ListAPIView[Conversation]):
    """GET: the list, for staff. POST: opens a conversation, for everybody."""

    queryset = Conversation.objects.all()
    serializer_class = serializers.StaffConversation
    pagination_class = KeysetPagination
    filterset_class = ConversationFilter

    def get_authenticators(self) -> list[Any]:
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    def get_permissions(self) -> Any:
        return [AllowAny()] if self.request.method == "POST" else super().get_permissions()

    @extend_schema(
        operation_id="openConversation",
        summary="Open a conversation",
        description="The answer holds the token with which its visitor goes on.",
        tags=["chat"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request=serializers.OpenConversation,
        responses={201: OpenApiResponse(serializers.OpenedConversation, description="The conversation.")},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        limit(request, "open", settings.RATE_OPEN)
        body = serializers.OpenConversation(data=request.data)
        body.is_valid(raise_exception=True)
        key = scoped_key(request, "open", idempotency_key(request))
        conversation, _ = Conversation.objects.open_new(**body.validated_data, idempotency_key=key)
        return Response(serializers.OpenedConversation(conversation).data, status=status.HTTP_201_CREATED)


class LogMessage(APIView):
    """POST: logs a pair that a client had elsewhere.

    No session here or when opening: staff who try the chat in their own browser are visitors, not CSRF failures.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="logMessage",
        summary="Log a pair that a client had elsewhere",
        description=(
            "A pair that hands over (`is_escalation`, or an answer that sends the visitor to the support address "
            "by email) escalates the conversation, whatever else the client claims."
        ),
        tags=["chat"],
        parameters=[schema.ID, schema.IDEMPOTENCY_KEY],
        request=serializers.LogMessage,
        responses={201: OpenApiResponse(serializers.VisitorMessage, description="The pair.")},
    )
    def post(self, request: Request, pk: str) -> Response:
        limit(request, "log", settings.RATE_LOG)
        conversation = get_object_or_404(Conversation, pk=pk)
        body = serializers.LogMessage(data=request.data)
        body.is_valid(raise_exception=True)
        claimed = pricing.Usage(body.validated_data["input_tokens"], body.validated_data["output_tokens"])
        message, _ = conversation.log(
            **body.validated_data,
            cost_usd_billionths=pricing.prices_of(settings.CHAT_MODEL).cost_usd_billionths(claimed),
            idempotency_key=scoped_key(request, f"log:{pk}", idempotency_key(request)),
        )
        return Response(serializers.VisitorMessage(message).data, status=status.HTTP_201_CREATED)


class RateMessage(APIView):
    """POST: the visitor says whether an answer helped, or takes that back."""

    authentication_classes = (VisitorAuthentication,)
    permission_classes = (IsVisitor,)

    @extend_schema(
        operation_id="rateMessage",
        summary="Rate an answer, or take the rating back",
        description=(
            "For the conversation's visitor. Sent again it counts once and gets the same answer. Several answers "
            "rated `bad` hand the conversation to a person (CHAT_BAD_RATINGS); `notice` tells the visitor so."
        ),
        tags=["chat"],
        parameters=[schema.ID, schema.MESSAGE_ID],
        request=serializers.RateMessage,
        responses=OpenApiResponse(serializers.Rated, description="What became of it."),
    )
    def post(self, request: Request, pk: str, message_id: str) -> Response:
        limit(request, "rate", settings.RATE_LOG)
        conversation = get_object_or_404(Conversation, pk=pk)
        self.check_object_permissions(request, conversation)
        message = get_object_or_404(Message, pk=message_id, conversation=conversation)
        body = serializers.RateMessage(data=request.data)
        body.is_valid(raise_exception=True)
        is_handed_over = conversation.rate(message, body.validated_data["rating"])
        answer = {
            "message_id": message.pk,
            "rating": message.rating,
            "status": conversation.status,
            "notice": sentences.handed_over(hours.state(clock.now())) if is_handed_over else "",
        }
        return Response(serializers.Rated(answer).data)


class ConversationDetail(APIView):
    """GET: the thread. PATCH: staff change the ticket; its visitor may ask for a person."""

    # A visitor's token first: whoever shows one is that visitor, also in a browser where staff is signed in.
    authentication_classes = (VisitorAuthentication, TokenAuthentication, SessionAuthentication)
    permission_classes = (IsStaffOrVisitor,)

    def conversation(self, request: Request, pk: str) -> Conversation:
        conversation = get_object_or_404(Conversation, pk=pk)
        self.check_object_permissions(request, conversation)
        return conversation

    @extend_schema(
        operation_id="getConversation",
        summary="Read a conversation with its messages, oldest first",
        description="For staff, and for its visitor without notes, cost and names of staff.",
        tags=["tickets"],
        parameters=[schema.ID],
        responses=OpenApiResponse(schema.THREAD, description="The conversation."),
    )
    def get(self, request: Request, pk: str) -> Response:
        conversation = self.conversation(request, pk)
        prefetch_related_objects([conversation], _THREAD)
        show = serializers.VisitorConversation if isinstance(request.user, Visitor) else serializers.Ticket
        return Response(show(conversation).data)

    @extend_schema(
        operation_id="changeConversation",
        summary="Change a ticket, or ask for a person",
        description='Staff may set any of these fields; its visitor may send only `{"status": "needs_review"}`.',
        tags=["tickets"],
        parameters=[schema.ID],
        request=serializers.PatchConversation,
        responses=OpenApiResponse(schema.CHANGED, description="The conversation."),
    )
    def patch(self, request: Request, pk: str) -> Response:
        conversation = self.conversation(request, pk)
        if isinstance(request.user, Visitor):
            if request.data != {"status": Conversation.Status.NEEDS_REVIEW}:
                raise PermissionDenied('A visitor may only ask for a person: {"status": "needs_review"}.')
            conversation.escalate(Conversation.Reason.VISITOR_ASKED)
            return Response(serializers.PublicConversation(conversation).data)
        body = serializers.PatchConversation(data=request.data)
        body.is_valid(raise_exception=True)
        columns = dict(body.validated_data)
        if "assigned_to" in columns:
            columns["assigned_to_id"] = columns.pop("assigned_to")
        assert isinstance(request.user, User)
        conversation.change(by=request.user, **columns)
        return Response(serializers.StaffConversation(conversation).data)


@extend_schema_view(
    get=extend_schema(
        operation_id="listTickets",
        summary="List what waits for a person, with all messages",
        description="For staff: conversations that are `needs_review`, `open` or `in_progress`, newest first.",
        tags=["tickets"],
    )
)
class Tickets(generics.ListAPIView[Conversation]):
    """GET: what waits for a person, each with its whole thread, for staff. Two queries a page."""

    serializer_class = serializers.Ticket
    pagination_class = KeysetPagination
    filterset_class = ConversationFilter

    def get_queryset(self) -> QuerySet[Conversation]:
        return Conversation.objects.waiting().prefetch_related(_THREAD)


class Analytics(APIView):
    """GET: the numbers of the last days, for staff."""

    @extend_schema(
        operation_id="getAnalytics",
        summary="Numbers of the last days",
        description="Of the conversations opened in the last `days` days (UTC), today included. For staff.",
        tags=["analytics"],
        parameters=[schema.DAYS],
        responses=OpenApiResponse(serializers.Analytics, description="The numbers."),
    )
    def get(self, request: Request) -> Response:
        days = request.query_params.get("days", str(analytics.DAYS_DEFAULT))
        if not (days.isascii() and days.isdigit() and len(days) < 5 and 1 <= int(days) <= analytics.DAYS_MAX):
            raise ValidationError(
                {"days": [f"Ensure this value is a whole number from 1 to {analytics.DAYS_MAX}."]}
            )
        return Response(analytics.summary(int(days)))


class SupportHours(APIView):
    """GET: when the support team is here, for everybody. No query but one in ten seconds, so no limit either."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="getHours",
        summary="When the support team is here",
        description="Now, in the ordinary week, and on the dates that differ from it. May be kept for a minute.",
        tags=["chat"],
        responses=OpenApiResponse(serializers.Hours, description="The hours."),
    )
    def get(self, request: Request) -> Response:
        answer = serializers.Hours(hours.summary(clock.now())).data
        return Response(answer, headers={"Cache-Control": "public, max-age=60"})


@csrf_exempt  # so that a wrong method is told so, not asked for a form's token
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database and cache answer too; 503 with the name of what does not."""
    faults = {}
    try:
        Conversation.objects.order_by().values("pk")[:1].exists()
    except DATABASE_FAULTS as error:
        faults["database"] = type(error).__name__
    try:
        cache.set("readyz", 1, 5)
    except Exception as error:  # each cache backend has errors of its own
        faults["cache"] = type(error).__name__
    ready = {"database": "ok", "cache": "ok"} | faults
    return JsonResponse({"status": "unavailable" if faults else "ok", **ready}, status=503 if faults else 200)


@csrf_exempt  # the HTML page of a failed check is no answer on an API path
def not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """Whatever else is asked for under /api: the JSON of a 404."""
    raise Http404
