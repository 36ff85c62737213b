"""'Delete selected' on every database."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import actions
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_selected(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """The stock action on ids: a list's own queryset may hold a join, and MongoDB deletes across none."""
    ids = list(queryset.values_list("pk", flat=True))
    return actions.delete_selected(model_admin, request, model_admin.model._default_manager.filter(pk__in=ids))


admin.site.disable_action("delete_selected")
admin.site.add_action(delete_selected, "delete_selected")
