"""The desk's list of conversations and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from support import clock, hours
from support.admin import filters, thread
from support.admin.changelist import COUNT_LIMIT, ConversationList, StoppingPaginator
from support.admin.conversation_form import ConversationForm
from support.admin.show import ago, dollars, first_line, opening, reason, status_badge
from support.models import Conversation, Message

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Conversation]
else:
    _ModelAdmin = admin.ModelAdmin

_BUTTONS = {"_assign": ("assigned to", "status"), "_close": ("status",)}
"""The buttons beside Save, and the fields that they set."""


@admin.register(Conversation)
class ConversationAdmin(_ModelAdmin):
    form = ConversationForm
    fieldsets = (
        (None, {"fields": ("thread",)}),
        ("Work on it", {"fields": ("status", "assigned_to", "escalated", "notes")}),
        ("About", {"fields": ("summary",)}),
    )
    readonly_fields = ("thread", "summary")

    list_display = (
        "question",
        "state",
        "why",
        "source",
        "pairs",
        "cost",
        "assignee",
        "created",
    )
    list_filter = filters.ALL
    list_select_related = ("assigned_to",)
    list_per_page = 50
    ordering = ("-created_at", "-id")
    paginator = StoppingPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("notes", "page_url", "user_id", "id__exact")
    search_help_text = (
        "Words from a message or a note, part of the page's address, a user's id, or a conversation's id."
    )
    actions = ("assign_to_me", "close")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Conversation | None = None) -> bool:
        return False

    # --- The list ---------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        line = opening(hours.state(clock.now()))
        return super().changelist_view(request, {"opening": line, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ConversationList]:
        return ConversationList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Conversation], search_term: str
    ) -> tuple[QuerySet[Conversation], bool]:
        """What was typed as a whole, in any case; a conversation's id finds it."""
        text = search_term.strip()
        if not text:
            return queryset, False
        elsewhere = Q(page_url__icontains=text) | Q(user_id__icontains=text) | Q(pk=text.lower())
        in_text: Any = queryset
        return in_text.with_text(text) | queryset.filter(elsewhere), False

    @admin.display(description="question")
    def question(self, obj: Conversation) -> SafeString:
        return format_html('<span dir="auto">{}</span>', first_line(getattr(obj, "first_question", None)))

    @admin.display(description="status", ordering="status")
    def state(self, obj: Conversation) -> SafeString:
        return status_badge(obj.status)

    @admin.display(description="why escalated", empty_value="")
    def why(self, obj: Conversation) -> str:
        return reason(obj.escalation_reason) if obj.escalated else ""

    @admin.display(description="messages", ordering="message_count")
    def pairs(self, obj: Conversation) -> SafeString:
        unit = "message" if obj.message_count == 1 else "messages"
        # The unit is for phones, where the list has no headings.
        return format_html('{}<span class="desk-narrow"> {}</span>', f"{obj.message_count:,}", unit)

    @admin.display(description="cost", ordering="cost_usd_billionths")
    def cost(self, obj: Conversation) -> str:
        return dollars(obj.cost_usd_billionths)

    @admin.display(description="assigned to", empty_value="")
    def assignee(self, obj: Conversation) -> SafeString | str:
        if not obj.assigned_to:
            return ""
        return format_html('<span class="desk-narrow">with </span>{}', obj.assigned_to.name)

    @admin.display(description="created", ordering="created_at")
    def created(self, obj: Conversation) -> SafeString:
        return ago(obj.created_at)

    # --- Actions ----------------------------------------------------------------------------------

    @admin.action(description="Assign to me", permissions=["change"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        self._each(request, queryset, "_assign", "assigned to you", "yours already")

    @admin.action(description="Close", permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        self._each(request, queryset, "_close", "closed", "closed already")

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Conversation], button: str, done: str, already: str
    ) -> None:
        """Does what a button does to every chosen conversation, and says to how many."""
        chosen = list(queryset[: COUNT_LIMIT + 1])
        if len(chosen) > COUNT_LIMIT:
            self.message_user(
                request,
                f"More than {COUNT_LIMIT:,} at once: filter the list first. None was changed.",
                messages.ERROR,
            )
            return
        changed = [conversation for conversation in chosen if self._press(button, conversation, request)]
        user: Any = request.user
        LogEntry.objects.log_actions(
            user.pk,
            changed,
            CHANGE,
            [{"changed": {"fields": list(_BUTTONS[button])}}],
        )
        words = [f"{len(changed)} {'conversation' if len(changed) == 1 else 'conversations'} {done}"]
        if same := len(chosen) - len(changed):
            words.append(f"{same} {'was' if same == 1 else 'were'} {already}")
        if request.POST.get("select_across", "0") == "0":
            # Rows that left the filter while the page was open are not in the queryset any more.
            if gone := len(request.POST.getlist(ACTION_CHECKBOX_NAME)) - len(chosen):
                words.append(f"{gone} no longer in this list {'was' if gone == 1 else 'were'} left alone")
        self.message_user(request, f"{'; '.join(words)}.", messages.SUCCESS if changed else messages.WARNING)

    def _press(self, button: str, conversation: Conversation, request: HttpRequest) -> bool:
        """Runs the verb of a button; whether it changed anything."""
        before = conversation.version
        user: Any = request.user
        if button == "_assign":
            conversation.assign(user, by=user)
        else:
            conversation.close(by=user)
        return conversation.version != before

    # --- The page ---------------------------------------------------------------------------------

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Conversation | None:
        found = self.get_queryset(request).filter(pk=object_id)
        if request.method == "POST":
            # Locked from the check of its version to the save, both inside the view's transaction.
            found = found.select_for_update(no_key=True)
        return found.first()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Conversation | None = None,
    ) -> HttpResponse:
        if obj:
            first = Message.objects.filter(conversation=obj).oldest_first().values_list("user_message", flat=True)
            may_change = self.has_change_permission(request, obj)
            is_mine = obj.assigned_to_id == request.user.pk and obj.status == Conversation.Status.IN_PROGRESS
            context |= {
                "title": first_line(first.first()),
                "subtitle": None,
                "can_assign_to_me": may_change and not is_mine,
                "can_close": may_change and obj.status != Conversation.Status.CLOSED,
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="thread")
    def thread(self, obj: Conversation) -> SafeString:
        return thread.html(thread.load(obj))

    @admin.display(description="summary")
    def summary(self, obj: Conversation) -> SafeString:
        rows: list[tuple[str, str]] = [
            ("Status", status_badge(obj.status)),
            ("Escalated", reason(obj.escalation_reason) if obj.escalated else "no"),
            ("Source", obj.get_source_display()),
            ("Page", _link(obj.page_url)),
            ("User", obj.user_id or "unknown"),
            ("Messages", f"{obj.message_count:,}"),
            ("Tokens", f"{obj.total_input_tokens:,} in, {obj.total_output_tokens:,} out"),
            ("Cost", _cost(obj)),
            ("Created", ago(obj.created_at)),
            ("Updated", ago(obj.updated_at)),
        ]
        return format_html(
            '<dl class="desk-summary">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
        )

    def save_model(self, request: HttpRequest, obj: Conversation, form: Any, change: bool) -> None:
        """Writes only what this person changed, through the verbs, which write the audit rows too."""
        columns = {name: form.cleaned_data[name] for name in form.changed_data}
        if "assigned_to" in columns:
            staff = columns.pop("assigned_to")
            columns["assigned_to_id"] = staff.pk if staff else None
        button = _button(request)
        if button:
            columns.pop("status", None)
        if button == "_assign":
            columns.pop("assigned_to_id", None)
        user: Any = request.user
        obj.change(by=user, **columns)
        if button:
            self._press(button, obj, request)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        changes = super().construct_change_message(request, form, formsets, add)
        if button := _button(request):
            changes.append({"changed": {"fields": list(_BUTTONS[button])}})
        return changes

    def response_change(self, request: HttpRequest, obj: Conversation) -> HttpResponse:
        button = _button(request)
        if button == "_assign":
            self.message_user(request, "Assigned to you.", messages.SUCCESS)
            return HttpResponseRedirect(request.get_full_path())
        if button == "_close":
            page = reverse("admin:support_conversation_change", args=[obj.pk])
            self.message_user(request, format_html('Closed <a href="{}">{}</a>.', page, obj), messages.SUCCESS)
            return self.response_post_save_change(request, obj)
        return super().response_change(request, obj)


def _button(request: HttpRequest) -> str | None:
    return next((name for name in _BUTTONS if name in request.POST), None)


def _cost(obj: Conversation) -> str:
    """What it came to, and how much of that is a client's claim and not this server's measure."""
    cost, claimed = dollars(obj.cost_usd_billionths), obj.claimed_cost_usd_billionths
    return f"{cost}, of which {dollars(claimed)} claimed by clients" if claimed else cost


def _link(address: str) -> SafeString | str:
    """The page as a link that tells it nothing about the desk; only a web address becomes one."""
    if not address:
        return "unknown"
    try:
        is_web = urlsplit(address).scheme in ("http", "https")
    except ValueError:
        is_web = False
    if not is_web:
        return address
    return format_html('<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>', address)
