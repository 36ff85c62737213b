from __future__ import annotations

from typing import Self

from django.db import models

from support.clock import now
from support.fields import ObjectIdField, new_id


class ArticleQuerySet(models.QuerySet["Article"]):
    def published(self) -> Self:
        """What the bot may say, in an order that changes only when an article comes or goes."""
        return self.filter(is_published=True).order_by("slug")


class Article(models.Model):
    """A help article: what the bot knows. Plain text with light Markdown."""

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    slug = models.SlugField(max_length=80, unique=True, help_text="Stays the same when the title changes.")
    title = models.CharField(max_length=200)
    body = models.TextField(max_length=20_000, help_text="Answered to visitors word for word when Claude is off.")
    is_published = models.BooleanField("published", default=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ArticleQuerySet.as_manager()

    class Meta:
        db_table = "support_articles"
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title
