"""What staff may change of a conversation, and the guard against changing what they have not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q

from support.models import Conversation, ConversationEvent, User

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Conversation]
    _UserField = forms.ModelChoiceField[User]
else:
    _ModelForm = forms.ModelForm
    _UserField = forms.ModelChoiceField

EDITABLE = ("status", "assigned_to", "escalated", "notes")


class StaffField(_UserField):
    """Members of staff by the names that colleagues know."""

    def label_from_instance(self, user: User) -> str:
        return user.name


class NotesField(forms.CharField):
    """A text whose line ends are one character, as the API stores it; browsers send two."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(str(value or "").replace("\r\n", "\n")))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.to_python(initial), data)


class ConversationForm(_ModelForm):
    """Refuses what was filled in on an older state of the conversation, and keeps it.

    Each field also sends what it showed at first, so that 'changed' means changed by this person, not by
    somebody else in the meantime.
    """

    version = forms.IntegerField(widget=forms.HiddenInput)
    assigned_to = StaffField(queryset=User.objects.none(), required=False, empty_label="nobody")
    notes = NotesField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField"}),
        help_text="For colleagues only; visitors never see them.",
    )

    class Meta:
        model = Conversation
        fields = EDITABLE
        help_texts = {"escalated": "Went to a person. Untick if that was a mistake."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = self.instance.version
        for name in EDITABLE:
            if name in self.fields:  # read-only for who may only look
                self.fields[name].show_hidden_initial = True
        # Whoever has it stays on offer, also after leaving: saving a note must not take it from them.
        staff = User.objects.filter(Q(is_staff=True, is_active=True) | Q(pk=self.instance.assigned_to_id))
        self.fields["assigned_to"].queryset = staff.order_by("first_name", "last_name", "username")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "version" in cleaned and cleaned["version"] != self.instance.version:
            differences = self._differences()
            self._show_what_is_now()
            # Nothing of it goes into the row that the rest of the page is drawn from.
            self.cleaned_data.clear()
            raise ValidationError(
                [
                    "This conversation changed while you had it open, so nothing was saved. "
                    "What you typed is still here: look it over and save again.",
                    *(differences or ["There is something new in the thread."]),
                ],
                code="changed_meanwhile",
            )
        return cleaned

    def _differences(self) -> list[str]:
        """What is now different from what the form showed, in words."""
        lines = []
        for name in EDITABLE:
            seen = self.data.get(self.add_initial_prefix(name))
            if self.fields[name].has_changed(self.initial[name], seen):
                lines.append(f"{self[name].label}: now {self._words(name)}.")
        if lines:
            last = ConversationEvent.objects.filter(conversation=self.instance).select_related("by")
            event = last.order_by("-created_at", "-id").first()
            if event and event.by:
                lines.append(f"Last changed by {event.by.name}.")
        return lines

    def _words(self, name: str) -> str:
        if name == "status":
            return f"“{self.instance.get_status_display()}”"
        if name == "assigned_to":
            return self.instance.assigned_to.name if self.instance.assigned_to else "nobody"
        if name == "escalated":
            return "yes" if self.instance.escalated else "no"
        return f"“{self.instance.notes}”" if self.instance.notes else "empty"

    def _show_what_is_now(self) -> None:
        """Prepares the form to be shown again: typed fields as typed, the others as they are in the database.

        Without this a second click on Save would put back, unseen, what a colleague has changed.
        """
        typed = set(self.changed_data)
        data: Any = self.data.copy()  # type: ignore[attr-defined]
        for name in EDITABLE:
            value = self.initial[name]
            data[self.add_initial_prefix(name)] = "" if value is None else str(value)
            if name not in typed:
                data[self.add_prefix(name)] = "" if value is None or value is False else str(value)
        data[self.add_prefix("version")] = str(self.instance.version)
        self.data = data
