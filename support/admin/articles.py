"""The help articles: what the bot knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.safestring import SafeString

from support.admin.show import ago
from support.models import Article

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Article]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(Article)
class ArticleAdmin(_ModelAdmin):
    list_display = ("title", "is_published", "updated")
    list_filter = ("is_published",)
    list_per_page = 50
    search_fields = ("title", "slug", "body")
    prepopulated_fields = {"slug": ("title",)}
    fields = ("title", "slug", "is_published", "body")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description="updated", ordering="updated_at")
    def updated(self, obj: Article) -> SafeString:
        return ago(obj.updated_at)
