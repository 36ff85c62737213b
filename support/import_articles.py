"""Help articles from a folder of Markdown files."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import transaction

from support.models import Article
from support.models.article import BODY_MAX

_PUBLISHED = {"yes": True, "true": True, "no": False, "false": False}


class BadArticle(ValueError):
    """A file that is no article; the message names the file and what is missing."""


class EmptyFolder(ValueError):
    """A folder without a single article, which would withdraw everything that came from it."""


@dataclass(frozen=True)
class Step:
    """What an import does to one article; `note` says what else there is to know."""

    verb: Literal["add", "change", "keep", "unpublish"]
    article: Article
    columns: dict[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Imported:
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    unpublished: int = 0
    steps: list[Step] = field(default_factory=list, compare=False)
    others: list[str] = field(default_factory=list, compare=False)
    """The sources of the published articles that came from another folder, a name for each article."""


@dataclass(frozen=True)
class _File:
    slug: str
    title: str
    body: str
    is_published: bool


def import_folder(folder: Path, *, source: str = "", allow_empty: bool = False, dry_run: bool = False) -> Imported:
    """Brings the articles in line with the `*.md` files of a folder; what is unchanged is not written.

    A file begins with its front matter (`title` and, unless it is the file's name, `slug`, and `published: no` for
    a draft, as `name: value` lines between two lines of `---`); the rest is the body.

    What has changed in a file since it was last imported is taken over, and only that: an edit in the desk stays
    as long as its file stays as it is, and where both have changed, the file wins and the desk's text remains as
    a version. An article of this `source` (by default the folder's name) whose file is gone is unpublished. Those
    written in the desk or come from another source are left alone, unless a file has their slug.

    Raises BadArticle or EmptyFolder before anything is written, and ArticleChanged if somebody edits an article
    at the same moment.
    """
    source = source or folder.resolve().name or "/"
    files = _read_all(sorted(folder.glob("*.md")))
    if not files and not allow_empty:
        raise EmptyFolder(f"{folder} has no article (*.md) in it")
    with transaction.atomic():
        steps = [*_for_files(files, source), *_for_gone(files, source)]
        if not dry_run:
            for step in steps:
                _take(step)
    count = [step.verb for step in steps].count
    others = Article.objects.published().exclude(imported_from__in=["", source])
    others = others.exclude(slug__in=[file.slug for file in files])
    return Imported(
        count("add"),
        count("change"),
        count("keep"),
        count("unpublish"),
        steps,
        list(others.values_list("imported_from", flat=True)),
    )


# --- What is to be done ---------------------------------------------------------------------------


def _for_files(files: list[_File], source: str) -> list[Step]:
    there = {article.slug: article for article in Article.objects.filter(slug__in=[file.slug for file in files])}
    return [
        _change(there[file.slug], file, source) if file.slug in there else _add(file, source) for file in files
    ]


def _add(file: _File, source: str) -> Step:
    article = Article(slug=file.slug, title=file.title, body=file.body, is_published=file.is_published)
    return Step("add", article, _marks(file, source), "" if file.is_published else "not published")


def _change(article: Article, file: _File, source: str) -> Step:
    """Three-way: what the file said last time, what it says now, and what the desk has made of it since."""
    wanted: dict[str, Any] = {}
    notes = []
    if _hash(file.title, file.body) != article.imported_hash:
        wanted |= {"title": file.title, "body": file.body}
    if file.is_published != article.imported_published:
        wanted["is_published"] = file.is_published
    changed = {name: value for name, value in wanted.items() if getattr(article, name) != value}
    if "title" in changed or "body" in changed:
        if _hash(article.title, article.body) != article.imported_hash:
            notes.append(f"the desk's text remains as version {article.version}")
    if "is_published" in changed:
        notes.append("published" if file.is_published else "not published any more")
    if changed and article.imported_from != source:
        notes.append(f"from {article.imported_from or 'the desk'} until now")
    marks = {name: value for name, value in _marks(file, source).items() if getattr(article, name) != value}
    return Step("change" if changed else "keep", article, {**changed, **marks}, ", ".join(notes))


def _for_gone(files: list[_File], source: str) -> list[Step]:
    # Once: what staff publish again afterwards stays published.
    with_file = Article.objects.filter(imported_from=source, imported_published__isnull=False)
    gone = with_file.published().exclude(slug__in=[file.slug for file in files])
    return [
        Step("unpublish", article, {"is_published": False, "imported_published": None}, "its file is gone")
        for article in gone
    ]


def _marks(file: _File, source: str) -> dict[str, Any]:
    return {
        "imported_from": source,
        "imported_hash": _hash(file.title, file.body),
        "imported_published": file.is_published,
    }


def _hash(title: str, body: str) -> str:
    """32 hex digits for a text."""
    return blake2b(f"{title}\x00{body}".encode(), digest_size=16).hexdigest()


def _take(step: Step) -> None:
    if step.verb == "add":
        for name, value in step.columns.items():
            setattr(step.article, name, value)
        step.article.save(force_insert=True)
    elif step.verb == "keep":
        if step.columns:
            Article.objects.filter(pk=step.article.pk).update(**step.columns)
    else:
        step.article.revise(**step.columns)


# --- Reading --------------------------------------------------------------------------------------


def _read_all(paths: list[Path]) -> list[_File]:
    files: dict[str, _File] = {}
    for path in paths:
        file = _read(path)
        if file.slug in files:
            # Each run would overwrite one with the other.
            raise BadArticle(f"{path.name}: an earlier file has the slug {file.slug!r} too")
        files[file.slug] = file
    return list(files.values())


def _read(path: Path) -> _File:
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
        values[name.strip().lower()] = value.strip()
    published = values.get("published", "yes").lower()
    if published not in _PUBLISHED:
        raise BadArticle(f"{path.name}: published: is yes or no, not {published!r}")
    file = _File(values.get("slug", path.stem), values.get("title", ""), body.strip(), _PUBLISHED[published])
    if len(file.body) > BODY_MAX:
        raise BadArticle(f"{path.name}: body: longer than {BODY_MAX:,} characters")  # the desk could not save it
    try:
        Article(slug=file.slug, title=file.title, body=file.body).clean_fields()
    except ValidationError as error:
        field_name, messages = next(iter(error.message_dict.items()))
        raise BadArticle(f"{path.name}: {field_name}: {' '.join(messages)}") from None
    return file
