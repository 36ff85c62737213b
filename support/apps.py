from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SupportConfig(AppConfig):
    name = "support"
    verbose_name = "Support desk"

    def ready(self) -> None:
        from support import checks  # noqa: F401  (registers the system checks)

        post_migrate.connect(_load_prices, sender=self)


def _load_prices(**kwargs: Any) -> None:
    """A desk without prices can't answer: they come with the tables."""
    from support.ledger.pricing import load_prices

    load_prices()
