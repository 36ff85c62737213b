from __future__ import annotations

from django.db import connection


def has_transactions() -> bool:
    """Whether a block of writes is all or nothing here. Django's `atomic` does nothing on MongoDB."""
    return connection.vendor != "mongodb"
