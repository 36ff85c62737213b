from __future__ import annotations

from django.db import models


class RateWindow(models.Model):
    """The times of one client's latest requests to one endpoint, where no Redis keeps them.

    The key holds a keyed hash of the client's address, never the address.
    """

    key = models.CharField(max_length=80, primary_key=True, db_column="_id")
    hits_ms = models.JSONField(default=list)
    version = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "support_rate_windows"
        # Serves the removal of rows that nobody has hit for a while.
        indexes = (models.Index(fields=["updated_at"], name="support_rate_updated"),)

    def __str__(self) -> str:
        return self.key
