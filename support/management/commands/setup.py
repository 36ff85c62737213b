from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from support.import_articles import import_folder
from support.models import Article, User, WeeklyHours

_DEMO = Path(__file__).resolve().parents[2] / "demo" / "articles"


class Command(BaseCommand):
    help = (
        "Makes a desk that works: tables, indexes and prices; demo articles and opening hours where there is no "
        "article; a staff user where there is none. What exists already is left as it is. `make run` calls it at "
        "each start."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        Path(settings.VAR_DIR).mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        call_command("create_indexes", verbosity=0)
        if not Article.objects.exists():
            done = import_folder(_DEMO, source="demo")
            self.stdout.write(f"Loaded {done.added} demo articles{self._load_hours()}.")
        if not User.objects.filter(is_staff=True).exists():
            self._make_staff_user()
        claude = f"Claude ({settings.CHAT_MODEL})" if settings.ANTHROPIC_API_KEY else ""
        self.stdout.write(f"The chat:  http://{settings.BIND}/")
        self.stdout.write(f"The desk:  http://{settings.BIND}/admin/")
        self.stdout.write(
            f"Answers:   {claude}" if claude else "Answers:   offline answerer (set ANTHROPIC_API_KEY for Claude)"
        )

    def _load_hours(self) -> str:
        """Monday to Friday, 9:00 to 17:00, as the demo articles say, unless hours are there already."""
        if WeeklyHours.objects.exists():
            return ""
        WeeklyHours.objects.bulk_create(
            WeeklyHours(weekday=weekday, opens_minute=9 * 60, closes_minute=17 * 60) for weekday in range(5)
        )
        return " and demo opening hours"

    def _make_staff_user(self) -> None:
        password = secrets.token_urlsafe(12)
        kept = Path(settings.VAR_DIR) / "admin_password"
        kept.touch(mode=0o600)
        kept.chmod(0o600)  # one that was there before may be open to others
        kept.write_text(f"{password}\n", encoding="ascii")
        # Somebody without staff rights may have the name already.
        name = "admin" if not User.objects.filter(username="admin").exists() else f"admin-{secrets.token_hex(2)}"
        User.objects.create_superuser(name, password=password)
        self.stdout.write(f"Staff user: {name}, password: {password} (kept in {kept}; change it in the desk)")
