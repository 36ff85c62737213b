"""Rows, their verbs and the questions asked of many of them. No HTTP and no model calls in here."""

from support.models.article import Article, ArticleChanged, ArticleVersion
from support.models.budget import BudgetWindow
from support.models.conversation import Conversation
from support.models.event import ConversationEvent
from support.models.hours import HoursException, WeeklyHours
from support.models.message import Answer, Message
from support.models.price import ModelPrice
from support.models.rate_window import RateWindow
from support.models.staff import User

__all__ = [
    "Answer",
    "Article",
    "ArticleChanged",
    "ArticleVersion",
    "BudgetWindow",
    "Conversation",
    "ConversationEvent",
    "HoursException",
    "Message",
    "ModelPrice",
    "RateWindow",
    "User",
    "WeeklyHours",
]
