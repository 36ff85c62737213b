"""Who calls: staff by session or token (DRF's own classes), a visitor by the token of one conversation."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from support.models import Conversation


class Visitor(AnonymousUser):
    """The bearer of a token. Which conversation it opens is asked of the conversation."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    def holds(self, conversation: Conversation) -> bool:
        return conversation.is_token(self.token)


def bearer_token(request: Any) -> str:
    """The token in `Authorization: Bearer …`, "" without one."""
    scheme, _, token = get_authorization_header(request).partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


class VisitorAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Visitor, None] | None:
        token = bearer_token(request)
        return (Visitor(token), None) if token else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class IsStaffOrVisitor(BasePermission):
    """Staff see every conversation; a visitor only the one whose token he holds."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Visitor) or bool(request.user and request.user.is_staff)

    def has_object_permission(self, request: Request, view: Any, obj: Conversation) -> bool:
        return request.user.holds(obj) if isinstance(request.user, Visitor) else bool(request.user.is_staff)


class IsVisitor(IsStaffOrVisitor):
    """Only the visitor whose conversation it is."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Visitor)
