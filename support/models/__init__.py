"""Rows, their verbs and the questions asked of many of them. No HTTP and no model calls in here."""

from support.models.article import Article
from support.models.conversation import Conversation
from support.models.event import ConversationEvent
from support.models.message import Answer, Message
from support.models.price import ModelPrice
from support.models.rate_window import RateWindow
from support.models.staff import User

__all__ = [
    "Answer",
    "Article",
    "Conversation",
    "ConversationEvent",
    "Message",
    "ModelPrice",
    "RateWindow",
    "User",
]
