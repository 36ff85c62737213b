from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from support.recovery import recover


class Command(BaseCommand):
    help = (
        "Ends what a stopped process left undone: turns without an answer past their deadline are handed to a "
        "person; on MongoDB, answers outside the sums are counted and missing audit rows written. The server does "
        "the same at its start and every half minute; running it at any time is safe."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = recover()
        self.stdout.write(f"{done.handed_over} handed to a person, {done.counted} counted, {done.settled} settled")
