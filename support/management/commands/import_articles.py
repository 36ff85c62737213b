from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from support.import_articles import BadArticle, EmptyFolder, import_folder
from support.models import Article, ArticleChanged

_DONE = {"add": "added", "change": "changed", "unpublish": "unpublished"}


class Command(BaseCommand):
    help = (
        "Brings the help articles in line with a folder of Markdown files with front matter (title, slug, and "
        "published: no for a draft). Only what has changed in a file since its last import is taken over: an edit "
        "in the desk stays as long as its file stays as it is; where both have changed, the file wins and the "
        "desk's text remains as a version. An article whose file is gone is unpublished, and published again when "
        "the file comes back. Articles written in the desk, or imported from a folder of another name, are left "
        "alone unless a file has their slug. A bad file stops the import before anything is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--source",
            type=_source,
            metavar="NAME",
            help="what articles of this folder are known by (by default the folder's own name, wherever it lies)",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing; say what would be done")
        parser.add_argument(
            "--allow-empty", action="store_true", help="unpublish every article of a folder that is empty now"
        )

    def handle(
        self,
        *args: Any,
        folder: Path,
        source: str | None,
        dry_run: bool,
        allow_empty: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        try:
            done = import_folder(folder, source=source or "", allow_empty=allow_empty, dry_run=dry_run)
        except BadArticle as error:
            raise CommandError(f"Nothing was imported. {error}") from None
        except EmptyFolder as error:
            raise CommandError(f"Nothing was imported. {error}; --allow-empty if that is meant.") from None
        except ArticleChanged as error:
            raise CommandError(f"An article was edited at the same moment: run it again. {error}") from None
        for step in done.steps:
            if verbosity and step.verb in _DONE:
                verb = f"would {step.verb}" if dry_run else _DONE[step.verb]
                self.stdout.write(f"{verb} {step.article.slug}" + (f" ({step.note})" if step.note else ""))
        if verbosity and done.others:
            names = ", ".join(sorted(set(done.others)))
            self.stdout.write(f"left alone: {len(done.others)} published from elsewhere ({names})")
        added, changed, unpublished = (f"to {verb}" if dry_run else _DONE[verb] for verb in _DONE)
        self.stdout.write(
            f"{done.added} {added}, {done.changed} {changed}, {done.unchanged} unchanged, "
            f"{done.unpublished} {unpublished}"
        )


def _source(name: str) -> str:
    longest = Article._meta.get_field("imported_from").max_length or 0
    if not name.strip() or len(name) > longest:
        raise ArgumentTypeError(f"a name of 1 to {longest} characters")
    return name.strip()
