"""The desk as a browser has it: pages, and forms posted with what they showed."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.urls import reverse

LIST = "/admin/support/conversation/"


def page_of(conversation: Any) -> str:
    return reverse("admin:support_conversation_change", args=[conversation.pk])


class Desk:
    def __init__(self, client: Client) -> None:
        self.client = client

    def listed(self, **query: str) -> set[str]:
        """The ids on the first page of the list."""
        response = self.client.get(LIST, query)
        assert response.status_code == 200, response.headers
        return {row.pk for row in response.context["cl"].result_list}

    def act(self, action: str, *conversations: Any, **query: str) -> list[str]:
        """Runs an action on chosen rows of the list; returns the messages that staff sees."""
        data = {"action": action, "_selected_action": [each.pk for each in conversations], "index": "0"}
        self.client.post(LIST, data, query_params=query)
        return [str(message) for message in self.client.get(LIST).context["messages"]]

    def html(self, conversation: Any) -> str:
        return self.client.get(page_of(conversation)).content.decode()

    def form(self, conversation: Any) -> dict[str, str]:
        """What the conversation's form would send now, untouched."""
        return fields_of(self.html(conversation), "conversation_form")

    def post(self, conversation: Any, form: dict[str, str], **changed: str) -> Any:
        return self.client.post(page_of(conversation), {**form, **changed}, follow=True)


def fields_of(html: str, form_id: str) -> dict[str, str]:
    """The values that a browser would send for a form, without its buttons."""
    reader = _Form(form_id)
    reader.feed(html)
    return reader.fields


class _Form(HTMLParser):
    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.fields: dict[str, str] = {}
        self._inside = False
        self._select = self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._inside = given.get("id") == self.form_id
        if not self._inside:
            return
        if tag == "input" and given.get("type") != "submit":
            if given.get("type") != "checkbox" or "checked" in given:
                self.fields[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.fields[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        if tag == "textarea":
            # The first line end after the tag belongs to the tag; browsers send every other one as two characters.
            text = self.fields.get(self._textarea, "").removeprefix("\n")
            self.fields[self._textarea] = text.replace("\n", "\r\n")
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._inside and self._textarea:
            self.fields[self._textarea] += data.replace("\r\n", "\n")
