"""What the models cost. A new price is a new row, so that old answers keep the price of their day."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from support.ledger import pricing
from support.models import ModelPrice

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[ModelPrice]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(ModelPrice)
class ModelPriceAdmin(_ModelAdmin):
    list_display = ("model", "valid_from", "tier", "input", "output", "write_5m", "write_1h", "read")
    search_fields = ("model", "source")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fieldsets = (
        (None, {"fields": ("model", "valid_from", "above_prompt_tokens", "source")}),
        (
            "Price of one token",
            {
                "description": "In billionths of a dollar: $1 per million tokens is 1,000.",
                "fields": (
                    "input_usd_billionths",
                    "output_usd_billionths",
                    "cache_write_5m_usd_billionths",
                    "cache_write_1h_usd_billionths",
                    "cache_read_usd_billionths",
                ),
            },
        ),
    )

    @admin.display(description="for prompts", ordering="above_prompt_tokens")
    def tier(self, obj: ModelPrice) -> str:
        return f"above {obj.above_prompt_tokens:,} tokens" if obj.above_prompt_tokens else "of any length"

    @admin.display(description="input, per million")
    def input(self, obj: ModelPrice) -> str:
        return per_million(obj.input_usd_billionths)

    @admin.display(description="output")
    def output(self, obj: ModelPrice) -> str:
        return per_million(obj.output_usd_billionths)

    @admin.display(description="cache write, 5 min")
    def write_5m(self, obj: ModelPrice) -> str:
        return per_million(obj.cache_write_5m_usd_billionths)

    @admin.display(description="cache write, 1 h")
    def write_1h(self, obj: ModelPrice) -> str:
        return per_million(obj.cache_write_1h_usd_billionths)

    @admin.display(description="cache read")
    def read(self, obj: ModelPrice) -> str:
        return per_million(obj.cache_read_usd_billionths)

    def save_model(self, request: HttpRequest, obj: ModelPrice, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        pricing.forget()

    def delete_model(self, request: HttpRequest, obj: ModelPrice) -> None:
        super().delete_model(request, obj)
        pricing.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ModelPrice]) -> None:
        super().delete_queryset(request, queryset)
        pricing.forget()


def per_million(billionths: int) -> str:
    """`$1.25` for 1,250 billionths of a dollar per token; more decimals only where they say something."""
    dollars = Decimal(billionths) / 1000
    return f"${dollars:,.2f}" if dollars == round(dollars, 2) else f"${dollars.normalize():,f}"
