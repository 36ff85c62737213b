from django.urls import URLPattern, path

from support.api import views
from support.api.chat import chat

urlpatterns: list[URLPattern] = [
    path("conversations", views.Conversations.as_view()),
    path("conversations/<str:pk>", views.ConversationDetail.as_view()),
    path("conversations/<str:pk>/messages", views.LogMessage.as_view()),
    path("conversations/<str:pk>/messages/<str:message_id>/rating", views.RateMessage.as_view()),
    path("tickets", views.Tickets.as_view()),
    path("analytics", views.Analytics.as_view()),
    path("hours", views.SupportHours.as_view()),
    path("chat", chat),
]
