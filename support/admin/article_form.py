"""What staff may change of an article, and the guard against replacing a text that they have not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from support.admin.conversation_form import NotesField
from support.models import Article
from support.models.article import BODY_MAX

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Article]
else:
    _ModelForm = forms.ModelForm

EDITABLE = ("title", "slug", "is_published", "body")


class VersionField(forms.IntegerField):
    """The version that the form was filled from: something to compare, never a change."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class ArticleForm(_ModelForm):
    """Refuses what was typed over an older version of the article, and keeps it.

    Each field also sends what it showed at first, so that 'changed' means changed by this person, not by
    somebody else in the meantime.
    """

    version = VersionField()
    body = NotesField(
        max_length=BODY_MAX,
        widget=forms.Textarea(attrs={"rows": 10, "class": "vLargeTextField"}),
        help_text="Answered to visitors word for word when Claude is off.",
    )

    class Meta:
        model = Article
        fields = EDITABLE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            del self.fields["version"]
            return
        self.initial["version"] = self.instance.version
        for name in self._editable():
            self.fields[name].show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        now = self.instance
        if "version" not in cleaned or cleaned["version"] == now.version:
            return cleaned
        if all(cleaned.get(name) == getattr(now, name) for name in ("title", "body")):
            return cleaned  # a second click on Save
        newest = now.kept(now.version)
        by = f" by {newest.by.name}" if newest and newest.by else ""
        page = reverse("admin:support_article_version", args=[now.pk, now.version])
        link = format_html('<a href="{}" target="_blank">See what was changed</a>.', page)
        self._show_what_is_now()
        # Nothing of it goes into the row that the rest of the page is drawn from.
        self.cleaned_data.clear()
        raise ValidationError(
            [
                f"This article was changed{by} while you had it open, so nothing was saved. What you typed is "
                f"still here, the rest is as it is now, at version {now.version}: look it over and save again.",
                link,
            ],
            code="changed_meanwhile",
        )

    def changes(self) -> list[str]:
        """The article's fields that this person changed."""
        return [name for name in EDITABLE if name in self.changed_data]

    def _editable(self) -> list[str]:
        return [name for name in EDITABLE if name in self.fields]  # read-only for who may only look

    def _show_what_is_now(self) -> None:
        """Prepares the form to be shown again: typed fields as typed, the others as they are in the database.

        Without this a second click on Save would put back, unseen, what a colleague has changed.
        """
        typed = set(self.changed_data)
        data: Any = self.data.copy()  # type: ignore[attr-defined]
        for name in self._editable():
            value = self.initial[name]
            shown = "" if value is False else str(value)
            data[self.add_initial_prefix(name)] = str(value)
            if name not in typed:
                data[self.add_prefix(name)] = shown
        data[self.add_prefix("version")] = str(self.instance.version)
        self.data = data
