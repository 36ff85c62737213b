from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from support import doctor


class Command(BaseCommand):
    help = (
        "Looks at every part of the desk (database, migrations, indexes, cache, rules, articles, model and price, "
        "cost of an answer, budgets, hours, email, key) and says what to do about each. Exits 1 on a fault."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--call", action="store_true", help="try the key: ask the model for one word")

    def handle(self, *args: Any, call: bool, **options: Any) -> None:
        counts = {doctor.OK: 0, doctor.WARNING: 0, doctor.FAULT: 0}
        style = {doctor.OK: self.style.SUCCESS, doctor.WARNING: self.style.WARNING, doctor.FAULT: self.style.ERROR}
        for finding in doctor.examine(call):
            counts[finding.state] += 1
            self.stdout.write(f"{style[finding.state](f'{finding.state:8}')} {finding.part:11} {finding.found}")
            if finding.mend:
                self.stdout.write(f"{'':20} {finding.mend}")
        faults, warnings = counts[doctor.FAULT], counts[doctor.WARNING]
        self.stdout.write(f"{counts[doctor.OK]} ok, {warnings} warning(s), {faults} fault(s)")
        if faults:
            sys.exit(1)
