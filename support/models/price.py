from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from support.fields import ObjectIdField, new_id


class ModelPrice(models.Model):
    """What one token of a model costs from a day on, in billionths of a dollar.

    A price of $1 per million tokens is 1,000 billionths per token. Where a model has tiers, each tier is a
    row: the one with the highest `above_prompt_tokens` that the prompt exceeds prices the whole call.
    """

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    model = models.CharField(max_length=100)
    valid_from = models.DateField(help_text="First day (UTC) on which this price holds.")
    above_prompt_tokens = models.PositiveIntegerField(default=0, help_text="0 for the first or only tier.")
    input_usd_billionths = models.PositiveBigIntegerField("input", validators=[MinValueValidator(0)])
    output_usd_billionths = models.PositiveBigIntegerField("output")
    cache_write_5m_usd_billionths = models.PositiveBigIntegerField("cache write, 5 minutes")
    cache_write_1h_usd_billionths = models.PositiveBigIntegerField("cache write, 1 hour")
    cache_read_usd_billionths = models.PositiveBigIntegerField("cache read")
    source = models.CharField(max_length=300, blank=True, help_text="Where the price was read, and when.")

    class Meta:
        db_table = "support_model_prices"
        verbose_name = "price"
        ordering = ("model", "-valid_from", "above_prompt_tokens")
        constraints = (
            models.UniqueConstraint(
                fields=["model", "valid_from", "above_prompt_tokens"], name="support_price_once"
            ),
        )

    def __str__(self) -> str:
        tier = f", above {self.above_prompt_tokens:,} prompt tokens" if self.above_prompt_tokens else ""
        return f"{self.model} from {self.valid_from}{tier}"
