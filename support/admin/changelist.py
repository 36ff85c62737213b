"""The list of conversations at any size: a count that stops early and one query for all first questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.utils.functional import cached_property

from support.models import Conversation, Message

if TYPE_CHECKING:
    _Paginator = Paginator[Conversation]
else:
    _Paginator = Paginator

COUNT_LIMIT = 1_000
"""Rows that are counted and can be paged through; whoever looks for more searches or filters."""


class StoppingPaginator(_Paginator):
    """Counts to 1,001 and no further: an exact count would read the whole index for every page."""

    object_list: Any

    @cached_property
    def count(self) -> int:
        return int(self.object_list.order_by().values("pk")[: COUNT_LIMIT + 1].count())

    @property
    def is_cut(self) -> bool:
        return self.count > COUNT_LIMIT

    @cached_property
    def num_pages(self) -> int:
        return -(-min(self.count, COUNT_LIMIT) // self.per_page) or 1


class ConversationList(ChangeList):
    """Stock, and each row of the page has its `first_question`."""

    paginator: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # In a query of its own: as an annotation of the list it would be worked out for every row that is
        # sorted, not only for those of the page, and again on the change page.
        page = list(self.result_list)
        first = Message.objects.filter(conversation=OuterRef("pk")).oldest_first().values("user_message")[:1]
        ids = [row.pk for row in page]
        questions = dict(
            Conversation.objects.filter(pk__in=ids)
            .annotate(first_question=Subquery(first))
            .values_list("pk", "first_question")
        )
        for row in page:
            row.first_question = questions.get(row.pk)
        self.result_list = page

    def chosen(self) -> list[str]:
        """The filters in force, in words: what a phone shows while the panel is folded."""
        return [
            f"{spec.title}: {choice['display']}"
            for spec in self.filter_specs
            for choice in list(spec.choices(self))[1:]
            if choice["selected"]
        ]
