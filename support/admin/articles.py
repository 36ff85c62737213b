"""The help articles: what the bot knows, and what it knew before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from support.admin import diff
from support.admin.article_form import ArticleForm
from support.admin.prompt_use import prompt_use
from support.admin.show import ago, moment
from support.bot.articles import estimated_tokens, library
from support.models import Article, ArticleChanged, ArticleVersion

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Article]
else:
    _ModelAdmin = admin.ModelAdmin

VERSIONS_SHOWN = 50
"""The latest versions in the list of an article; each version's page leads to the one before."""


@admin.register(Article)
class ArticleAdmin(_ModelAdmin):
    form = ArticleForm
    list_display = ("title", "number", "words", "tokens", "is_published", "updated")
    list_filter = ("is_published",)
    list_per_page = 50
    search_fields = ("title", "slug", "body")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), "prompt_use": prompt_use(library())}
        return super().changelist_view(request, context)

    @admin.display(description="version", ordering="version")
    def number(self, obj: Article) -> SafeString:
        # The units are for phones, where the list has no headings.
        return format_html('<span class="desk-narrow">version </span>{}', obj.version)

    @admin.display(description="words")
    def words(self, obj: Article) -> SafeString:
        number = len(obj.body.split())
        return format_html(
            '{}<span class="desk-narrow"> {}</span>', f"{number:,}", "word" if number == 1 else "words"
        )

    @admin.display(description="tokens, about")
    def tokens(self, obj: Article) -> SafeString:
        number = f"{estimated_tokens(obj.title + obj.body):,}"
        return format_html(
            '<span class="desk-narrow">about </span>{}<span class="desk-narrow"> tokens</span>', number
        )

    @admin.display(description="updated", ordering="updated_at")
    def updated(self, obj: Article) -> SafeString:
        return ago(obj.updated_at)

    # --- The page ---------------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Article | None = None) -> Any:
        fields = ("title", "slug", "is_published", "body")
        if obj is None:
            return fields
        return (*fields, *(("origin",) if obj.imported_from else ()), "versions")

    def get_readonly_fields(self, request: HttpRequest, obj: Article | None = None) -> Any:
        # By its slug an imported article is known to its file.
        return ("origin", "versions", *(("slug",) if obj and obj.imported_from else ()))

    def get_prepopulated_fields(self, request: HttpRequest, obj: Article | None = None) -> Any:
        return {} if obj else {"slug": ("title",)}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Article | None:
        found = self.get_queryset(request).filter(pk=object_id)
        if request.method == "POST":
            # Locked from the check of its version to the save, both inside the view's transaction.
            found = found.select_for_update(no_key=True)
        article = found.first()
        if article and request.method == "POST":
            article.settle()
        return article

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ArticleChanged:
            # Somebody was faster between the form's check and the save, where nothing locks (MongoDB): now the
            # check finds it, and the form says so.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Article, form: Any, change: bool) -> None:
        """Writes only what this person changed."""
        user: Any = request.user
        if not change:
            obj.save(by=user)
        elif changes := form.changes():
            obj.save(by=user, update_fields=[*changes, "updated_at"])

    @admin.display(description="from")
    def origin(self, obj: Article) -> str:
        if obj.imported_published is None:
            return f"The folder “{obj.imported_from}”; its file is gone."
        return (
            f"The folder “{obj.imported_from}”. What you change here stays until its file changes; then the file "
            "wins, and your text remains as a version."
        )

    @admin.display(description="versions")
    def versions(self, obj: Article) -> SafeString:
        rows = list(obj.versions.select_related("by").defer("body").order_by("-number")[:VERSIONS_SHOWN])
        if not any(row.number == obj.version for row in rows) and (current := obj.kept(obj.version)):
            rows.insert(0, current)
        return format_html(
            '<table class="desk-versions"><thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead>'
            "<tbody>{}</tbody></table>{}",
            "Version",
            "Written",
            "By",
            format_html_join(
                "",
                '<tr><th scope="row"><a href="{}">{}</a></th><td>{}</td><td>{}</td></tr>',
                ((_page(obj, row.number), row.number, moment(row.created_at), _author(row)) for row in rows),
            ),
            ""
            if all(row.by_id for row in rows)
            else format_html('<p class="desk-note">{}</p>', "–: by a command, or somebody who has left."),
        )

    # --- Versions ---------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path(
                "<str:object_id>/versions/<int:number>/", view(self.version_view), name="support_article_version"
            ),
            path(
                "<str:object_id>/versions/<int:number>/restore/",
                view(self.restore_view),
                name="support_article_restore",
            ),
        ]
        return [*own, *super().get_urls()]

    def version_view(self, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        """One version to read, with what it changed."""
        article, version = self._version(request, object_id, number)
        if not self.has_view_permission(request, article):
            raise PermissionDenied
        before = article.versions.filter(number__lt=number).order_by("-number").first()
        after = article.versions.filter(number__gt=number).order_by("number").first()
        context = {
            **self.admin_site.each_context(request),
            "title": version.title,
            "subtitle": f"Version {number}",
            "opts": self.opts,
            "article": article,
            "version": version,
            "author": version.by.name if version.by else "",
            "written": moment(version.created_at),
            "is_current": number == article.version,
            "before": before and (before.number, _page(article, before.number)),
            "after": after and (after.number, _page(article, after.number)),
            "changes": diff.html(_text(before), _text(version)) if before else None,
            "can_restore": number != article.version and self.has_change_permission(request, article),
        }
        return TemplateResponse(request, "admin/support/article/version.html", context)

    def restore_view(self, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        """Makes an earlier text the newest version; refused if the article is not as the page showed it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        article, version = self._version(request, object_id, number)
        if not self.has_change_permission(request, article):
            raise PermissionDenied
        user: Any = request.user
        before = article.version
        try:
            if request.POST.get("seen") != str(article.version):
                raise ArticleChanged
            article.restore(version, by=user)
        except ArticleChanged:
            self.message_user(
                request,
                "The article was changed while you had this page open, so nothing was restored. Look at the "
                "versions again.",
                messages.ERROR,
            )
            return HttpResponseRedirect(_page(article, number))
        if article.version == before:
            self.message_user(request, f"The article has the text of version {number} already.")
        else:
            self.log_change(request, article, f"Restored version {number}.")
            said = f"Version {number} is restored, as version {article.version}."
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:support_article_change", args=[article.pk]))

    def _version(self, request: HttpRequest, object_id: str, number: int) -> tuple[Article, ArticleVersion]:
        article = self.get_queryset(request).filter(pk=object_id).first()
        version = article.kept(number) if article else None
        if article is None or version is None:
            raise Http404("There is no such version.")
        return article, version


def _page(article: Article, number: int) -> str:
    return reverse("admin:support_article_version", args=[article.pk, number])


def _author(version: ArticleVersion) -> str:
    return version.by.name if version.by else "–"


def _text(version: ArticleVersion) -> str:
    return f"{version.title}\n\n{version.body}"
