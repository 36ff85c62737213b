from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from support.indexes import make, survey


class Command(BaseCommand):
    help = (
        "Makes the indexes that the API and the desk need, on SQLite, PostgreSQL (without locking the tables) or "
        "MongoDB; one that differs from its definition is made anew. Run it as often as you like."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit 1 if any is missing or differs"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing; say what would be done")

    def handle(self, *args: Any, check: bool, dry_run: bool, verbosity: int, **options: Any) -> None:
        counts = {"ok": 0, "missing": 0, "differs": 0}
        for wanted, found in survey():
            counts[found] += 1
            if found == "ok":
                if verbosity > 1:
                    self.stdout.write(f"ok       {wanted}")
                continue
            if check:
                self.stdout.write(f"{found:8} {wanted}")
                continue
            verb = "create" if found == "missing" else "replace"
            if not dry_run:
                make(wanted, replace=found == "differs")
            if verbosity:
                self.stdout.write(f"would {verb} {wanted}" if dry_run else f"{verb}d  {wanted}")
        if verbosity:
            done = "to create" if check or dry_run else "created"
            redone = "to replace" if check or dry_run else "replaced"
            self.stdout.write(f"{counts['ok']} in place, {counts['missing']} {done}, {counts['differs']} {redone}")
        if check and counts["missing"] + counts["differs"]:
            sys.exit(1)
