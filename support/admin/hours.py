"""When the support team is here: the ordinary week, and the dates that differ from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from support import hours
from support.models import HoursException, WeeklyHours
from support.models.hours import DAY_MINUTES, clock, day_text, minute_of, span_text

if TYPE_CHECKING:
    _WeeklyForm = forms.ModelForm[WeeklyHours]
    _ExceptionForm = forms.ModelForm[HoursException]
    _WeeklyAdmin = admin.ModelAdmin[WeeklyHours]
    _ExceptionAdmin = admin.ModelAdmin[HoursException]
else:
    _WeeklyForm = _ExceptionForm = forms.ModelForm
    _WeeklyAdmin = _ExceptionAdmin = admin.ModelAdmin

_ZONE = f"On the clock of {settings.SUPPORT_TIME_ZONE} (the setting SUPPORT_TIME_ZONE)."


# --- Fields that take times as people write them --------------------------------------------------


def _closing(text: str) -> int:
    """The minute of a closing; 0:00 can only mean the end of the day there."""
    return minute_of(text) or DAY_MINUTES


class OpensField(forms.CharField):
    """A time of day as its minute."""

    widget = forms.TextInput(attrs={"size": 6, "placeholder": "9:00"})
    read = staticmethod(minute_of)

    def prepare_value(self, value: Any) -> Any:
        return clock(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return self.read(text) if text else None


class ClosesField(OpensField):
    """The same, up to 24:00."""

    widget = forms.TextInput(attrs={"size": 6, "placeholder": "17:00"})
    read = staticmethod(_closing)


class SpansField(forms.CharField):
    """`9:00-12:00, 13:00-17:00` as pairs of minutes; nothing is no span."""

    widget = forms.TextInput(attrs={"size": 40, "placeholder": "closed all day"})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(span_text, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return sorted(self._span(part) for part in text.split(",") if part.strip())

    def _span(self, text: str) -> list[int]:
        opens, dash, closes = text.replace("–", "-").partition("-")
        if not dash:
            raise ValidationError("Write hours such as 10:00-14:00; several with a comma between them.")
        return [minute_of(opens), _closing(closes)]


# --- The ordinary week ----------------------------------------------------------------------------


class WeeklyHoursForm(_WeeklyForm):
    opens_minute = OpensField(label="Opens")
    closes_minute = ClosesField(label="Closes", help_text="24:00 is midnight at the end of the day.")


class NewWeeklyHoursForm(WeeklyHoursForm):
    """The same hours for several days at once."""

    weekdays = forms.TypedMultipleChoiceField(
        label="Days", coerce=int, choices=WeeklyHours.Weekday.choices, widget=forms.CheckboxSelectMultiple
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        opens, closes = cleaned.get("opens_minute"), cleaned.get("closes_minute")
        if opens is not None and closes is not None and opens < closes:  # else the row itself refuses it, once
            for weekday in cleaned.get("weekdays", ()):
                try:
                    WeeklyHours(weekday=weekday, opens_minute=opens, closes_minute=closes).clean()
                except ValidationError as error:
                    self.add_error("weekdays", error)
        return cleaned


@admin.register(WeeklyHours)
class WeeklyHoursAdmin(_WeeklyAdmin):
    list_display = ("weekday", "times")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description="hours")
    def times(self, obj: WeeklyHours) -> str:
        return span_text(obj.span)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        told = f"{hours.week_text()} ({settings.SUPPORT_TIME_ZONE})" if hours.week_text() else None
        return super().changelist_view(request, {"subtitle": told, **(extra_context or {})})

    def get_fieldsets(self, request: HttpRequest, obj: WeeklyHours | None = None) -> Any:
        description = f"{_ZONE} A day with a break has an entry for each part of it; a day without any is closed."
        fields: tuple[str, ...] = ("weekday" if obj else "weekdays", "opens_minute", "closes_minute")
        if obj and not self.has_change_permission(request, obj):
            fields = ("weekday", "times")  # no form there that would show minutes as times
        return [(None, {"description": description, "fields": fields})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = WeeklyHoursForm if change else NewWeeklyHoursForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: WeeklyHours, form: Any, change: bool) -> None:
        if not change:
            obj.weekday, *others = form.cleaned_data["weekdays"]
            for weekday in others:
                other = WeeklyHours(
                    weekday=weekday, opens_minute=obj.opens_minute, closes_minute=obj.closes_minute
                )
                other.save()
                self.log_addition(request, other, [{"added": {}}])
                self.message_user(request, f"Added {other}.", messages.SUCCESS)
        super().save_model(request, obj, form, change)
        hours.forget()

    def delete_model(self, request: HttpRequest, obj: WeeklyHours) -> None:
        super().delete_model(request, obj)
        hours.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WeeklyHours]) -> None:
        super().delete_queryset(request, queryset)
        hours.forget()


# --- Dates that differ ----------------------------------------------------------------------------


class HoursExceptionForm(_ExceptionForm):
    spans = SpansField(
        label="Hours",
        required=False,
        help_text=(
            "Empty if the team is away all day. Otherwise they take the place of the weekday's hours: "
            "10:00-14:00, or 10:00-12:00, 13:00-16:00."
        ),
    )


@admin.register(HoursException)
class HoursExceptionAdmin(_ExceptionAdmin):
    form = HoursExceptionForm
    list_display = ("day", "name", "times")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_fieldsets(self, request: HttpRequest, obj: HoursException | None = None) -> Any:
        may_change = obj is None or self.has_change_permission(request, obj)
        return [(None, {"description": _ZONE, "fields": ("date", "name", "spans" if may_change else "times")})]

    @admin.display(description="day", ordering="date")
    def day(self, obj: HoursException) -> str:
        return day_text(obj.date)

    @admin.display(description="hours")
    def times(self, obj: HoursException) -> str:
        return hours.spans_text(tuple((opens, closes) for opens, closes in obj.spans))

    def save_model(self, request: HttpRequest, obj: HoursException, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        hours.forget()

    def delete_model(self, request: HttpRequest, obj: HoursException) -> None:
        super().delete_model(request, obj)
        hours.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[HoursException]) -> None:
        super().delete_queryset(request, queryset)
        hours.forget()
