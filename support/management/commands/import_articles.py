from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from support.import_articles import BadArticle, import_folder


class Command(BaseCommand):
    help = "Adds or updates help articles from a folder of Markdown files with front matter (title, slug)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        try:
            done = import_folder(folder)
        except BadArticle as error:
            raise CommandError(f"Nothing was imported. {error}") from None
        self.stdout.write(f"{done.added} added, {done.changed} changed, {done.unchanged} unchanged")
