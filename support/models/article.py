from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import IntegrityError, models, transaction

from support.clock import now
from support.fields import ObjectIdField, new_id

if TYPE_CHECKING:
    from support.models.staff import User

BODY_MAX = 20_000
_TEXT = ("title", "body")
"""What makes a version."""


class ArticleChanged(ValueError):
    """Somebody else changed the article's text after it was read here, so nothing was written."""


class ArticleQuerySet(models.QuerySet["Article"]):
    def published(self) -> Self:
        """What the bot may say, in an order that changes only when an article comes or goes."""
        return self.filter(is_published=True).order_by("slug")

    def update(self, **columns: Any) -> int:
        """Django's, but not for the text, which would change without a version. Raises TypeError."""
        if not columns.keys().isdisjoint(_TEXT):
            raise TypeError("An article's title and body change by save() or revise(), which keep every version.")
        return super().update(**columns)


class Article(models.Model):
    """A help article: what the bot knows. Plain text with light Markdown.

    Each text that it ever had is a version. `save`, whoever calls it, keeps them.
    """

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    slug = models.SlugField(max_length=80, unique=True, help_text="Stays the same when the title changes.")
    title = models.CharField(max_length=200)
    body = models.TextField(
        max_length=BODY_MAX, help_text="Answered to visitors word for word when Claude is off."
    )
    is_published = models.BooleanField("published", default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    imported_from = models.CharField(max_length=255, blank=True, editable=False)
    """The folder of files that it came from, by its name; empty for what was written in the desk."""
    imported_hash = models.CharField(max_length=32, blank=True, editable=False)
    """Of the file's text as last imported."""
    imported_published = models.BooleanField(null=True, editable=False)
    """What the file said of publishing when last imported; None where there is no file, or none any more."""

    objects = ArticleQuerySet.as_manager()

    class Meta:
        db_table = "support_articles"
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title

    def save(
        self,
        *args: Any,
        by: User | None = None,
        update_fields: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Django's, and a changed title or body is a new version, by a member of staff or (None) a command.

        Raises ArticleChanged if the text is changed here and somebody else has changed it since this was read.
        Other columns can be stored at any time: they leave the newest text as it is.
        """
        is_chosen = update_fields is not None
        fields = set(update_fields or ()) if is_chosen else self._columns()
        if self._state.adding:
            # The article first: one refused for its slug must leave no version behind where nothing is undone.
            # Without the version (killed in between, MongoDB) the next change writes it.
            with transaction.atomic():
                super().save(*args, update_fields=update_fields, **kwargs)
                self._keep(self.version, by)
        elif fields.isdisjoint(_TEXT):
            super().save(*args, update_fields=update_fields, **kwargs)
        else:
            with transaction.atomic():
                self._save_text(fields, by, is_chosen)

    # --- Verbs ------------------------------------------------------------------------------------

    def revise(self, *, by: User | None = None, **columns: Any) -> None:
        """Sets columns, the text or others, and stores them. Raises ArticleChanged as `save` does."""
        for name, value in columns.items():
            setattr(self, name, value)
        self.save(by=by, update_fields=[*columns, "updated_at"])

    def restore(self, earlier: ArticleVersion, *, by: User | None = None) -> None:
        """Makes an earlier text the newest version; nothing happens if it is the text in force.

        Raises ArticleChanged as `save` does.
        """
        self.revise(by=by, title=earlier.title, body=earlier.body)

    def settle(self) -> None:
        """Ends what a process left that was killed between its two writes (MongoDB).

        A version is written before the article takes it over, so that one beyond the article's own is a change
        that somebody has made: it is taken over now. A missing first version is written.
        """
        rows = list(self.versions.filter(number__gte=self.version).order_by("number"))
        if not rows or rows[0].number != self.version:
            self._keep(self.version, None, created_at=self.updated_at)
        if rows and rows[-1].number != self.version:
            self._take(rows[-1])

    def kept(self, number: int) -> ArticleVersion | None:
        """The article as it was in a version; None if there is none of that number. The one in force always is."""
        if number > self.version + 1:  # also a number from an address that no database could hold
            return None
        found = self.versions.select_related("by").filter(number=number).first()
        if found is None and number == self.version:
            return ArticleVersion(
                article=self, number=number, title=self.title, body=self.body, created_at=self.updated_at
            )
        return found

    # --- How a text is stored ---------------------------------------------------------------------

    def _save_text(self, fields: set[str], by: User | None, is_chosen: bool) -> None:
        """Stores columns with a title or body among them, which are meant as a change if they were chosen.

        The new version's row comes first, and its number is unique: whoever writes it owns the change. The
        article takes it over by an update that only succeeds on the version before.
        """
        stored = Article.objects.select_for_update(no_key=True).get(pk=self.pk)
        stored.settle()
        changed = [name for name in _TEXT if name in fields and getattr(self, name) != getattr(stored, name)]
        if changed and self.version != stored.version:
            seen = None if is_chosen else stored.versions.filter(number=self.version).first()
            if seen is None or any(getattr(self, name) != getattr(seen, name) for name in changed):
                raise ArticleChanged(
                    f"“{stored.title}” is at version {stored.version} by now; "
                    f"this change was made to version {self.version}."
                )
            changed = []
        for name in _TEXT:
            if name not in changed:
                setattr(self, name, getattr(stored, name))
        self.version = stored.version
        others = fields - {*_TEXT, "version"}
        if changed:
            new = self._keep(self.version + 1, by)
            if new is None:
                raise ArticleChanged(f"“{stored.title}” was changed by somebody else at the same moment.")
            self._take(new)
        super().save(update_fields=others)

    def _keep(self, number: int, by: User | None, *, created_at: datetime | None = None) -> ArticleVersion | None:
        """Writes this text as a version; None if there is one of that number."""
        row = ArticleVersion(
            article=self, number=number, title=self.title, body=self.body, by=by, created_at=created_at or now()
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            return None
        return row

    def _take(self, new: ArticleVersion) -> None:
        """Makes a version that is written the article's own; it is already if somebody else has settled it."""
        found = Article.objects.filter(pk=self.pk, version=self.version)
        text = {"title": new.title, "body": new.body, "version": new.number}
        models.QuerySet.update(found, **text, updated_at=now())
        self.title, self.body, self.version = new.title, new.body, new.number

    def _columns(self) -> set[str]:
        """What a save without a choice of columns writes."""
        deferred = self.get_deferred_fields()
        return {
            field.name
            for field in self._meta.concrete_fields
            if not field.primary_key and field.attname not in deferred
        }


class ArticleVersion(models.Model):
    """A text that an article has or had. Never changed."""

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    body = models.TextField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "support_article_versions"
        constraints = (
            # Of two writers at once one gets the number. Serves the list on the article's page too.
            models.UniqueConstraint(fields=["article", "number"], name="support_article_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.title}, version {self.number}"
