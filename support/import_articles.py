"""Help articles from a folder of Markdown files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ValidationError

from support.models import Article


class BadArticle(ValueError):
    """A file that is no article; the message names the file and what is missing."""


@dataclass(frozen=True)
class Imported:
    added: int = 0
    changed: int = 0
    unchanged: int = 0


def import_folder(folder: Path) -> Imported:
    """Adds or updates an article for each `*.md` file; what is unchanged is not written.

    A file begins with its front matter (`title` and, unless it is the file's name, `slug`, as `key: value` lines
    between two lines of `---`); the rest is the body. Raises BadArticle before anything is written.
    """
    added = changed = unchanged = 0
    for new in _read_all(sorted(folder.glob("*.md"))):
        old = Article.objects.filter(slug=new.slug).first()
        if old is None:
            new.save(force_insert=True)
            added += 1
        elif (old.title, old.body) != (new.title, new.body):
            old.title, old.body = new.title, new.body
            old.save(update_fields=["title", "body", "updated_at"])
            changed += 1
        else:
            unchanged += 1
    return Imported(added, changed, unchanged)


def _read_all(paths: list[Path]) -> list[Article]:
    articles: dict[str, Article] = {}
    for path in paths:
        article = _read(path)
        if article.slug in articles:
            # Each run would overwrite one with the other.
            raise BadArticle(f"{path.name}: an earlier file has the slug {article.slug!r} too")
        articles[article.slug] = article
    return list(articles.values())


def _read(path: Path) -> Article:
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise BadArticle(f"{path.name}: can't be read ({type(error).__name__})") from None
    if "\x00" in text:
        raise BadArticle(f"{path.name}: holds a NUL character")  # PostgreSQL stores none
    opening, _, rest = text.partition("\n")
    head, separator, body = rest.partition("\n---\n")
    if opening.strip() != "---" or not separator:
        raise BadArticle(f"{path.name}: begins with no front matter (title and slug between lines of ---)")
    values: dict[str, str] = {}
    for line in head.splitlines():
        name, _, value = line.partition(":")
        values[name.strip()] = value.strip()
    article = Article(title=values.get("title", ""), slug=values.get("slug", path.stem), body=body.strip())
    try:
        article.clean_fields()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise BadArticle(f"{path.name}: {field}: {' '.join(messages)}") from None
    return article
