from __future__ import annotations

import re
from datetime import date
from itertools import pairwise

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models

from support.fields import ObjectIdField, new_id

DAY_MINUTES = 24 * 60
"""The end of a day, written 24:00: the one time of day that only a closing can have."""

Span = tuple[int, int]
"""From when to when of one day, in minutes after its midnight: (540, 1020) is 9:00 to 17:00."""

_TIME = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})", re.ASCII)


def minute_of(text: str) -> int:
    """The minute of the day of `9:00`, `09:00` or `24:00`. Raises ValidationError."""
    found = _TIME.fullmatch(text.strip())
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if not found or int(found[2]) > 59 or minute > DAY_MINUTES:
        raise ValidationError("Write a time such as 9:00 or 17:30; midnight at the end of a day is 24:00.")
    return minute


def clock(minute: int) -> str:
    """`9:00` for 540, as people write it."""
    return f"{minute // 60}:{minute % 60:02}"


def span_text(span: Span) -> str:
    """`9:00-17:00`."""
    return f"{clock(span[0])}-{clock(span[1])}"


def check_spans(spans: list[Span]) -> None:
    """Raises ValidationError where a span of one day ends before it begins, or two have a minute in common."""
    for opens, closes in spans:
        if opens >= closes:
            raise ValidationError(
                f"{span_text((opens, closes))} ends before it begins. Hours past midnight are two entries: until "
                "24:00 on this day, and from 0:00 on the next."
            )
    for one, other in pairwise(sorted(spans)):
        if overlap(one, other):
            raise ValidationError(f"{span_text(other)} overlaps {span_text(one)}.")


def overlap(one: Span, other: Span) -> bool:
    """Whether they have a minute in common; one may end as the other begins."""
    return one[0] < other[1] and other[0] < one[1]


class WeeklyHours(models.Model):
    """When the support team is here on one day of every week. A day with a break has several of these."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, "Monday"
        TUESDAY = 1, "Tuesday"
        WEDNESDAY = 2, "Wednesday"
        THURSDAY = 3, "Thursday"
        FRIDAY = 4, "Friday"
        SATURDAY = 5, "Saturday"
        SUNDAY = 6, "Sunday"

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    # Minutes, not times: MongoDB keeps a time as a moment of some day, and no time of day is 24:00.
    opens_minute = models.PositiveSmallIntegerField("opens")
    closes_minute = models.PositiveSmallIntegerField("closes", validators=[MaxValueValidator(DAY_MINUTES)])

    class Meta:
        db_table = "support_weekly_hours"
        verbose_name = verbose_name_plural = "weekly opening hours"
        ordering = ("weekday", "opens_minute")

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {span_text(self.span)}"

    @property
    def span(self) -> Span:
        return self.opens_minute, self.closes_minute

    def clean(self) -> None:
        """Refuses a span that ends before it begins, and one that overlaps another of its day."""
        if self.opens_minute is None or self.closes_minute is None:
            return  # its field says so
        check_spans([self.span])
        others = WeeklyHours.objects.exclude(pk=self.pk)
        for other in others.filter(weekday=self.weekday) if self.weekday is not None else ():
            if overlap(self.span, other.span):
                raise ValidationError(f"{span_text(self.span)} overlaps {other}.")


class HoursException(models.Model):
    """A date on which the team's hours are not those of its weekday: closed, or other spans."""

    id = ObjectIdField(primary_key=True, default=new_id, editable=False, db_column="_id")
    date = models.DateField(help_text="The whole day, from midnight to midnight where the support team is.")
    name = models.CharField(max_length=80, help_text="Such as Christmas Day. Visitors are told it.")
    spans = models.JSONField("hours", default=list, blank=True)
    """Pairs of minutes of the day, none where the team is away all day."""

    class Meta:
        db_table = "support_hours_exceptions"
        verbose_name = "holiday or special day"
        verbose_name_plural = "holidays and special days"
        ordering = ("-date",)
        constraints = (
            models.UniqueConstraint(
                fields=["date"],
                name="support_hours_exception_once",
                violation_error_code="unique",
                violation_error_message="There is an entry for this day already.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}, {day_text(self.date)}"

    @property
    def is_closed(self) -> bool:
        return not self.spans

    def clean(self) -> None:
        check_spans([(opens, closes) for opens, closes in self.spans])


def day_text(day: date) -> str:
    """`Friday 25 December 2026`."""
    return f"{day:%A} {day.day} {day:%B %Y}"
