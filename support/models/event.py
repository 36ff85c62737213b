from __future__ import annotations

from django.conf import settings
from django.db import models

from support.clock import now
from support.fields import ObjectIdField, new_id


class ConversationEvent(models.Model):
    """One change of a conversation: who, when, from what to what. Never changed, never without its change."""

    class Kind(models.TextChoices):
        ESCALATED = "escalated", "handed to a person"
        STATUS = "status", "status"
        ASSIGNED = "assigned", "assigned to"
        NOTES = "notes", "notes edited"
        ESCALATION_CLEARED = "escalation_cleared", "escalation mark"

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    conversation = models.ForeignKey(
        "support.Conversation", on_delete=models.CASCADE, related_name="events", db_index=False
    )
    kind = models.CharField(max_length=20, choices=Kind)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    from_value = models.CharField(max_length=100, blank=True)
    to_value = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "support_events"
        # Serves the history on the conversation's page.
        indexes = (models.Index(fields=["conversation", "created_at"], name="support_event_conv_created"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.from_value} → {self.to_value}"
